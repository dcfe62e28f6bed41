// Lines of a transcript -> sentences, by the labels of a punctuation model (which runs elsewhere). The official rule.
import { UsageError } from "../../engine/errors.ts";

/** A line of a transcript; seconds. Lines overlap: the next one appears before this one is gone. */
export interface CaptionLine {
  readonly text: string;
  readonly start: number;
  readonly duration: number;
}

/** A word and its share of its line's time, in seconds. */
export interface TimedWord {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

/** What transcript_cleaned.json lists; seconds. */
export interface Sentence {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly duration: number;
}

/** Punctuation that is no part of a number; digits of any script, as in Python. */
const PUNCTUATION = /(?<!\p{Nd})[.,;:!?](?!\p{Nd})/gu;
/** What Python's `split` takes for white space. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the separators U+001C to U+001F are white space there
const SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;

/** The words of a text as they stand there. */
export const wordsAsWritten = (text: string): string[] => text.split(SPACE).filter(Boolean);

/** A text without the punctuation that is no part of a number. */
export const unpunctuated = (text: string): string => text.replace(PUNCTUATION, "");

/** The words of a transcript. A line lasts until the next begins, and its words share that time equally. */
export function timedWords(lines: readonly CaptionLine[]): TimedWord[] {
  return lines.flatMap(({ text, start, duration }, i) => {
    const next = lines[i + 1];
    const end = next && start + duration > next.start ? next.start : start + duration;
    const words = wordsAsWritten(unpunctuated(text));
    const share = (end - start) / words.length;
    return words.map((word, k) => ({ word, start: start + k * share, end: start + (k + 1) * share }));
  });
}

/**
 * Sentences from words and a label for each (`0 . , ? - :`): what lies between one `.` and the next, that included. Words
 * before the first `.` and after the last are lost, and sentences with a `[` (noises) are dropped.
 */
export function sentencesOf(words: readonly TimedWord[], labels: readonly string[]): Sentence[] {
  if (labels.length !== words.length)
    throw new UsageError(`${labels.length} labels for ${words.length} words; each word has one`);
  const stops = labels.flatMap((label, i) => (label === "." ? [i] : []));
  const runs = stops.slice(1).map((stop, i) => words.slice(stops[i] + 1, stop + 1));
  return runs.map(sentence).filter(({ text }) => !text.includes("["));
}

function sentence(words: readonly TimedWord[]): Sentence {
  const start = words.reduce((least, word) => Math.min(least, word.start), Number.POSITIVE_INFINITY);
  const end = words.reduce((most, word) => Math.max(most, word.end), Number.NEGATIVE_INFINITY);
  return { text: words.map(({ word }) => word).join(" "), start, end, duration: end - start };
}
