// Boxes in pixels -> masks of the subject, by the rules of the official preprocessing; and back to the box around a mask.
import { resizeBilinear } from "./bilinear.ts";
import type { Box } from "./boxes.ts";
import { pairOf, type Side } from "./side.ts";
import { centred, type Rect, type Size, shortSideSize } from "./resize.ts";
import { takes } from "../../engine/takes.ts";

/** Sets out[at …] (crop.width * crop.height values, row by row) to 1 inside any box and 0 elsewhere. */
export function maskInto(out: Float32Array | Uint8Array, at: number, boxes: readonly Box[], crop: Rect): void {
  takes(
    "maskInto(out: Float32Array | Uint8Array, at: place, boxes: numbers[], crop: { x: number, y: number, " +
      "width: number, height: number, ... }, ...)",
    arguments,
  );
  out.fill(0, at, at + crop.width * crop.height);
  for (const [x1, y1, x2, y2] of boxes) {
    const left = Math.max(x1 - crop.x, 0);
    const right = Math.min(x2 - crop.x, crop.width);
    const top = Math.max(y1 - crop.y, 0);
    const bottom = Math.min(y2 - crop.y, crop.height);
    if (right <= left) continue;
    for (let y = top; y < bottom; y++) out.fill(1, at + y * crop.width + left, at + y * crop.width + right);
  }
}

/**
 * Mask path "full size first" (BoLD, LIRIS-ACCEDE): a mask of the original size, resized to `short`, centre-cropped to
 * side * side, 1 where the result is above 0.5.
 */
export function maskFullSizeInto(
  out: Float32Array | Uint8Array,
  at: number,
  boxes: readonly Box[],
  original: Size,
  short: number,
  side: number,
): void {
  takes(
    "maskFullSizeInto(out: Float32Array | Uint8Array, at: place, boxes: numbers[], original: extent, " +
      "short: size, side: size, ...)",
    arguments,
  );
  const size = shortSideSize(original, short);
  maskThroughInto(out, at, boxes, original, size, centred(size, side));
}

/** The same for a picture resized to `size` and cut anywhere. */
export function maskThroughInto(
  out: Float32Array | Uint8Array,
  at: number,
  boxes: readonly Box[],
  original: Size,
  size: Size,
  crop: Rect,
): void {
  out.fill(0, at, at + crop.width * crop.height);
  if (boxes.length === 0) return;
  const full = new Uint8Array(original.width * original.height);
  maskInto(full, 0, boxes, { x: 0, y: 0, ...original });
  const resized = resizeBilinear(full, original, size, crop);
  for (let i = 0; i < resized.length; i++) if (resized[i] > 0.5) out[at + i] = 1;
}

/** The box around a mask [height, width] as shares of the frame: left, top, right, bottom; zeros for an empty mask. */
export function boxOfMask(mask: Uint8Array, side: Side): [number, number, number, number] {
  const [height, width] = pairOf(side);
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      if (mask[y * width + x] <= 0) continue;
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x + 1);
      bottom = Math.max(bottom, y + 1);
    }
  return right > left ? [left / width, top / height, right / width, bottom / height] : [0, 0, 0, 0];
}
