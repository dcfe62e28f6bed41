// Which frames of a film belong to a sentence: it is looked at `fps` times a second from its first frame on.
import type { SpokenSentence } from "./sentences.ts";

/** The looks at a film that lie within a sentence: `first` to `last`, both included; look k is at k / fps seconds. */
export interface Looks {
  readonly first: number;
  readonly last: number;
}

/** As the official index has it, ⌈fps · start⌉ to ⌊fps · end⌋; but look 0 exists, and none is behind the film's end. */
export function looksOf({ start, end }: SpokenSentence, fps: number, seconds: number): Looks {
  return { first: Math.ceil(fps * start), last: Math.min(Math.floor(fps * end), Math.ceil(fps * seconds) - 1) };
}
