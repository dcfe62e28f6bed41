// Boxes around people: as the person detector gives them, and in pixels of a picture. Rows are y, columns are x.
import type { Size } from "./resize.ts";
import { takes } from "../../engine/takes.ts";

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
export function letterbox(size: Size): Letterbox {
  takes("letterbox(size: extent, ...)", arguments);
  const { width, height } = size;
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
  takes('boxesOf(detections: numbers[], size: extent, rule?: "compat" | "exact", original?: extent, ...)', arguments);
  return detections
    .filter(([, , , , confidence]) => confidence > MIN_CONFIDENCE)
    .map((detection) => detectionToBox(detection, size, rule, original));
}

/** A box in pixels of `from` -> the smallest box of whole pixels of `to` around it, clipped (Emotic's rule). */
export function scaleBox(box: Box, from: Size, to: Size): Box {
  takes("scaleBox(box: numbers, from: extent, to: extent, ...)", arguments);
  const [x1, y1, x2, y2] = box;
  const r = Math.min(from.width / to.width, from.height / to.height);
  return [
    Math.max(Math.floor(x1 / r), 0),
    Math.max(Math.floor(y1 / r), 0),
    Math.min(Math.ceil(x2 / r), to.width),
    Math.min(Math.ceil(y2 / r), to.height),
  ];
}

/** Nearest integer, halves to the even one (Python's `round`). */
function roundEven(v: number): number {
  const down = Math.floor(v);
  if (v - down !== 0.5) return Math.round(v);
  return down + Math.abs(down % 2);
}
