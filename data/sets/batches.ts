// The samples of a benchmark as batches, in order, loaded ahead by threads. Any number of threads gives the same bytes.
import { FormatError, HealthError, UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { type BadSample, type BadSampleRule, Tally } from "../bad-samples.ts";
import { cellsOf, pairOf, type Side } from "../pixels/side.ts";
import type { Pixels, Shown } from "../pixels/view.ts";
import { inOrder, range } from "../threads/in-order.ts";
import { openPool } from "../threads/pool.ts";
import type { Benchmark } from "./benchmark.ts";
import { type Frame, type Loadable, loadSample } from "./load.ts";

/** How many samples come at once, and how they are loaded. */
export interface BatchOptions extends BadSampleRule {
  /** Samples in a batch. */
  readonly batch: number;
  /** Side of the square crop in pixels, S, 224 as published; [height, width] of rectangles. */
  readonly side: Side;
  /** Loading threads; 0 loads on the calling one. */
  readonly workers: number;
  /** Samples loaded ahead; a batch of them. */
  readonly ahead?: number;
  /** The first sample, where others are done already; 0. */
  readonly from?: number;
  /** What a sample that cannot be read does: `skip` (the default) leaves it out, counted. */
  readonly onBadSample?: "stop" | "skip";
}

/** The samples `first` … `next − 1` but for the bad ones. The arrays belong to the consumer. */
export interface BenchmarkBatch extends Shown {
  /** Number of its first sample, and of the first one after it. */
  readonly first: number;
  readonly next: number;
  /** [count] numbers of the samples that are in it. */
  readonly indices: Int32Array;
  /** The others, and why. */
  readonly bad: readonly BadSample[];
}

/** All samples from `from` on. A consumer that stops early ends the threads. */
export async function* benchmarkBatches(benchmark: Benchmark, options: BatchOptions): AsyncGenerator<BenchmarkBatch> {
  takes(
    "benchmarkBatches(benchmark: { name: text, samples: object[], ... }, options: { batch: any, " +
      "side: any, workers: any, ... }, ...)",
    arguments,
  );
  check(options);
  const { samples } = benchmark;
  const { batch, side, workers, from = 0, ahead = batch, onBadSample = "skip" } = options;
  const frame: Frame = { frames: benchmark.frames, side };
  const here = () => ({ answer: (sample: Loadable) => loadSample(sample, frame) });
  const pool = openPool<Loadable, Pixels>({ workers, bundle: "benchmark-worker", data: frame, here });
  const load = async (index: number): Promise<Loaded> => {
    const { id, source } = samples[index];
    const loading = pool.ask({ id, source });
    return { index, pixels: await (onBadSample === "stop" ? loading : loading.catch(reasonOf)) };
  };
  const close = () => pool.close("the benchmark was closed");
  const tally = new Tally(samples.length, options, "cannot be read");
  let rows: Rows | undefined;
  for await (const { index, pixels } of inOrder(range(from, samples.length), ahead, load, close)) {
    rows ??= new Rows(index, Math.min(index + batch, samples.length), frame);
    if (typeof pixels === "string") {
      rows.bad.push({ index, reason: pixels });
      tally.add({ index, reason: pixels });
    } else rows.add(index, pixels);
    if (index + 1 < rows.next) continue;
    yield rows.taken();
    rows = undefined;
  }
}

/** A sample, or why it cannot be read. */
interface Loaded {
  readonly index: number;
  readonly pixels: Pixels | string;
}

/** What is wrong with a sample; any other fault ends the work. */
function reasonOf(error: unknown): string {
  if (error instanceof FormatError) return error.message;
  throw error;
}

/** A batch while it is filled. */
class Rows {
  readonly bad: BadSample[] = [];
  readonly #frames: Uint8Array<ArrayBuffer>;
  readonly #mask: Uint8Array<ArrayBuffer>;
  readonly #indices: number[] = [];

  constructor(
    readonly first: number,
    readonly next: number,
    { frames, side }: Frame,
  ) {
    const pixels = (next - first) * frames * cellsOf(side);
    this.#frames = new Uint8Array(3 * pixels);
    this.#mask = new Uint8Array(pixels);
  }

  add(index: number, { frames, mask }: Pixels): void {
    this.#frames.set(frames, this.#indices.length * frames.length);
    this.#mask.set(mask, this.#indices.length * mask.length);
    this.#indices.push(index);
  }

  /** The batch, its arrays as long as what is in them. */
  taken(): BenchmarkBatch {
    const { first, next, bad } = this;
    const [most, count] = [next - first, this.#indices.length];
    if (count === 0)
      throw new HealthError(`all samples from ${first} to ${next - 1} are bad; the first: ${bad[0].reason}`);
    const cut = (all: Uint8Array<ArrayBuffer>) => (count === most ? all : all.slice(0, (all.length / most) * count));
    const [frames, mask] = [cut(this.#frames), cut(this.#mask)];
    return { first, next, count, frames, mask, indices: Int32Array.from(this.#indices), bad };
  }
}

function check({ batch, side, workers, from = 0, ahead = 1, maxBad = 0 }: BatchOptions): void {
  const least = { batch: 1, side: 1, ahead: 1, workers: 0, from: 0 };
  for (const [name, value] of Object.entries({ batch, side: Math.min(...pairOf(side)), ahead, workers, from })) {
    const bound = least[name as keyof typeof least];
    if (!Number.isSafeInteger(value) || value < bound)
      throw new UsageError(`${name} is ${value}, expected a whole number of at least ${bound}`);
  }
  if (!(maxBad >= 0 && maxBad <= 1)) throw new UsageError(`maxBad is ${maxBad}, expected a share from 0 to 1`);
}
