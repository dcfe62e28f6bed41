// Shards -> batches, in an order and with random choices that depend on (seed, epoch, index) alone: any number of
// workers gives the same batches, and a run can go on from any step.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { DiskError, FormatError, HealthError, UsageError } from "../engine/errors.ts";
import { type BadSample, type BatchPlan, type BatchSource, type ClipBatch, makeBatch } from "./batch.ts";
import type { View } from "./frames.ts";
import { epochOrder } from "./sampling.ts";
import { ShardReader, type ShardSet } from "./shards.ts";

export type LoaderOptions = View & {
  /** Clips in a batch, B. */
  readonly batch: number;
  readonly seed: number;
  /** `shuffled` every epoch, the incomplete last batch dropped (training); `stored`, all samples (evaluation). */
  readonly order: "shuffled" | "stored";
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

/** What a worker sends back for a plan. */
export type WorkerAnswer =
  | { step: number; batch: ClipBatch; bad: BadSample[] }
  | { step: number; error: { name: string; message: string; stack?: string } };

type Made = { batch: ClipBatch; bad: BadSample[] };

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
  private readonly threads: Thread[];
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
    this.threads = Array.from({ length: workers }, () => new WorkerThread(this.source));
    if (workers === 0) this.threads.push(new InlineThread(this.source));
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
    await Promise.all(this.threads.map((thread) => thread.close()));
  }

  private begin(step: number): Promise<Made> {
    const made = this.threads[step % this.threads.length].make(this.plan(step));
    made.catch(() => {}); // awaited in its turn; until then a failure is not "unhandled"
    return made;
  }

  private orderOf(epoch: number): Int32Array {
    if (this.order.epoch === epoch) return this.order.indices;
    const { samples } = this.set;
    const indices =
      this.options.order === "shuffled"
        ? epochOrder(this.options.seed, epoch, samples)
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

function check(samples: number, { batch, frames, side, resize, workers, order, prefetch }: LoaderOptions): void {
  const whole = { batch, frames, side, resize, workers, ...(prefetch !== undefined && { prefetch }) };
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
interface Thread {
  make(plan: BatchPlan): Promise<Made>;
  close(): Promise<void>;
}

class InlineThread implements Thread {
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

class WorkerThread implements Thread {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { done: (made: Made) => void; fail: (error: unknown) => void }>();
  private ended: Error | undefined;

  constructor(source: BatchSource) {
    this.worker = new Worker(workerFile(), { workerData: source });
    this.worker.on("message", (answer: WorkerAnswer) => this.receive(answer));
    this.worker.on("error", (error) => this.end(error));
    this.worker.on("exit", (code) => this.end(new Error(`a decoding thread ended with code ${code}`)));
    this.worker.unref(); // a pending batch is kept alive by make()
  }

  make(plan: BatchPlan): Promise<Made> {
    if (this.ended) return Promise.reject(this.ended);
    this.worker.ref();
    return new Promise((done, fail) => {
      this.waiting.set(plan.step, { done, fail });
      this.worker.postMessage(plan);
    });
  }

  async close(): Promise<void> {
    this.end(new Error("the loader was closed"));
    await this.worker.terminate();
  }

  private receive(answer: WorkerAnswer): void {
    const waiter = this.waiting.get(answer.step);
    this.waiting.delete(answer.step);
    if (this.waiting.size === 0) this.worker.unref();
    if ("error" in answer) waiter?.fail(revive(answer.error));
    else waiter?.done(answer);
  }

  private end(error: Error): void {
    this.ended ??= error;
    for (const { fail } of this.waiting.values()) fail(this.ended);
    this.waiting.clear();
  }
}

/** The worker's bundle lies beside ours. */
function workerFile(): URL {
  const url = new URL("./loader-worker.js", import.meta.url);
  if (!existsSync(fileURLToPath(url)))
    throw new Error(`loader-worker.js is not in ${fileURLToPath(new URL(".", url))}`);
  return url;
}

function revive({ name, message, stack }: { name: string; message: string; stack?: string }): Error {
  const kind = [FormatError, HealthError, DiskError].find((known) => known.name === name);
  return kind ? new kind(message) : Object.assign(new Error(message), { name, stack });
}
