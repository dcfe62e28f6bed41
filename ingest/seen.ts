// Who is seen in the frames of a film: boxes, how sure they are, and whose they are where somebody said.
import type { Box } from "../data/pixels/boxes.ts";
import { FormatError } from "../engine/errors.ts";
import type { Size } from "../data/pixels/resize.ts";

/** A person in a frame, in pixels of the upright picture. */
export interface SeenBox {
  readonly box: Box;
  readonly confidence: number;
  /** The same number in several frames is the same person. */
  readonly track?: number;
}

/** The people of the looks at a film, by the look's number; a look that is not there was not looked at. */
export type Seen = ReadonlyMap<number, readonly SeenBox[]>;

/** What was seen, and looks of which nothing is known, which count as empty. */
export interface Sight {
  readonly seen: Seen;
  readonly unknown: number;
}

/** Where people come from. */
export interface PeopleSource {
  readonly name: string;
  /** Changes with what it says. */
  readonly stamp: string;
  /** The people of these looks, ascending; `at` hears how many are done. */
  see(looks: readonly number[], at: (done: number) => void): Promise<Sight>;
}

/** A box within the picture; one that lies outside of it is refused, as its numbers mean something else. */
export function boxWithin([x1, y1, x2, y2]: Box, { width, height }: Size, where: string): Box {
  if (x1 >= width || y1 >= height || x2 <= 0 || y2 <= 0 || x2 <= x1 || y2 <= y1)
    throw new FormatError(
      `${where}: the box ${[x1, y1, x2, y2].join(",")} is empty or outside of the picture, ${width}x${height}; boxes are in pixels of the upright film (--box-rule says otherwise of the 640-pixel detector's)`,
    );
  return [Math.max(0, x1), Math.max(0, y1), Math.min(width, x2), Math.min(height, y2)];
}

/** The share of their union that two boxes have in common. */
export function overlap(a: Box, b: Box): number {
  const across = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const down = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (across <= 0 || down <= 0) return 0;
  return (across * down) / (boxArea(a) + boxArea(b) - across * down);
}

export const boxArea = ([x1, y1, x2, y2]: Box): number => (x2 - x1) * (y2 - y1);
