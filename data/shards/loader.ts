// Shards -> batches, in an order and with random choices that depend on (seed, epoch, index) alone: any number of
// workers gives the same batches, and a run can go on from any step.
import { HealthError, UsageError } from "../../engine/errors.ts";
import { type BadSample, type BatchPlan, type BatchSource, type ClipBatch, type Made, makeBatch } from "./batch.ts";
import type { View } from "./frames.ts";
import { epochOrder } from "../sampling.ts";
import { ShardReader, type ShardSet } from "./shards.ts";
import { Thread } from "../threads/thread.ts";

export type LoaderOptions = View & {
  /** Clips in a batch, B. */
  readonly batch: number;
  readonly seed: number;
  /** `shuffled` every epoch, the incomplete last batch dropped (training); `stored`, all samples (evaluation). */
  readonly order: "shuffled" | "stored";
  /** Neighbours of the data set that are shuffled as one, as turns of a dialogue: hard negatives of one another; 1. */
  readonly together?: number;
  /** Decoding threads; 0 decodes on the calling thread. */
  readonly workers: number;
  /** Batches made ahead; as many as workers, at least one. */
  readonly prefetch?: number;
  /** What a sample that cannot be read does: `skip` puts a substitute into its slot. */
  readonly onBadSample?: "stop" | "skip";
  /** Share of the samples that may be bad before the run stops; 0.01. */
  readonly maxBad?: number;
  /** Called once for every bad sample. */
  readonly onBad?: (bad: BadSample) => void;
};

/** How the published training takes its samples. */
export const forTraining = { sampling: "random", crop: "random", order: "shuffled" } as const;
/** How the published evaluation takes its samples. */
export const forEvaluation = { sampling: "uniform", crop: "centre", order: "stored" } as const;

/** Makes batches of a split. Call `close` when done; the last batch handed out stays valid. */
export class Loader {
  /** Batches in an epoch. */
  readonly stepsPerEpoch: number;
  /** Samples found bad so far: number -> reason. */
  readonly bad = new Map<number, string>();
  private readonly source: BatchSource;
  private readonly makers: Maker[];
  private order: { epoch: number; indices: Int32Array } = { epoch: -1, indices: new Int32Array(0) };
  private running = false;

  constructor(
    readonly set: ShardSet,
    readonly options: LoaderOptions,
  ) {
    const { frames, side, resize, sampling, crop, batch, order, workers, onBadSample = "skip" } = options;
    check(set.samples, options);
    this.stepsPerEpoch = order === "shuffled" ? Math.floor(set.samples / batch) : Math.ceil(set.samples / batch);
    const view: View = { frames, side, resize, sampling, crop };
    this.source = { items: set.items, categories: set.categories.length, view, onBadSample };
    this.makers = Array.from({ length: workers }, () => inThread(this.source));
    if (workers === 0) this.makers.push(new HereMaker(this.source));
  }

  /** The samples of a global step, before any substitution. */
  plan(step: number): BatchPlan {
    const { batch, seed } = this.options;
    const epoch = Math.floor(step / this.stepsPerEpoch);
    const at = (step - epoch * this.stepsPerEpoch) * batch;
    return { step, epoch, seed, indices: this.orderOf(epoch).slice(at, at + batch) };
  }

  /** The batches of global steps `from` … `until − 1`, across epochs; without `until` they never end. */
  async *batches(from = 0, until = Number.POSITIVE_INFINITY): AsyncGenerator<ClipBatch> {
    if (this.running) throw new UsageError("a loader gives one sequence of batches at a time");
    this.running = true;
    const ahead = this.options.prefetch ?? Math.max(1, this.options.workers);
    const pending: Promise<Made>[] = [];
    let next = from;
    try {
      for (let step = from; step < until; step++) {
        for (; next < until && next < step + ahead; next++) pending.push(this.begin(next));
        const { batch, bad } = await pending.shift()!;
        this.count(bad);
        // the next batch is begun before this one is used, so that decoding goes on meanwhile
        if (next < until) pending.push(this.begin(next++));
        yield batch;
      }
    } finally {
      await Promise.allSettled(pending);
      this.running = false;
    }
  }

  /** The batches of one epoch. */
  epoch(epoch: number): AsyncGenerator<ClipBatch> {
    return this.batches(epoch * this.stepsPerEpoch, (epoch + 1) * this.stepsPerEpoch);
  }

  /** Ends the threads; unfinished batches are dropped. */
  async close(): Promise<void> {
    await Promise.all(this.makers.map((maker) => maker.close()));
  }

  private begin(step: number): Promise<Made> {
    const made = this.makers[step % this.makers.length].make(this.plan(step));
    made.catch(() => {}); // awaited in its turn; until then a failure is not "unhandled"
    return made;
  }

  private orderOf(epoch: number): Int32Array {
    if (this.order.epoch === epoch) return this.order.indices;
    const { samples } = this.set;
    const indices =
      this.options.order === "shuffled"
        ? epochOrder(this.options.seed, epoch, samples, this.options.together)
        : Int32Array.from({ length: samples }, (_, i) => i);
    this.order = { epoch, indices };
    return indices;
  }

  /** Names each bad sample once, and stops when there are too many. Counted in the order of the steps. */
  private count(found: readonly BadSample[]): void {
    const { maxBad = 0.01, onBad } = this.options;
    for (const bad of found) {
      if (this.bad.has(bad.index)) continue;
      this.bad.set(bad.index, bad.reason);
      onBad?.(bad);
      const share = this.bad.size / this.set.samples;
      if (share <= maxBad) continue;
      const percent = (v: number) => `${(100 * v).toFixed(1)} %`;
      throw new HealthError(
        `${this.bad.size} of ${this.set.samples} samples are bad (${percent(share)}), allowed are ${percent(maxBad)}; the last: ${bad.reason}`,
      );
    }
  }
}

function check(
  samples: number,
  { batch, frames, side, resize, workers, order, prefetch, together }: LoaderOptions,
): void {
  const whole = {
    batch,
    frames,
    side,
    resize,
    workers,
    ...(prefetch !== undefined && { prefetch }),
    ...(together !== undefined && { together }),
  };
  for (const [name, value] of Object.entries(whole)) {
    const least = name === "workers" ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least)
      throw new UsageError(`${name} is ${value}, expected a whole number of at least ${least}`);
  }
  if (side > resize) throw new UsageError(`a crop of ${side} pixels does not fit frames resized to ${resize}`);
  if (order === "shuffled" && batch > samples)
    throw new UsageError(`a batch of ${batch} clips, but the split has only ${samples}`);
}

/** Makes the batches given to it one after another. */
interface Maker {
  make(plan: BatchPlan): Promise<Made>;
  close(): Promise<void>;
}

class HereMaker implements Maker {
  private readonly reader = new ShardReader();
  private last: Promise<unknown> = Promise.resolve();
  constructor(private readonly source: BatchSource) {}

  make(plan: BatchPlan): Promise<Made> {
    const made = this.last.then(() => makeBatch(this.source, plan, this.reader));
    this.last = made.catch(() => {});
    return made;
  }

  async close(): Promise<void> {
    await this.last;
    this.reader.close();
  }
}

function inThread(source: BatchSource): Maker {
  const thread = new Thread<BatchPlan, Made>("loader-worker", source);
  return { make: (plan) => thread.ask(plan), close: () => thread.close("the loader was closed") };
}
