// index.json: the sentences of all videos, with the frames that were on screen meanwhile; and the filters of the published
// training. The file of a large collection has millions of values, so it is scanned, not parsed into objects.
import { basename } from "node:path";
import { FormatError, nearest, UsageError } from "../../engine/errors.ts";
import { readBytes } from "../sets/files.ts";
import { clipLimits, SENTIMENTS } from "../shards/clip.ts";
import { inside } from "../formats/inside.ts";
import { JsonScanner, quoted } from "../formats/json.ts";
import { readNpyFile } from "../formats/npy.ts";

/** One sentence of one video. */
export interface ClipEntry {
  readonly videoId: string;
  /** Seconds. */
  readonly duration: number;
  /** Its frames by number, both included; 8 a second, counted from 1. */
  readonly startFrame: number;
  readonly endFrame: number;
  readonly text: string;
  /** Probability of "neutral", 0 … 1. */
  readonly neutralScore: number;
  /** Share of its frames in which somebody was detected. */
  readonly hasPerson: number;
}

/** Which sentences are trained on. */
export interface Filters {
  /** Seconds that a sentence must exceed, and stay below. */
  readonly longerThan: number;
  readonly shorterThan: number;
  /** Least characters of its text. */
  readonly characters: number;
  /** Largest neutral score, and smallest share of frames with a person. */
  readonly neutral: number;
  readonly person: number;
}

/** What the published training uses. */
export const published: Filters = { longerThan: 2, shorterThan: 10, characters: 3, neutral: 0.05, person: 0 };

const limits = { bytes: 2 ** 31 - 1, entries: 5_000_000, text: 4096, frame: 99_999_999 } as const;
const FIELDS = ["video_id", "duration", "start_frame", "end_frame", "text", "neutral_score", "has_person"] as const;

/** All entries of the file `name` below `root`, in its order. */
export function readIndexFile(root: string, name: string): ClipEntry[] {
  const scanner = new JsonScanner(readBytes(root, name, limits.bytes, "["), basename(name));
  const entries: ClipEntry[] = [];
  for (const row of scanner.members(limits.entries)) entries.push(entryAt(scanner, row));
  scanner.end();
  return entries;
}

function entryAt(scanner: JsonScanner, row: number): ClipEntry {
  const texts = new Map<string, string>();
  const numbers = new Map<string, number>();
  for (const key of scanner.keys()) {
    if (!(FIELDS as readonly string[]).includes(key)) unknown(scanner, row, key);
    if (key === "video_id" || key === "text") texts.set(key, scanner.string(key));
    else if (key.endsWith("_frame")) numbers.set(key, scanner.count(`entry ${row}: ${key}`));
    else if (key === "has_person") numbers.set(key, Number(scanner.truth() ?? scanner.number(key)));
    else numbers.set(key, scanner.number(key));
  }
  const missing = FIELDS.find((key) => !texts.has(key) && !numbers.has(key));
  if (missing) scanner.fail(`entry ${row} has no ${missing}`);
  const entry = {
    videoId: texts.get("video_id")!,
    duration: numbers.get("duration")!,
    startFrame: numbers.get("start_frame")!,
    endFrame: numbers.get("end_frame")!,
    text: texts.get("text")!,
    neutralScore: numbers.get("neutral_score")!,
    hasPerson: numbers.get("has_person")!,
  };
  const wrong = faultOf(entry);
  return wrong ? scanner.fail(`entry ${row}: ${wrong}`) : entry;
}

function unknown(scanner: JsonScanner, row: number, key: string): never {
  const guess = nearest(key, FIELDS);
  return scanner.fail(
    `entry ${row}: unknown field ${quoted(key)}${guess ? `, did you mean ${guess}?` : `; known are ${FIELDS.join(", ")}`}`,
  );
}

function faultOf({
  videoId,
  duration,
  startFrame,
  endFrame,
  text,
  neutralScore,
  hasPerson,
}: ClipEntry): string | undefined {
  if (videoId.length < 1 || videoId.length > 128)
    return `video_id has ${videoId.length} characters, allowed are 1 to 128`;
  if (text.length > limits.text) return `text has ${text.length} characters, allowed are ${limits.text}`;
  if (duration < 0) return `duration is ${duration}, expected seconds`;
  if (endFrame < startFrame || endFrame > limits.frame) return `frames ${startFrame} to ${endFrame}`;
  for (const [name, share] of Object.entries({ neutral_score: neutralScore, has_person: hasPerson }))
    if (share < 0 || share > 1) return `${name} is ${share}, expected a number from 0 to 1`;
  return undefined;
}

/** Whether a sentence is trained on. Characters count as in Python: a pair of surrogates is one. */
export function passes(entry: ClipEntry, filters: Filters): boolean {
  return (
    entry.duration > filters.longerThan &&
    entry.duration < filters.shorterThan &&
    [...entry.text].length >= filters.characters &&
    entry.neutralScore <= filters.neutral &&
    entry.hasPerson >= filters.person
  );
}

/** Checks filters that somebody gave. */
export function checkFilters(filters: Filters): Filters {
  for (const [name, value] of Object.entries(filters))
    if (!(Number.isFinite(value) && value >= 0)) throw new UsageError(`filter ${name} is ${value}, expected 0 or more`);
  return filters;
}

/** Sentiment logits [entries, 7] of the .npy file `name` below `root`; row i belongs to entry i of the whole index. */
export function readLogits(root: string, name: string, entries: number): Float32Array {
  const file = basename(name);
  const arrays = readNpyFile(inside(root, name, file));
  const [{ shape, data }] = arrays;
  const width = SENTIMENTS.length;
  if (arrays.length !== 1) throw new FormatError(`${file}: ${arrays.length} arrays, expected one`);
  if (shape.length !== 2 || shape[1] !== width || shape[0] !== entries)
    throw new FormatError(
      `${file}: shape [${shape}], expected [${entries}, ${width}]: a row for each entry of the index, of ${SENTIMENTS.join(", ")}`,
    );
  const most = clipLimits.logit;
  const bad = data.findIndex((value: number) => !(Math.abs(value) <= most));
  if (bad >= 0)
    throw new FormatError(
      `${file}: row ${Math.floor(bad / width)} has the value ${data[bad]}, expected a logit from -${most} to ${most}`,
    );
  return Float32Array.from(data);
}

/** Frames of an entry, checked against what a clip may have. */
export function frameNumbers({ startFrame, endFrame }: ClipEntry): number[] {
  const count = endFrame - startFrame + 1;
  if (count > clipLimits.frames)
    throw new FormatError(`frames ${startFrame} to ${endFrame} are ${count}, allowed are ${clipLimits.frames}`);
  return Array.from({ length: count }, (_, k) => startFrame + k);
}
