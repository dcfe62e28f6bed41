// Features of the samples of an opened data set, batch by batch.
import { cellsOf, type Side } from "../../data/pixels/side.ts";
import { type BatchOptions, type BenchmarkBatch, benchmarkBatches } from "../../data/sets/batches.ts";
import type { Benchmark } from "../../data/sets/benchmark.ts";
import { type StopRequest, untilStopped } from "../../data/threads/long-work.ts";
import type { VideoText } from "../../model/index.ts";
import { joinRows, type Matrix } from "../matrix.ts";
import { featureRows, imageFeatures, videoFeatures } from "./encode.ts";

/** How samples are loaded; `batch` of them are given to the model at once, by default as many as `clipsAtOnce` says. */
type Loading = Partial<Omit<BatchOptions, "side">>;

/** Batches with the rows of their samples, [n, E] of unit length, until somebody asks to stop. */
export async function* benchmarkRows(
  model: VideoText,
  benchmark: Benchmark,
  loading: Loading = {},
  stop: StopRequest = { requested: undefined },
): AsyncGenerator<{ readonly batch: BenchmarkBatch; readonly rows: Float32Array }> {
  const side = model.takes.side;
  const batches = benchmarkBatches(benchmark, {
    batch: clipsAtOnce(benchmark.frames, side),
    workers: 0,
    ...loading,
    side,
  });
  const encode = benchmark.kind === "image" ? imageFeatures : videoFeatures;
  const encoded = featureRows(untilStopped(batches, stop), (batch) => [encode(model, batch)]);
  for await (const { batch, rows } of encoded) yield { batch, rows: rows[0] };
}

/** All of them, or until somebody asks to stop: features [N, E], and the numbers of the samples that they are of. */
export async function benchmarkFeatures(
  model: VideoText,
  benchmark: Benchmark,
  loading?: Loading,
  stop?: StopRequest,
): Promise<{ readonly features: Matrix; readonly indices: readonly number[] }> {
  const parts: Float32Array[] = [];
  const indices: number[] = [];
  for await (const { batch, rows } of benchmarkRows(model, benchmark, loading, stop)) {
    parts.push(rows);
    indices.push(...batch.indices);
  }
  return { features: joinRows(parts, indices.length, model.embed), indices };
}

/** Bytes of pixels in a batch, where nobody says how many samples it has. */
const BATCH_BYTES = 64 * 2 ** 20;

/** Clips that are 64 MB of pixels, at most the official 128. */
export function clipsAtOnce(frames: number, side: Side): number {
  return Math.min(128, Math.max(1, Math.floor(BATCH_BYTES / (frames * 3 * cellsOf(side) * 4))));
}
