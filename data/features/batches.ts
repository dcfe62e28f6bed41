// Batches of clips from kept rows of their frames: the clips, the frames and the substitutes that a loader of pixels would show, and no
// picture is decoded. What a clip says is read where it lies.
import { UsageError } from "../../engine/errors.ts";
import { type BadSampleRule, Tally } from "../bad-samples.ts";
import type { View } from "../pixels/view.ts";
import type { RandomDraw } from "../sampling.ts";
import { type BatchPlan, type ClipBatch, type ClipSet, fillSlots } from "../shards/batch.ts";
import { SENTIMENTS } from "../shards/clip.ts";
import { Order, type OrderOptions } from "../shards/order.ts";
import { type ClipWords, framesOfDraw, Shower } from "../showing.ts";
import type { FrameRows } from "./frame-rows.ts";

/** A batch of clips whose frames have been through a tower. */
export interface FeatureBatch
  extends Pick<ClipBatch, "step" | "epoch" | "captions" | "sentiment" | "keys" | "replaced"> {
  /** [B, T, E] */
  readonly features: Float32Array<ArrayBuffer>;
}

/** What such batches are made of. */
export interface FeatureSource {
  readonly set: ClipSet;
  readonly view: View;
  /** The rows of its frames, all of them done; only asked for with the first batch. */
  readonly rows: () => FrameRows;
}

/** Makes batches in training's order. Call `close` when done. */
export class FeatureBatches {
  readonly stepsPerEpoch: number;
  readonly #order: Order;
  readonly #tally: Tally;
  readonly #shower: Shower;

  constructor(
    private readonly source: FeatureSource,
    options: Omit<OrderOptions, "order"> & BadSampleRule,
  ) {
    const { set, view } = source;
    this.#order = new Order(set, { ...options, order: "shuffled" });
    this.stepsPerEpoch = this.#order.stepsPerEpoch;
    if (options.batch > this.#order.shown)
      throw new UsageError(`a batch of ${options.batch} clips, but the split has only ${this.#order.shown}`);
    this.#tally = new Tally(set.samples, options);
    this.#shower = new Shower(view);
  }

  /** The batches of global steps `from` … `until − 1`, across epochs. */
  async *batches(from = 0, until = Number.POSITIVE_INFINITY): AsyncGenerator<FeatureBatch> {
    for (let step = from; step < until; step++) yield await this.#made(this.#order.plan(step));
  }

  async close(): Promise<void> {
    this.#shower.close();
  }

  async #made(plan: BatchPlan): Promise<FeatureBatch> {
    const { set, view, rows } = this.source;
    const { step, epoch, indices } = plan;
    const width = view.frames * rows().width;
    const features = new Float32Array(indices.length * width);
    const slots = await fillSlots(plan, { onBad: "replace", samples: set.samples }, (draw, slot) =>
      this.#shown(draw, features.subarray(slot * width, (slot + 1) * width)),
    );
    for (const { bad } of slots) for (const each of bad) this.#tally.add(each);
    const clips = slots.map(({ filled }) => filled!); // a bad one has a substitute
    const sentiment = new Float32Array(clips.length * SENTIMENTS.length);
    for (const [slot, { shown }] of clips.entries()) sentiment.set(shown.sentiment, slot * SENTIMENTS.length);
    return {
      ...{ step, epoch, features, sentiment },
      captions: clips.map(({ shown }) => shown.caption),
      keys: clips.map(({ index }) => set.nameOf(index)),
      replaced: slots.flatMap(({ bad }) => (bad.length > 0 ? [set.nameOf(bad[0].index)] : [])),
    };
  }

  /** Puts the rows of a showing into `out`. One with a frame that could not be read is shown, and fails as it did then. */
  async #shown(draw: RandomDraw, out: Float32Array): Promise<ClipWords> {
    const { set, view, rows } = this.source;
    const place = set.placeOf(draw.index);
    const words = this.#shower.words(place, draw);
    const numbers = framesOfDraw(place, view, draw);
    if (!rows().readInto(draw.index, numbers, out)) await this.#failing(draw);
    return words;
  }

  async #failing(draw: RandomDraw): Promise<never> {
    await this.#shower.answer({ place: this.source.set.placeOf(draw.index), draw });
    throw new UsageError(
      `${this.source.set.nameOf(draw.index)}: could not be read when its features were kept, and now can: delete ${this.source.rows().folder} to have them made anew`,
    );
  }
}
