// Pixels -> PNG bytes.
import { codec } from "./codec.ts";
import type { Image } from "./resize.ts";

/** RGB bytes as a PNG. */
export function encodePng({ data, width, height }: Image): Promise<Uint8Array> {
  return codec()(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
}
