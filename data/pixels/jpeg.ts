// Pixels -> JPEG bytes.
import sharp from "sharp";
import type { Image } from "./resize.ts";

/** RGB bytes as a JPEG, colours at full resolution. */
export function encodeJpeg({ data, width, height }: Image, quality: number): Promise<Uint8Array> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: "4:4:4" })
    .toBuffer();
}
