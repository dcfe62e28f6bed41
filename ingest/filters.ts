// Which sentences become clips: the published filters, each with the words for what it drops.
import type { Looks } from "./frames.ts";
import type { SpokenSentence } from "./sentences.ts";

/** What a sentence must be. */
export interface FilterOptions {
  /** Seconds, both excluded. */
  readonly minSeconds: number;
  readonly maxSeconds: number;
  readonly minFrames: number;
  readonly maxNeutral: number;
  /** Share of the frames that show somebody. */
  readonly minPerson: number;
}

/** Characters of the shortest sentence. */
const FEWEST = 3;
/** Characters of the longest caption that shards hold. */
const LONGEST = 4096;

/** Why a sentence is dropped before anything is known of its pictures; undefined where it is not. */
export function textFault(
  { text, start, end }: SpokenSentence,
  looks: Looks,
  options: FilterOptions,
): string | undefined {
  const { minSeconds, maxSeconds, minFrames } = options;
  if (text.length < FEWEST) return `fewer than ${FEWEST} characters`;
  if (text.length > LONGEST) return `more than ${LONGEST} characters`;
  if (!(end - start > minSeconds)) return `not longer than ${minSeconds} s`;
  if (!(end - start < maxSeconds)) return `not shorter than ${maxSeconds} s`;
  if (looks.last - looks.first + 1 < minFrames) return `fewer than ${minFrames} frames`;
  return undefined;
}

/** Why a sentence is dropped for what it feels like; where nobody told, none is. */
export const neutralFault = (neutral: number | undefined, { maxNeutral }: FilterOptions): string | undefined =>
  neutral !== undefined && neutral > maxNeutral ? `neutral score above ${maxNeutral}` : undefined;

/** Why a sentence is dropped for whom it shows; where nobody looked, none is. */
export function personFault(share: number | undefined, { minPerson }: FilterOptions): string | undefined {
  if (share === undefined || (share > 0 && share >= minPerson)) return undefined;
  return share === 0 ? "nobody in the picture" : `somebody in fewer than ${100 * minPerson} % of the frames`;
}
