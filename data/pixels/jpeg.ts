// Pixels -> JPEG bytes.
import { codec } from "./codec.ts";
import type { Image } from "./resize.ts";

/** RGB bytes as a JPEG, colours at full resolution. */
export function encodeJpeg({ data, width, height }: Image, quality: number): Promise<Uint8Array> {
  return codec()(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: "4:4:4" })
    .toBuffer();
}
