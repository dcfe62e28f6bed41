// Pixels -> JPEG bytes, and the model's input back to pixels: for files that people look at.
import sharp from "sharp";
import { MEAN, STD } from "./image.ts";
import type { Image } from "./resize.ts";

/** RGB bytes as a JPEG, colours at full resolution. */
export function encodeJpeg({ data, width, height }: Image, quality: number): Promise<Uint8Array> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: "4:4:4" })
    .toBuffer();
}

/** One normalised frame [3, S, S] back to RGB bytes. */
export function denormalise(frame: Float32Array, side: number): Image {
  const n = side * side;
  const data = new Uint8Array(3 * n);
  for (let i = 0; i < n; i++)
    for (let c = 0; c < 3; c++)
      data[3 * i + c] = Math.min(255, Math.max(0, Math.round(255 * (frame[c * n + i] * STD[c] + MEAN[c]))));
  return { data, width: side, height: side };
}

/** The box around a mask [S, S] as shares of the frame: left, top, right, bottom; zeros for an empty mask. */
export function boxOfMask(mask: Float32Array, side: number): [number, number, number, number] {
  let [left, top, right, bottom] = [side, side, 0, 0];
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      if (mask[y * side + x] <= 0) continue;
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x + 1);
      bottom = Math.max(bottom, y + 1);
    }
  return right > left ? [left / side, top / side, right / side, bottom / side] : [0, 0, 0, 0];
}
