// Boxes around people -> masks of the subject, by the rules of the official preprocessing. Rows are y, columns are x.
import { centreOffset, type Rect, type Size, shortSideSize } from "./resize.ts";

/** Side of the square in which the person detector's coordinates live. */
const DETECTOR_SIDE = 640;
/** Detections at or below this confidence draw nothing. */
export const MIN_CONFIDENCE = 0.5;

/** [x1, y1, x2, y2] in pixels: covers columns x1 ≤ x < x2 and rows y1 ≤ y < y2. */
export type Box = readonly [number, number, number, number];
/** [x1, y1, x2, y2, confidence] in letterboxed detector coordinates. */
export type Detection = readonly [number, number, number, number, number];

/**
 * How detector boxes meet the picture: `compat` ignores the letterbox padding as the official code does (what the
 * published weights saw), `exact` subtracts it.
 */
export type BoxRule = "compat" | "exact";

/** Where a picture lies in the detector's input: scaled by `scale`, padded with grey to multiples of 32. */
export type Letterbox = Size & { scale: number; left: number; right: number; top: number; bottom: number };

/** The detector's geometry for a picture of this size (it may enlarge). */
export function letterbox({ width, height }: Size): Letterbox {
  const scale = Math.min(DETECTOR_SIDE / height, DETECTOR_SIDE / width);
  const w = roundEven(width * scale);
  const h = roundEven(height * scale);
  const dw = ((DETECTOR_SIDE - w) % 32) / 2;
  const dh = ((DETECTOR_SIDE - h) % 32) / 2;
  return {
    scale,
    width: w,
    height: h,
    left: roundEven(dw - 0.1),
    right: roundEven(dw + 0.1),
    top: roundEven(dh - 0.1),
    bottom: roundEven(dh + 0.1),
  };
}

/**
 * Detector coordinates -> whole pixels of a picture of `size`, clipped to it. Under `exact` the padding is that of
 * `original`, the picture the detector saw.
 */
export function detectionToBox(
  [x1, y1, x2, y2]: Detection,
  size: Size,
  rule: BoxRule = "compat",
  original: Size = size,
): Box {
  const { width, height } = size;
  const r = Math.min(DETECTOR_SIDE / width, DETECTOR_SIDE / height);
  const { left, top } = rule === "exact" ? letterbox(original) : { left: 0, top: 0 };
  return [
    Math.max(Math.floor((x1 - left) / r), 0),
    Math.max(Math.floor((y1 - top) / r), 0),
    Math.min(Math.ceil((x2 - left) / r), width),
    Math.min(Math.ceil((y2 - top) / r), height),
  ];
}

/** The boxes of the confident detections, in pixels of a picture of `size`. */
export function boxesOf(detections: readonly Detection[], size: Size, rule?: BoxRule, original?: Size): Box[] {
  return detections
    .filter(([, , , , confidence]) => confidence > MIN_CONFIDENCE)
    .map((detection) => detectionToBox(detection, size, rule, original));
}

/** A box in pixels of `from` -> the smallest box of whole pixels of `to` around it, clipped (Emotic's rule). */
export function scaleBox([x1, y1, x2, y2]: Box, from: Size, to: Size): Box {
  const r = Math.min(from.width / to.width, from.height / to.height);
  return [
    Math.max(Math.floor(x1 / r), 0),
    Math.max(Math.floor(y1 / r), 0),
    Math.min(Math.ceil(x2 / r), to.width),
    Math.min(Math.ceil(y2 / r), to.height),
  ];
}

/** Sets out[at …] (crop.width * crop.height values, row by row) to 1 inside any box and 0 elsewhere. */
export function maskInto(out: Float32Array | Uint8Array, at: number, boxes: readonly Box[], crop: Rect): void {
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
  out.fill(0, at, at + side * side);
  if (boxes.length === 0) return;
  const full = new Uint8Array(original.width * original.height);
  maskInto(full, 0, boxes, { x: 0, y: 0, ...original });
  const size = shortSideSize(original, short);
  const crop = { x: centreOffset(size.width, side), y: centreOffset(size.height, side), width: side, height: side };
  const resized = resizeBilinear(full, original, size, crop);
  for (let i = 0; i < resized.length; i++) if (resized[i] > 0.5) out[at + i] = 1;
}

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

/** Nearest integer, halves to the even one (Python's `round`). */
function roundEven(v: number): number {
  const down = Math.floor(v);
  if (v - down !== 0.5) return Math.round(v);
  return down + Math.abs(down % 2);
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
