// One showing of one clip, wherever the clip lies: what the hands of a loader are asked, and what they answer.
import { type FaceClipPlace, seenFaces } from "./faces/clips.ts";
import { chooseOf, drawFootage, type SentencePlace, SentenceReader } from "./official/footage.ts";
import { Canvas } from "./pixels/canvas.ts";
import type { ShownPixels, View } from "./pixels/view.ts";
import type { RandomDraw } from "./sampling.ts";
import type { Labels } from "./shards/clip.ts";
import { drawSample } from "./shards/frames.ts";
import { ShardReader, type StoredPlace } from "./shards/shards.ts";
import type { Hand } from "./threads/pool.ts";

/** Where a clip lies: plain data, all that a thread needs to show it. */
export type ClipPlace = StoredPlace | SentencePlace | FaceClipPlace;

/** What is asked: a clip, and the draw that chooses its frames and crops. */
export interface Showing {
  readonly place: ClipPlace;
  readonly draw: RandomDraw;
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

  async answer({ place, draw }: Showing): Promise<SeenClip> {
    if (place.kind === "faces") return seenFaces(place, this.view, draw);
    const canvas = new Canvas(this.view.frames, this.view);
    const { caption, sentiment, labels } = await this.drawn(canvas, place, draw);
    return { caption, sentiment, ...(labels && { labels }), ...canvas.pixels };
  }

  close(): void {
    this.shards.close();
  }

  private async drawn(canvas: Canvas, place: StoredPlace | SentencePlace, draw: RandomDraw): Promise<ClipWords> {
    if (place.kind === "stored")
      return drawSample(canvas, 0, place.sample, this.view, draw, {
        reader: this.shards,
        categories: place.categories,
      });
    const choice = chooseOf(place.entry, this.view, draw);
    await drawFootage(canvas, 0, place, choice, await this.sentences.footage(place, choice.numbers));
    return { caption: place.entry.text, sentiment: place.sentiment };
  }
}

/** The buffers of an answer, which a thread hands over. */
export const buffersOf = ({ frames, mask }: SeenClip): ArrayBuffer[] => [frames.buffer, mask.buffer];
