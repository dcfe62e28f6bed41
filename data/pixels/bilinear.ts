// Bilinear resize of one plane of numbers: masks and attention maps. Pictures are resized in resize.ts.
import type { Rect, Size } from "./resize.ts";

/**
 * Bilinear resize with half-pixel centres and no antialiasing (the former default of torchvision for tensors); of the
 * result only the part `crop` is computed.
 */
export function resizeBilinear(
  src: Float32Array | Uint8Array,
  from: Size,
  to: Size,
  crop: Rect = { x: 0, y: 0, ...to },
): Float32Array {
  const columns = bilinearTaps(from.width, to.width);
  const rows = bilinearTaps(from.height, to.height);
  const out = new Float32Array(crop.width * crop.height);
  for (let y = 0; y < crop.height; y++) {
    const above = rows.low[crop.y + y] * from.width;
    const below = rows.high[crop.y + y] * from.width;
    const v = rows.share[crop.y + y];
    for (let x = 0; x < crop.width; x++) {
      const u = columns.share[crop.x + x];
      const left = columns.low[crop.x + x];
      const right = columns.high[crop.x + x];
      const upper = (1 - u) * src[above + left] + u * src[above + right];
      const lower = (1 - u) * src[below + left] + u * src[below + right];
      out[y * crop.width + x] = (1 - v) * upper + v * lower;
    }
  }
  return out;
}

/** Output o lies `share` of the way from input low[o] to high[o]. The official library keeps the scale in float32, and so do we. */
function bilinearTaps(input: number, output: number) {
  const low = new Int32Array(output);
  const high = new Int32Array(output);
  const share = new Float64Array(output);
  const scale = Math.fround(input / output);
  for (let o = 0; o < output; o++) {
    const at = Math.max((o + 0.5) * scale - 0.5, 0);
    low[o] = Math.min(Math.floor(at), input - 1);
    high[o] = Math.min(low[o] + 1, input - 1);
    share[o] = at - low[o];
  }
  return { low, high, share };
}
