// Cues -> sentences with their times: the official grouping as it is meant. A line's words share its time, punctuation is left out
// of the text, and a sentence ends where its punctuation says so; the first one and the last one count too.
import { unpunctuated, wordsAsWritten } from "../data/official/sentences.ts";
import type { Cue } from "./cues.ts";

/** A sentence; seconds. */
export interface SpokenSentence {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** The sentences of a film, and how they were told apart. */
export interface Grouped {
  readonly sentences: readonly SpokenSentence[];
  /** Lines with a "[", which describe noises. */
  readonly noises: number;
  readonly words: number;
  /** False where there is hardly any punctuation: then every cue is a sentence. */
  readonly isPunctuated: boolean;
}

/** A word, and whether a sentence ends with it. */
interface Spoken {
  readonly word: string;
  readonly start: number;
  readonly end: number;
  readonly ends: boolean;
}

/** A text with fewer ends than one in so many words has no punctuation. */
const FEW = 60;

/** A pause of more than `pause` seconds, and another speaker, end a sentence as well. */
export function groupSentences(cues: readonly Cue[], pause: number): Grouped {
  const quiet = cues.map((cue) => ({ cue, lines: cue.lines.filter((line) => !line.includes("[")) }));
  const noises = cues.reduce((sum, { lines }, i) => sum + lines.length - quiet[i].lines.length, 0);
  const spoken = quiet.map(({ cue, lines }) => spokenIn(cue, lines));
  const words = spoken.flat();
  const isPunctuated = words.filter(({ ends }) => ends).length * FEW >= words.length;
  const runs: Spoken[][] = [];
  let isOpen = false;
  for (const [i, said] of spoken.entries()) {
    const { lines, speaker } = cues[i];
    const isNoisy = quiet[i].lines.length < lines.length;
    if (!isPunctuated || isNoisy || speaker !== cues[i - 1]?.speaker) isOpen = false;
    for (const word of said) {
      if (isOpen && word.start - runs.at(-1)!.at(-1)!.end <= pause) runs.at(-1)!.push(word);
      else runs.push([word]);
      isOpen = !word.ends;
    }
    if (isNoisy) isOpen = false;
  }
  return { sentences: runs.map(sentenceOf), noises, words: words.length, isPunctuated };
}

function sentenceOf(run: readonly Spoken[]): SpokenSentence {
  return {
    text: run.map(({ word }) => word).join(" "),
    start: run.reduce((least, { start }) => Math.min(least, start), Infinity),
    end: run.reduce((most, { end }) => Math.max(most, end), 0),
  };
}

/** The words of a cue with their own times, or with equal shares of the cue's. */
function spokenIn({ start, end, words }: Cue, lines: readonly string[]): Spoken[] {
  if (words && lines.length > 0) return joined(words);
  const written = lines.flatMap(wordsAsWritten);
  const count = written.filter((word) => unpunctuated(word) !== "").length;
  const share = (end - start) / count;
  let k = 0;
  const timed = written.map((word) => {
    const at = start + k * share;
    if (unpunctuated(word) !== "") k++;
    return { word, start: at, end: start + k * share };
  });
  return joined(timed);
}

/** Words without punctuation; a mark that stands alone belongs to the word before it. */
function joined(words: readonly { word: string; start: number; end: number }[]): Spoken[] {
  const found: Spoken[] = [];
  for (const { word, start, end } of words) {
    const bare = unpunctuated(word).trim();
    const ends = isEnd(word);
    if (bare !== "") found.push({ word: bare, start, end, ends });
    else if (ends && found.length > 0) found[found.length - 1] = { ...found.at(-1)!, ends };
  }
  return found;
}

const TITLES = /^["'(]*(mr|mrs|ms|dr|st|prof|sr|jr|vs|no|etc|e\.g|i\.e)\.$/i;

/** Whether a word as it is written ends a sentence. */
const isEnd = (word: string): boolean => /[.!?…。！？]["'”’)\]]*$/u.test(word) && !TITLES.test(word);
