// Features of a checkpoint for the splits of a data set: what the cache has is not computed again, the rest runs on the GPU batch
// by batch while threads load what comes next. A stop, or a kill, loses at most the batches in hand.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type BenchmarkBatch, benchmarkBatches } from "../../data/sets/batches.ts";
import { type Benchmark, type BenchmarkName, openBenchmark, type SwitchOptions } from "../../data/sets/index.ts";
import { makeFolder } from "../../data/formats/disk.ts";
import { UsageError } from "../../engine/errors.ts";
import { cacheFolder, compute, type GpuOptions, tensor } from "../../engine/index.ts";
import { fingerprint, takeTargets, targetsOfBenchmark } from "../probes/benchmark-targets.ts";
import { type CacheKey, cacheName, FeatureCache } from "./cache.ts";
import type { Matrix } from "../matrix.ts";
import { type Protocol, splitsOf } from "../probes/protocol.ts";
import type { SplitFeatures, Targets } from "../probes/score.ts";
import type { EmotionClip, LoadPlan } from "../../model/index.ts";
import { Lock } from "../../data/formats/lock.ts";
import { openPlan, withModel } from "../../model/checkpoint/open-model.ts";
import type { Progress } from "../../cli/terminal/progress.ts";
import { ensureStage } from "../../cli/stage.ts";
import type { StopRequest } from "../../cli/terminal/stop.ts";

export interface Extraction {
  readonly benchmark: BenchmarkName;
  readonly protocol: Protocol;
  readonly switchOptions: SwitchOptions;
  readonly checkpoint: string;
  /** The model's configuration where shapes do not tell it. */
  readonly config?: string;
  /** How the GPU is opened, if it is. */
  readonly gpu?: GpuOptions;
  readonly data: string | undefined;
  /** Folder of the cache; the user's own by default. */
  readonly cache: string | undefined;
  /** Samples given to the model at once; as many as fit in 64 MB of pixels by default. */
  readonly batch: number | undefined;
  readonly workers: number;
}

export interface Extracted {
  readonly splits: readonly SplitFeatures[];
  readonly source: string;
  readonly notes: readonly string[];
}

/** A split with its place in the cache. */
interface Place {
  readonly benchmark: Benchmark;
  readonly cache: FeatureCache;
  readonly lock: Lock;
}

/** Undefined when a stop was requested on the way. */
export async function extractSplits(
  extraction: Extraction,
  progress: Progress,
  stop: StopRequest,
): Promise<Extracted | undefined> {
  const { plan, close } = await openPlan(extraction);
  const places: Place[] = [];
  try {
    const data = await dataFolder(extraction, progress, stop);
    if (data === undefined) return undefined;
    const { config } = plan;
    const checkpoint = await visualHash(plan);
    const opened: Benchmark[] = [];
    for (const split of splitsOf(extraction.protocol))
      opened.push(
        await openBenchmark(extraction.benchmark, data, {
          ...extraction.switchOptions,
          split,
          frames: config.head.frames,
        }),
      );
    for (const benchmark of opened) places.push(await openPlace(benchmark, plan, checkpoint, extraction, progress));
    if (places.some(({ cache }) => !cache.isComplete) && !(await fillCaches(plan, places, extraction, progress, stop)))
      return undefined;
    const splits: SplitFeatures[] = [];
    for (const { benchmark, cache } of places) {
      const targets = keptTargets(benchmark, cache.bad);
      await cache.exportNpy(exported(targets));
      splits.push({ name: benchmark.split, features: await cache.read(), targets });
    }
    return {
      splits,
      source: `${extraction.checkpoint} (${plan.report.kind}, ${checkpoint.slice(0, 12)})`,
      notes: [
        ...plan.report.notes,
        ...opened.flatMap(({ notes }) => notes),
        ...places.flatMap(({ benchmark, cache }) => (cache.bad.length ? [leftOut(benchmark, cache)] : [])),
        `features are kept in ${extraction.cache ?? defaultCache()}`,
      ],
    };
  } finally {
    for (const { cache, lock } of places) {
      await cache.close();
      await lock.release();
    }
    await close();
  }
}

const defaultCache = () => join(cacheFolder(), "features");

async function dataFolder(
  { benchmark, data }: Extraction,
  progress: Progress,
  stop: StopRequest,
): Promise<string | undefined> {
  if (data !== undefined) return data;
  if (benchmark === "stage") return ensureStage(progress, stop);
  throw new UsageError(`--data <folder> is needed: where ${benchmark} lies`);
}

/** sha256 of what features depend on: the configuration and the tensors of the frame tower and the temporal head. */
async function visualHash({ file, config, sources, report }: LoadPlan): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([config, report.fresh, report.resized ?? null]));
  for (const { name, stored, dtype } of sources) {
    if (!/^(backbone\.visual|visual_head)\./.test(name)) continue;
    hash.update(JSON.stringify([name, dtype]));
    for await (const piece of file.chunks(stored)) hash.update(piece);
  }
  return hash.digest("hex");
}

async function openPlace(
  benchmark: Benchmark,
  { config }: LoadPlan,
  checkpoint: string,
  { cache = defaultCache() }: Extraction,
  progress: Progress,
): Promise<Place> {
  const key: CacheKey = {
    benchmark: benchmark.name,
    split: benchmark.split,
    checkpoint,
    input: { kind: benchmark.kind, frames: benchmark.frames, side: config.vision.image },
    data: await fingerprint(benchmark),
    samples: benchmark.samples.length,
    width: config.embed,
  };
  const folder = join(cache, cacheName(key));
  await makeFolder(folder);
  const lock = await Lock.take(folder, (line) => progress.say(line));
  try {
    return { benchmark, lock, cache: await FeatureCache.open(folder, key) };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Runs the model over what the caches lack; false when a stop was requested on the way. */
async function fillCaches(
  plan: LoadPlan,
  places: readonly Place[],
  extraction: Extraction,
  progress: Progress,
  stop: StopRequest,
): Promise<boolean> {
  return withModel(plan, async (model) => {
    for (const place of places) {
      if (place.cache.isComplete) continue;
      await extract(model, place, extraction, progress, stop);
      if (stop.requested !== undefined) return false;
    }
    return true;
  });
}

/** Bytes of pixels in a batch, where nobody says how many samples it has. */
const BATCH_BYTES = 64 * 2 ** 20;

async function extract(
  model: EmotionClip,
  { benchmark, cache }: Place,
  { batch: wanted, workers }: Extraction,
  progress: Progress,
  stop: StopRequest,
): Promise<void> {
  const { image: side } = model.config.vision;
  const { samples } = benchmark;
  const batch = wanted ?? batchOf(benchmark, side);
  progress.start(`features of ${benchmark.split}`, samples.length, cache.next);
  const began = performance.now();
  const first = cache.next;
  const onBad = ({ reason }: { reason: string }) => progress.say(`left out: ${reason}`);
  // The features of a batch are read back while the model already has the next one.
  let last: { rows: Promise<Float32Array>; next: number; bad: number[] } | undefined;
  const settle = async () => {
    if (!last) return;
    const { rows, next, bad } = last;
    last = undefined;
    await cache.append(await rows, next, bad);
    const speed = (next - first) / ((performance.now() - began) / 1000);
    progress.at(next, `${speed < 10 ? speed.toFixed(1) : Math.round(speed)} samples/s`);
  };
  for await (const loaded of benchmarkBatches(benchmark, { batch, side, workers, from: first, onBad })) {
    const rows = encodeBatch(model, benchmark, loaded);
    rows.catch(() => {}); // awaited in settle
    const current = { rows, next: loaded.next, bad: loaded.bad.map(({ index }) => index) };
    await settle();
    last = current;
    if (stop.requested !== undefined) break;
  }
  await settle();
}

/** Samples that are 64 MB of pixels, at most the official 128. */
export function batchOf({ frames }: Benchmark, side: number): number {
  return Math.min(128, Math.max(1, Math.floor(BATCH_BYTES / (frames * 3 * side * side * 4))));
}

/** The features of a batch, [n, E], of unit length. */
export async function encodeBatch(
  model: EmotionClip,
  { kind, frames: T }: Benchmark,
  { frames, mask, indices }: BenchmarkBatch,
): Promise<Float32Array> {
  const { image: S } = model.config.vision;
  const n = indices.length;
  const rows = await compute(() =>
    kind === "image"
      ? model.encodeImage(tensor(frames, [n, 3, S, S]), tensor(mask, [n, S, S]))
      : model.encodeVideo(tensor(frames, [n, T, 3, S, S]), tensor(mask, [n, T, S, S])),
  );
  return rows as Float32Array;
}

/** The targets of the samples that have features. */
function keptTargets(benchmark: Benchmark, bad: readonly number[]): Targets {
  const left = new Set(bad);
  const kept = [...benchmark.samples.keys()].filter((i) => !left.has(i));
  return takeTargets(targetsOfBenchmark(benchmark), kept);
}

/** Targets as the official cache has them: f32 labels or values, i32 classes; where there are several, one array after another. */
function exported({ labels, label, values }: Targets): Matrix[] {
  const f32 = ({ shape, data }: Matrix): Matrix => ({ shape, data: Float32Array.from(data) });
  return [
    ...(labels ? [f32(labels)] : []),
    ...(label ? [{ shape: [label.length], data: Int32Array.from(label) }] : []),
    ...(values ? [f32(values)] : []),
  ];
}

function leftOut({ split, samples }: Benchmark, { bad }: FeatureCache): string {
  const names = bad.slice(0, 3).map((i) => samples[i].id);
  return `${bad.length} samples of ${split} could not be read and are left out: ${names.join(", ")}${bad.length > 3 ? ", …" : ""}`;
}
