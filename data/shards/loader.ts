// Clips -> batches, in an order and with random choices that depend on (seed, epoch, index) alone: any number of
// workers gives the same batches, and a run can go on from any step.
import { UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { type BadSampleRule, Tally } from "../bad-samples.ts";
import { gatheredBytes } from "../pixels/gathered.ts";
import { pairOf } from "../pixels/side.ts";
import { cropFits, type View } from "../pixels/view.ts";
import { inOrder, range } from "../threads/in-order.ts";
import { IN_HAND, openPool, type Pool } from "../threads/pool.ts";
import { Shower, type Showing, type SeenClip } from "../showing.ts";
import { Order, type OrderOptions } from "./order.ts";
import { type BatchPlan, type BatchSource, type ClipBatch, type ClipSet, makeBatch } from "./batch.ts";

/**
 * How batches are made: how many clips, in which order, by how many threads, and what is done about clips that cannot be read.
 */
export interface LoaderOptions extends View, OrderOptions, BadSampleRule {
  /** Decoding threads; 0 decodes on the calling thread. */
  readonly workers: number;
  /** Batches made ahead; one on the calling thread, else so many that no thread runs out of clips while one is finished. */
  readonly prefetch?: number;
  /**
   * What a sample that cannot be read does: `stop` ends the work; `skip` (the default) counts it, and puts a substitute into its
   * slot where the order is `shuffled`. In the order `stored` it is left out, for nothing may be measured on another's pictures.
   */
  readonly onBadSample?: "stop" | "skip";
  /** Which slots of every batch are filled; all. The order is that of whole batches whatever they are. */
  readonly part?: { readonly from: number; readonly count: number };
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
  readonly #pool: Pool<Showing, SeenClip>;
  readonly #source: BatchSource;
  readonly #tally: Tally;
  readonly #order: Order;
  #running = false;

  constructor(
    readonly set: ClipSet,
    readonly options: LoaderOptions,
  ) {
    takes(
      "new Loader(set: { placeOf: function, ... }, options: { batch: any, seed: any, " +
        "order: any, workers: any, frames: any, side: any, ... }, ...)",
      arguments,
    );
    const { frames, side, resize, sampling, crop, numbers, order, workers, onBadSample = "skip" } = options;
    this.#order = new Order(set, options);
    check(this.#order.shown, options);
    this.stepsPerEpoch = this.#order.stepsPerEpoch;
    const view: View = { frames, side, resize, sampling, crop, numbers };
    const onBad = onBadSample === "stop" ? onBadSample : order === "shuffled" ? "replace" : "leave out";
    this.#pool = openPool({ workers, bundle: "loader-worker", data: view, here: () => new Shower(view) });
    this.#source = { set, view, onBad, show: (showing) => this.#pool.ask(showing) };
    this.#tally = new Tally(set.samples, options);
    this.bad = this.#tally.reasons;
  }

  /** The samples of a global step, before any substitution. */
  plan(step: number): BatchPlan {
    return this.#order.plan(step);
  }

  /**
   * The batches of global steps `from` … `until − 1`, across epochs; without `until` they never end. One whose samples are all left
   * out does not come.
   */
  async *batches(from = 0, until = Number.POSITIVE_INFINITY): AsyncGenerator<ClipBatch> {
    if (this.#running) throw new UsageError("a loader gives one sequence of batches at a time");
    this.#running = true;
    const make = (step: number) => makeBatch(this.#source, partOf(this.plan(step), this.options.part));
    try {
      for await (const { batch, bad } of inOrder(range(from, until), aheadOf(this.options), make)) {
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
    await this.#pool.close("the loader was closed");
  }
}

/** The plan of some slots of a batch. */
const partOf = (plan: BatchPlan, part: LoaderOptions["part"]): BatchPlan => {
  if (!part) return plan;
  const of = (numbers: Int32Array) => numbers.slice(part.from, part.from + part.count);
  return { ...plan, indices: of(plan.indices), showings: of(plan.showings), isPart: true };
};

/** Batches under way: what is asked for behind the batch that is being finished keeps every thread busy meanwhile. */
function aheadOf({ prefetch, workers, batch }: Pick<LoaderOptions, "prefetch" | "workers" | "batch">): number {
  return prefetch ?? (workers === 0 ? 1 : 1 + Math.ceil((IN_HAND * workers) / batch));
}

/** Most that a loader holds of pictures that are drawn. */
export interface Held {
  readonly threads: number;
  /** Batches that are under way or complete, and the one that was given out last. */
  readonly batches: number;
  readonly batchBytes: number;
  /** Clips that the threads have in hand; beside these bytes each has its encoded and its decoded pictures. */
  readonly clips: number;
  readonly clipBytes: number;
  /** Of all batches and clips. */
  readonly bytes: number;
}

/** What a loader of these options will hold at most, whatever the set. */
export function heldBy(options: Omit<View, "sampling" | "crop"> & Parameters<typeof aheadOf>[0]): Held {
  const { frames, workers, batch } = options;
  const batches = aheadOf(options) + 1;
  const clips = IN_HAND * Math.max(1, workers);
  const [batchBytes, clipBytes] = [gatheredBytes(batch * frames, options), gatheredBytes(frames, options)];
  return { threads: workers, batches, batchBytes, clips, clipBytes, bytes: batches * batchBytes + clips * clipBytes };
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
