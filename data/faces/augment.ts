// What EmoCLIP's training does to a clip: one small rotation and perhaps a mirror image, the same for all its frames.
import { takes } from "../../engine/takes.ts";
import type { Random } from "../philox.ts";
import { MEAN } from "../pixels/image.ts";

/** How a clip is shown. */
export interface Turn {
  /** Degrees, counter-clockwise. */
  readonly angle: number;
  /** Left and right swapped, after the rotation. */
  readonly flip: boolean;
}

/** The official range of angles, in degrees to both sides. */
const widest = 6;

/** A rotation uniform in ±6°, and a mirror image half of the time. */
export const drawTurn = (random: Random): Turn => ({
  angle: widest * (2 * random.uniform() - 1),
  flip: random.uniform() < 0.5,
});

/**
 * Of each pixel of a picture that is turned about its centre, then mirrored, the number of the nearest source, -1 where there is none. All
 * frames of a clip have the same ones.
 */
export function sourcesOf(height: number, width: number, turn: Turn): Int32Array {
  takes("sourcesOf(height: size, width: size, turn: { angle: number, flip: flag, ... }, ...)", arguments);
  const { angle, flip } = turn;
  const radians = (angle * Math.PI) / 180;
  const [cos, sin] = [Math.cos(radians), Math.sin(radians)];
  const from = new Int32Array(height * width).fill(-1);
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++) {
      const [x, y] = [j + 0.5 - width / 2, i + 0.5 - height / 2];
      const column = nearest(cos * x - sin * y + width / 2 - 0.5);
      const row = nearest(sin * x + cos * y + height / 2 - 0.5);
      const to = i * width + (flip ? width - 1 - j : j);
      if (column >= 0 && column < width && row >= 0 && row < height) from[to] = row * width + column;
    }
  return from;
}

/** Planes whose pixels are those of their sources, 0 where there is none (of normalised pixels the mean grey). */
export function turned(planes: Float32Array, from: Int32Array): Float32Array {
  const pixels = from.length;
  const out = new Float32Array(planes.length);
  for (let at = 0; at < planes.length; at += pixels)
    for (let k = 0; k < pixels; k++) if (from[k] >= 0) out[at + k] = planes[at + from[k]];
  return out;
}

/** The mean colour in bytes, which is nearest to 0 once it is normalised. */
const grey = MEAN.map((mean) => Math.round(255 * mean));

/** The same of a picture [height, width, 3] in bytes; where there is no source it has the mean colour. */
export function turnedBytes(picture: Uint8Array, from: Int32Array): Uint8Array {
  const out = new Uint8Array(picture.length);
  for (let k = 0; k < from.length; k++)
    for (let c = 0; c < 3; c++) out[3 * k + c] = from[k] >= 0 ? picture[3 * from[k] + c] : grey[c];
  return out;
}

/** The nearest whole number, halves to the even one. */
function nearest(value: number): number {
  const down = Math.floor(value);
  return value - down === 0.5 ? down + (down % 2 === 0 ? 0 : 1) : Math.round(value);
}
