// Which frames of a film belong to a sentence: it is looked at `fps` times a second from its first frame on.
import type { SpokenSentence } from "./sentences.ts";

/** The looks at a film that lie within a sentence: `first` to `last`, both included; look k is at k / fps seconds. */
export interface Looks {
  readonly first: number;
  readonly last: number;
}

/** How a film is looked at unless somebody says otherwise: looks a second, ffmpeg's score of a cut, confidence above which a box counts. */
export const usualLooks = { fps: 8, scene: 0.3, minConfidence: 0.5 } as const;

/** The number of the shot that a look shows, where new ones begin at these seconds, ascending. */
export function shotsAt(cuts: readonly number[], fps: number): (look: number) => number {
  return (look) => {
    let [low, high] = [0, cuts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cuts[middle] <= look / fps + ROUNDING) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** Times in files are rounded; in seconds. */
const ROUNDING = 1e-3;

/** As the official index has it, ⌈fps · start⌉ to ⌊fps · end⌋; but look 0 exists, and none is behind the film's end. */
export function looksOf({ start, end }: SpokenSentence, fps: number, seconds: number): Looks {
  return { first: Math.ceil(fps * start), last: Math.min(Math.floor(fps * end), Math.ceil(fps * seconds) - 1) };
}
