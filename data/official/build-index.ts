// How the official code makes index.json: which sentences of a video become entries, and with which frames.
import type { Detection } from "../pixels/boxes.ts";
import { frameNamed } from "./frame-file.ts";
import type { ClipEntry } from "./index-file.ts";
import type { Sentence } from "./sentences.ts";

/** Frames a second, and the fewest that a sentence must have. */
const [RATE, FEWEST] = [8, 8];

/** A video whose sentences are to be listed. */
export interface IndexedVideo {
  readonly videoId: string;
  readonly sentences: readonly Sentence[];
  /** The probability of "neutral" for each sentence. */
  readonly neutralScores: readonly number[];
  /** Numbers of the frames that its file has. */
  readonly frames: ReadonlySet<number>;
  /** Detected people, by frame name. */
  readonly boxes: ReadonlyMap<string, readonly Detection[] | undefined>;
}

/** Whether BoLD has clips of this video: then it must not be trained on. Ids are compared up to their first `&`. */
export function isDuplicate(videoId: string, duplicates: ReadonlySet<string>): boolean {
  return duplicates.has(videoId.split("&")[0]);
}

/**
 * The entries of a video: sentences of at least 8 frames, all of which exist. Frame k shows the time (k − 1)/8, yet the
 * official code counts from 0, so that a sentence which starts at 0 asks for frame 0 and is dropped; so here.
 */
export function entriesOf({ videoId, sentences, neutralScores, frames, boxes }: IndexedVideo): ClipEntry[] {
  return sentences.flatMap(({ text, start, end, duration }, i) => {
    const [startFrame, endFrame] = [Math.ceil(RATE * start), Math.floor(RATE * end)];
    const numbers = Array.from({ length: Math.max(0, endFrame - startFrame + 1) }, (_, k) => startFrame + k);
    if (numbers.length < FEWEST || !numbers.every((number) => frames.has(number))) return [];
    const seen = numbers.filter((number) => (boxes.get(frameNamed(number))?.length ?? 0) > 0);
    const hasPerson = seen.length / numbers.length;
    return [{ videoId, duration, startFrame, endFrame, text, neutralScore: neutralScores[i], hasPerson }];
  });
}

/** Entries in the order that this project gives them; the official order is that of a Python set. */
export function entriesInOrder(entries: readonly ClipEntry[]): ClipEntry[] {
  const rank = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0);
  return [...entries].sort(
    (a, b) =>
      rank(a.videoId, b.videoId) || a.startFrame - b.startFrame || a.endFrame - b.endFrame || rank(a.text, b.text),
  );
}
