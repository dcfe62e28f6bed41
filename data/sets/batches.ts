// The samples of a benchmark as batches, in order, loaded ahead by threads. Any number of threads gives the same bytes.
import { FormatError, HealthError, UsageError } from "../../engine/errors.ts";
import type { BadSample } from "../shards/batch.ts";
import { Thread } from "../threads/thread.ts";
import type { Benchmark } from "./benchmark.ts";
import { Lanes } from "./lanes.ts";
import { type Frame, type Loadable, loadSample, type Pixels } from "./load.ts";

/** How many samples come at once, and how they are loaded. */
export interface BatchOptions {
  /** Samples in a batch. */
  readonly batch: number;
  /** Side of the square crop in pixels, S; 224 as published. */
  readonly side: number;
  /** Loading threads; 0 loads on the calling one. */
  readonly workers: number;
  /** Samples loaded ahead; a batch of them. */
  readonly ahead?: number;
  /** The first sample, where others are done already; 0. */
  readonly from?: number;
  /** What a sample that cannot be read does: `skip` (the default) leaves it out, counted. */
  readonly onBadSample?: "stop" | "skip";
  /** Share of the samples that may be left out before the work stops; 0.01. */
  readonly maxBad?: number;
  /** Called once for every sample that is left out, in order. */
  readonly onBad?: (bad: BadSample) => void;
}

/** The samples `first` … `next − 1` but for the bad ones. The arrays belong to the consumer. */
export interface BenchmarkBatch extends Pixels {
  readonly first: number;
  readonly next: number;
  /** [n] numbers of the samples that are in it; `frames` is [n, T, 3, S, S], `mask` [n, T, S, S]. */
  readonly indices: Int32Array;
  /** The others, and why. */
  readonly bad: readonly BadSample[];
}

/** All samples from `from` on. A consumer that stops early ends the threads. */
export async function* benchmarkBatches(benchmark: Benchmark, options: BatchOptions): AsyncGenerator<BenchmarkBatch> {
  check(options);
  const { samples } = benchmark;
  const { batch, side, workers, from = 0, ahead = batch } = options;
  const frame: Frame = { frames: benchmark.frames, side };
  const loaders = workers === 0 ? [here(frame)] : Array.from({ length: workers }, () => inThread(frame));
  const pending: Promise<Pixels>[] = [];
  let begun = from;
  const begin = (until: number) => {
    for (; begun < Math.min(until, samples.length); begun++) {
      const { id, source } = samples[begun];
      const loading = loaders[begun % loaders.length].load({ id, source });
      loading.catch(() => {}); // awaited in its turn; until then a failure is not "unhandled"
      pending.push(loading);
    }
  };
  const tally = new Tally(samples.length, options);
  try {
    for (let first = from; first < samples.length; first += batch) {
      const next = Math.min(first + batch, samples.length);
      const rows = new Rows(next - first, frame);
      const bad: BadSample[] = [];
      for (let index = first; index < next; index++) {
        begin(index + ahead);
        const pixels = await pending.shift()!.catch((error) => tally.take(index, error, bad));
        if (pixels) rows.add(index, pixels);
      }
      const reason = bad[0]?.reason;
      if (bad.length === next - first)
        throw new HealthError(`all samples from ${first} to ${next - 1} are bad; the first: ${reason}`);
      begin(next + ahead); // goes on while the consumer works
      yield { first, next, bad, ...rows.taken() };
    }
  } finally {
    await Promise.all(loaders.map((loader) => loader.close()));
    await Promise.allSettled(pending);
  }
}

/** Loads samples given to it, in the order of the calls. */
interface Loader {
  load(sample: Loadable): Promise<Pixels>;
  close(): Promise<void>;
}

function here(frame: Frame): Loader {
  const lanes = new Lanes();
  let open = true;
  const load = async (sample: Loadable) => {
    if (open) return loadSample(sample, frame);
    throw new Error("nobody waits for this sample");
  };
  return {
    load: (sample) => lanes.run(() => load(sample)),
    close: async () => {
      open = false;
    },
  };
}

function inThread(frame: Frame): Loader {
  const thread = new Thread<Loadable, Pixels>("benchmark-worker", frame);
  return { load: (sample) => thread.ask(sample), close: () => thread.close("the benchmark was closed") };
}

/** The arrays of a batch while it is filled. */
class Rows {
  private readonly frames: Float32Array<ArrayBuffer>;
  private readonly mask: Float32Array<ArrayBuffer>;
  private readonly indices: number[] = [];

  constructor(
    private readonly most: number,
    { frames, side }: Frame,
  ) {
    const pixels = frames * side * side;
    this.frames = new Float32Array(most * 3 * pixels);
    this.mask = new Float32Array(most * pixels);
  }

  add(index: number, { frames, mask }: Pixels): void {
    this.frames.set(frames, this.indices.length * frames.length);
    this.mask.set(mask, this.indices.length * mask.length);
    this.indices.push(index);
  }

  /** Arrays as long as what is in them. */
  taken(): Pixels & { indices: Int32Array } {
    const { most, frames, mask, indices } = this;
    const cut = (all: Float32Array<ArrayBuffer>) =>
      indices.length === most ? all : all.slice(0, (all.length / most) * indices.length);
    return { frames: cut(frames), mask: cut(mask), indices: Int32Array.from(indices) };
  }
}

/** Counts what is left out, and stops when it is too much. */
class Tally {
  private count = 0;

  constructor(
    private readonly samples: number,
    private readonly options: BatchOptions,
  ) {}

  /** Adds a sample's failure to `bad`; throws what is not the sample's fault, and everything under `stop`. */
  take(index: number, error: unknown, bad: BadSample[]): undefined {
    const { onBadSample = "skip", maxBad = 0.01, onBad } = this.options;
    if (onBadSample === "stop" || !(error instanceof FormatError)) throw error;
    const found = { index, reason: error.message };
    bad.push(found);
    onBad?.(found);
    const share = ++this.count / this.samples;
    if (share <= maxBad) return;
    const percent = (v: number) => `${(100 * v).toFixed(1)} %`;
    throw new HealthError(
      `${this.count} of ${this.samples} samples cannot be read (${percent(share)}), allowed are ${percent(maxBad)}; the last: ${error.message}`,
    );
  }
}

function check({ batch, side, workers, from = 0, ahead = 1, maxBad = 0 }: BatchOptions): void {
  const least = { batch: 1, side: 1, ahead: 1, workers: 0, from: 0 };
  for (const [name, value] of Object.entries({ batch, side, ahead, workers, from })) {
    const bound = least[name as keyof typeof least];
    if (!Number.isSafeInteger(value) || value < bound)
      throw new UsageError(`${name} is ${value}, expected a whole number of at least ${bound}`);
  }
  if (!(maxBad >= 0 && maxBad <= 1)) throw new UsageError(`maxBad is ${maxBad}, expected a share from 0 to 1`);
}
