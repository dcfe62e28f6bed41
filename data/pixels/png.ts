// Pixels -> PNG bytes.
import sharp from "sharp";
import type { Image } from "./resize.ts";

/** RGB bytes as a PNG. */
export function encodePng({ data, width, height }: Image): Promise<Uint8Array> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
}
