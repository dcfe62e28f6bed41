// One showing of one clip, wherever the clip lies: what the hands of a loader are asked, and what they answer.
import { resolve } from "node:path";
import { type FaceClipPlace, facesOfAnyDraw, facesOfDraw, seenFaces, wordsOfFaces } from "./faces/clips.ts";
import { chooseOf, drawFootage, sentenceLength, type SentencePlace, SentenceReader } from "./official/footage.ts";
import { Canvas } from "./pixels/canvas.ts";
import type { ShownPixels, View } from "./pixels/view.ts";
import type { RandomDraw } from "./sampling.ts";
import type { Labels } from "./shards/clip.ts";
import { chooseFrames, drawSample, framesToChooseFrom } from "./shards/frames.ts";
import { ShardReader, type StoredPlace } from "./shards/shards.ts";
import type { Hand } from "./threads/pool.ts";

/** Where a clip lies: plain data, all that a thread needs to show it. */
export type ClipPlace = StoredPlace | SentencePlace | FaceClipPlace;

/** What is asked: a clip, and the draw that chooses its frames and crops. */
export interface Showing {
  readonly place: ClipPlace;
  readonly draw: RandomDraw;
  /** Frames of the clip, counted from 0, in place of those that the draw chooses. */
  readonly numbers?: readonly number[];
}

/** Frames of a clip, before one is decoded. */
const lengthOf = (place: StoredPlace | SentencePlace): number =>
  place.kind === "stored" ? place.sample.frames.length / 2 : sentenceLength(place.entry);

/** Numbers of the frames that a draw chooses of a clip, counted from 0. */
export const framesOfDraw = (place: ClipPlace, view: View, draw: RandomDraw): Int32Array =>
  place.kind === "faces" ? facesOfDraw(place, view, draw) : chooseFrames(view, draw, lengthOf(place));

/** Numbers of the frames of a clip that some draw may choose, each once. */
export const framesOfAnyDraw = (place: ClipPlace, view: View): Int32Array =>
  place.kind === "faces" ? facesOfAnyDraw(place, view) : framesToChooseFrom(view, lengthOf(place));

/**
 * What of a place its pictures follow from, without what is said of the clip. Of stored clips it tells where they lie in their tar files,
 * of the others which files and frames they are.
 */
export function picturesOf(place: ClipPlace): object {
  if (place.kind === "stored") return place;
  const root = resolve(place.root);
  if (place.kind === "faces") {
    const { kind, folder, frames, how } = place;
    return { kind, root, folder, frames, how };
  }
  const { kind, entry, videos, rule } = place;
  const { videoId, startFrame, endFrame } = entry;
  return { kind, root, videos, videoId, startFrame, endFrame, rule };
}

/** What a clip says. */
export interface ClipWords {
  readonly caption: string;
  /** Seven logits. */
  readonly sentiment: readonly number[];
  readonly labels?: Labels;
}

/** What is answered: T frames with their masks, and what the clip says. */
export interface SeenClip extends ShownPixels, ClipWords {}

/** Shows clips of any kind as a view says. One per thread. Errors: FormatError for what is wrong with a clip. */
export class Shower implements Hand<Showing, SeenClip> {
  private readonly shards = new ShardReader();
  private readonly sentences = new SentenceReader();

  constructor(private readonly view: View) {}

  async answer({ place, draw, numbers }: Showing): Promise<SeenClip> {
    if (place.kind === "faces") return seenFaces(place, this.view, draw, numbers);
    const canvas = new Canvas(numbers?.length ?? this.view.frames, this.view);
    const { caption, sentiment, labels } = await this.drawn(canvas, place, draw, numbers);
    return { caption, sentiment, ...(labels && { labels }), ...canvas.pixels };
  }

  /** What a clip says in a showing, without a look at its pictures. */
  words(place: ClipPlace, draw: RandomDraw): ClipWords {
    if (place.kind === "faces") return wordsOfFaces(place, draw);
    if (place.kind === "stored") return this.shards.info(place.sample, place.categories);
    return { caption: place.entry.text, sentiment: place.sentiment };
  }

  /** All that a clip may say. */
  texts(place: ClipPlace): readonly string[] {
    return place.kind === "faces" ? place.texts : [this.words(place, { seed: 0, epoch: 0, index: 0 }).caption];
  }

  close(): void {
    this.shards.close();
  }

  private async drawn(
    canvas: Canvas,
    place: StoredPlace | SentencePlace,
    draw: RandomDraw,
    numbers?: readonly number[],
  ): Promise<ClipWords> {
    if (place.kind === "stored") {
      const source = { reader: this.shards, categories: place.categories };
      return drawSample(canvas, 0, place.sample, this.view, draw, source, numbers);
    }
    const choice = chooseOf(place.entry, this.view, draw, numbers);
    await drawFootage(canvas, 0, place, choice, await this.sentences.footage(place, choice.numbers));
    return this.words(place, draw);
  }
}

/** The buffers of an answer, which a thread hands over. */
export const buffersOf = ({ frames, mask }: SeenClip): ArrayBuffer[] => [frames.buffer, mask.buffer];
