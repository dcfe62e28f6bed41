// Shards -> batches, in an order and with random choices that depend on (seed, epoch, index) alone: any number of
// workers gives the same batches, and a run can go on from any step.
import { UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { type BadSampleRule, Tally } from "../bad-samples.ts";
import { pairOf } from "../pixels/side.ts";
import { cropFits, type View } from "../pixels/view.ts";
import { inOrder, range } from "../threads/in-order.ts";
import { Lanes } from "../threads/lanes.ts";
import { type BatchPlan, type BatchSource, type ClipBatch, type Made, makeBatch } from "./batch.ts";
import { epochOrder } from "../sampling.ts";
import { ShardReader, type ShardSet } from "./shards.ts";
import { Thread } from "../threads/thread.ts";

/**
 * How batches are made: how many clips, in which order, by how many threads, and what is done about clips that cannot be read.
 */
export interface LoaderOptions extends View, BadSampleRule {
  /** Clips in a batch, B. */
  readonly batch: number;
  /** Decides order, crops and frames: the same seed gives the same batches. */
  readonly seed: number;
  /** `shuffled` every epoch, the incomplete last batch dropped (training); `stored`, all samples (evaluation). */
  readonly order: "shuffled" | "stored";
  /** Neighbours of the data set that are shuffled as one, as turns of a dialogue: hard negatives of one another; 1. */
  readonly together?: number;
  /** Decoding threads; 0 decodes on the calling thread. */
  readonly workers: number;
  /** Batches made ahead; as many as workers, at least one. */
  readonly prefetch?: number;
  /**
   * What a sample that cannot be read does: `stop` ends the work; `skip` (the default) counts it, and puts a substitute into its
   * slot where the order is `shuffled`. In the order `stored` it is left out, for nothing may be measured on another's pictures.
   */
  readonly onBadSample?: "stop" | "skip";
}

/** How the published training takes its samples. */
export const forTraining = { sampling: "random", crop: "random", order: "shuffled" } as const;
/** How the published evaluation takes its samples. */
export const forEvaluation = { sampling: "uniform", crop: "centre", order: "stored" } as const;

/** Makes batches of a split. Call `close` when done; the last batch handed out stays valid. */
export class Loader {
  /** Batches in an epoch. */
  readonly stepsPerEpoch: number;
  /** Samples found bad so far: number -> reason. */
  readonly bad: ReadonlyMap<number, string>;
  readonly #makers: Maker[];
  readonly #tally: Tally;
  #order: { epoch: number; indices: Int32Array } = { epoch: -1, indices: new Int32Array(0) };
  #running = false;

  constructor(
    readonly set: ShardSet,
    readonly options: LoaderOptions,
  ) {
    takes(
      "new Loader(set: { frameCount: function, ... }, options: { batch: any, seed: any, " +
        "order: any, workers: any, frames: any, side: any, ... }, ...)",
      arguments,
    );
    const { frames, side, resize, sampling, crop, batch, order, workers, onBadSample = "skip" } = options;
    check(set.samples, options);
    this.stepsPerEpoch = order === "shuffled" ? Math.floor(set.samples / batch) : Math.ceil(set.samples / batch);
    const view: View = { frames, side, resize, sampling, crop };
    const onBad = onBadSample === "stop" ? onBadSample : order === "shuffled" ? "replace" : "leave out";
    const source: BatchSource = { items: set.items, categories: set.categories.length, view, onBad };
    this.#makers = workers === 0 ? [here(source)] : Array.from({ length: workers }, () => inThread(source));
    this.#tally = new Tally(set.samples, options);
    this.bad = this.#tally.reasons;
  }

  /** The samples of a global step, before any substitution. */
  plan(step: number): BatchPlan {
    const { batch, seed } = this.options;
    const epoch = Math.floor(step / this.stepsPerEpoch);
    const at = (step - epoch * this.stepsPerEpoch) * batch;
    return { step, epoch, seed, indices: this.#orderOf(epoch).slice(at, at + batch) };
  }

  /**
   * The batches of global steps `from` … `until − 1`, across epochs; without `until` they never end. One whose samples are all left
   * out does not come.
   */
  async *batches(from = 0, until = Number.POSITIVE_INFINITY): AsyncGenerator<ClipBatch> {
    if (this.#running) throw new UsageError("a loader gives one sequence of batches at a time");
    this.#running = true;
    const ahead = this.options.prefetch ?? Math.max(1, this.options.workers);
    const make = (step: number) => this.#makers[step % this.#makers.length].make(this.plan(step));
    try {
      for await (const { batch, bad } of inOrder(range(from, until), ahead, make)) {
        for (const each of bad) this.#tally.add(each); // in the order of the steps
        if (batch.count > 0) yield batch;
      }
    } finally {
      this.#running = false;
    }
  }

  /** The batches of one epoch. */
  epoch(epoch: number): AsyncGenerator<ClipBatch> {
    return this.batches(epoch * this.stepsPerEpoch, (epoch + 1) * this.stepsPerEpoch);
  }

  /** Ends the threads; unfinished batches are dropped. */
  async close(): Promise<void> {
    await Promise.all(this.#makers.map((maker) => maker.close()));
  }

  #orderOf(epoch: number): Int32Array {
    if (this.#order.epoch === epoch) return this.#order.indices;
    const { samples } = this.set;
    const indices =
      this.options.order === "shuffled"
        ? epochOrder(this.options.seed, epoch, samples, this.options.together)
        : Int32Array.from({ length: samples }, (_, i) => i);
    this.#order = { epoch, indices };
    return indices;
  }
}

function check(
  samples: number,
  { batch, frames, side, resize, workers, order, prefetch, together }: LoaderOptions,
): void {
  const whole = {
    batch,
    frames,
    side: Math.min(...pairOf(side)),
    resize: Math.min(...pairOf(resize)),
    workers,
    ...(prefetch !== undefined && { prefetch }),
    ...(together !== undefined && { together }),
  };
  for (const [name, value] of Object.entries(whole)) {
    const least = name === "workers" ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least)
      throw new UsageError(`${name} is ${value}, expected a whole number of at least ${least}`);
  }
  if (!cropFits({ side, resize }))
    throw new UsageError(`a crop of ${side} pixels does not fit frames resized to ${resize}`);
  if (order === "shuffled" && batch > samples)
    throw new UsageError(`a batch of ${batch} clips, but the split has only ${samples}`);
}

/** Makes the batches given to it one after another. */
interface Maker {
  make(plan: BatchPlan): Promise<Made>;
  close(): Promise<void>;
}

function here(source: BatchSource): Maker {
  const reader = new ShardReader();
  const lanes = new Lanes(1);
  const close = async () => {
    await lanes.ended();
    reader.close();
  };
  return { make: (plan) => lanes.run(() => makeBatch(source, plan, reader)), close };
}

function inThread(source: BatchSource): Maker {
  const thread = new Thread<BatchPlan, Made>("loader-worker", source);
  return { make: (plan) => thread.ask(plan), close: () => thread.close("the loader was closed") };
}
