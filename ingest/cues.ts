// What is said and when, as a file of subtitles has it, held against the film: what cannot be is dropped and counted by kind.
import { FormatError } from "../engine/errors.ts";

/** A word of a cue that has times of its own, in seconds. */
export interface CueWord {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

/** What is shown from `start` to `end`, in seconds. */
export interface Cue {
  readonly start: number;
  readonly end: number;
  readonly lines: readonly string[];
  readonly words?: readonly CueWord[];
  readonly speaker?: string;
}

/** A file of cues, and messages about those that cannot be read. */
export interface CueFile {
  readonly cues: readonly Cue[];
  readonly unread: readonly string[];
}

/** How many cues have what fault, and the first of each kind. */
export type CueFaults = Readonly<Record<string, { readonly count: number; readonly first: string }>>;

/** Cues that are possible in a film. */
export interface CheckedCues {
  readonly cues: readonly Cue[];
  readonly faults: CueFaults;
}

/** Cues of a film: a day of one a second. */
export const MOST_CUES = 86_400;
/** Seconds by which a cue may lie behind the film's end. */
const SLACK = 0.5;

/**
 * Cues in the order of time, within the film, and each over when the next begins, which is the official rule; of a film whose first
 * picture comes `delay` seconds after where cues are timed from, in seconds from that picture. Errors: FormatError where more than
 * half lie beyond the film: they are of another one.
 */
export function checkCues({ cues, unread }: CueFile, seconds: number, name: string, delay = 0): CheckedCues {
  const faults = new CueTally();
  for (const message of unread) faults.add("unread", message);
  const told = cues.map((cue, i) => ({ cue, where: `${name}: cue ${i + 1} at ${cue.start.toFixed(2)} s` }));
  const sorted = inOrderOfTime(told, faults).flatMap((each) => (delay > 0 ? fromPicture(each, delay, faults) : each));
  const within = sorted.filter(({ cue, where }) => {
    const isBeyond = cue.start >= seconds;
    if (isBeyond) faults.add("beyond the film", `${where}: begins after the film's end at ${seconds.toFixed(2)} s`);
    return !isBeyond;
  });
  if (cues.length > 0 && within.length < cues.length / 2)
    throw new FormatError(
      `${name}: ${cues.length - within.length} of ${cues.length} cues begin after the film's end at ${seconds.toFixed(2)} s; they are of another film or in another unit of time`,
    );
  const once = within.filter((each, i) => i === 0 || !isRepeated(each, within[i - 1].cue, faults));
  return { cues: once.map((each, i) => cutTo(each, once[i + 1]?.cue.start, seconds, faults)), faults: faults.all };
}

interface Told {
  readonly cue: Cue;
  readonly where: string;
}

function inOrderOfTime(told: readonly Told[], faults: CueTally): Told[] {
  for (const [i, { cue, where }] of told.entries())
    if (i > 0 && cue.start < told[i - 1].cue.start) faults.add("out of order", `${where}: comes after a later one`);
  return [...told].sort((a, b) => a.cue.start - b.cue.start);
}

/** In seconds from the first picture; nothing where it was over before. */
function fromPicture({ cue, where }: Told, delay: number, faults: CueTally): Told | [] {
  const from = (at: number) => Math.max(0, at - delay);
  if (cue.end <= delay) {
    faults.add("before the first picture", `${where}: the first picture comes at ${delay.toFixed(2)} s`);
    return [];
  }
  const words = cue.words?.map((word) => ({ ...word, start: from(word.start), end: from(word.end) }));
  return { cue: { ...cue, start: from(cue.start), end: from(cue.end), ...(words && { words }) }, where };
}

function isRepeated({ cue, where }: Told, before: Cue, faults: CueTally): boolean {
  const isSame = cue.start === before.start && cue.lines.join("\n") === before.lines.join("\n");
  if (isSame) faults.add("repeated", `${where}: is there twice`);
  return isSame;
}

function cutTo({ cue, where }: Told, next: number | undefined, seconds: number, faults: CueTally): Cue {
  if (cue.end > seconds + SLACK) faults.add("cut at the film's end", `${where}: ends at ${cue.end.toFixed(2)} s`);
  if (next !== undefined && cue.end > next) faults.add("overlapping", `${where}: the next begins before its end`);
  return { ...cue, end: Math.min(cue.end, seconds, next !== undefined && next > cue.start ? next : Infinity) };
}

/** Counts faults by kind. */
export class CueTally {
  readonly all: Record<string, { count: number; first: string }> = {};

  add(kind: string, message: string): void {
    const found = this.all[kind];
    if (found) found.count++;
    else this.all[kind] = { count: 1, first: message };
  }
}
