// sharp, set up for this project. libvips keeps its settings per process, not per thread: the main thread sets them before
// it starts any other, and importing this sets nothing.
import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import sharp from "sharp";

/**
 * What a data file must not reach: every loader but those of JPEG, PNG, WebP and TIFF. These are never blocked, not even for a
 * moment, so whoever sets this, no picture that another thread decodes meanwhile is refused.
 */
const blocked = [
  ...["Analyze", "Csv", "Dcraw", "Fits", "Heif", "Jp2k", "Jxl", "Magick", "Magick7", "Mat", "Matrix", "Nifti"],
  ...["Nsgif", "Openexr", "Openslide", "Pdf", "Ppm", "Rad", "Raw", "Svg", "Uhdr", "Vips"],
].map((name) => `VipsForeignLoad${name}`);

/** Threads inherit it from the one that started them: the process is set up. */
const MARK = "emotionclip codec";
let isReady = false;

/** Sets up the codec of this process, unless that is done. The main thread calls it before it starts a thread. */
export function setUpCodec(): void {
  if (isReady) return;
  isReady = true;
  sharp.cache(false); // sharp switches it on in every thread that imports it
  if (getEnvironmentData(MARK)) return;
  sharp.concurrency(1); // parallelism comes from several pictures in flight
  sharp.block({ operation: blocked });
  setEnvironmentData(MARK, true);
}

/** sharp, when it is set up. */
export function codec(): typeof sharp {
  setUpCodec();
  return sharp;
}
