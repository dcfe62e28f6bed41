// Frames as golden files have them: normalised, plane by plane.
import { pictureOf } from "../../data/pixels/canvas.ts";
import { normaliseInto } from "../../data/pixels/image.ts";
import { cellsOf, type Side } from "../../data/pixels/side.ts";

/** RGB bytes [T, S, S, 3] -> [T, 3, S, S]. */
export function planes(frames: Uint8Array, side: Side): Float32Array<ArrayBuffer> {
  const out = new Float32Array(frames.length);
  const width = 3 * cellsOf(side);
  for (let t = 0; t * width < out.length; t++) normaliseInto(out, t * width, pictureOf(frames, t, side));
  return out;
}
