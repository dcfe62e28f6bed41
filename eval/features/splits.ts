// Features of a checkpoint for the splits of a data set: what the cache has is not computed again, the rest runs on the GPU batch
// by batch while threads load what comes next. A stop, or a kill, loses at most the batches in hand.
import { type Benchmark, type SetName, openBenchmark, type SwitchOptions } from "../../data/sets/index.ts";
import type { Meter, StopRequest } from "../../data/threads/long-work.ts";
import { HealthError } from "../../engine/errors.ts";
import { shortSamples } from "../../data/sets/benchmark.ts";
import { withModel } from "../../model/checkpoint/open-model.ts";
import { remarksOf } from "../../model/checkpoint/remarks.ts";
import type { LoadPlan, VideoText } from "../../model/index.ts";
import type { Matrix } from "../matrix.ts";
import { fingerprint, takeTargets, targetsOfBenchmark } from "../probes/benchmark-targets.ts";
import { type Protocol, splitsOf } from "../probes/protocol.ts";
import type { SplitFeatures, Targets } from "../probes/outcome.ts";
import { benchmarkRows } from "./benchmark.ts";
import type { CacheKey, FeatureCache } from "./cache.ts";
import { defaultCache, frameWeightsHash, lockedCache, sideKey } from "./kept.ts";

export interface Extraction {
  readonly benchmark: SetName;
  readonly protocol: Protocol;
  readonly switchOptions: SwitchOptions;
  /** The opened checkpoint, and what it is called. */
  readonly plan: LoadPlan;
  readonly checkpoint: string;
  /** Folder of the data set. */
  readonly data: string;
  /** Folder of the cache; the user's own by default. */
  readonly cache: string | undefined;
  /** Samples given to the model at once; as many as fit in 64 MB of pixels by default. */
  readonly batch: number | undefined;
  readonly workers: number;
  /** Share of a split's samples that may be left out because they cannot be read; 0.01. */
  readonly maxBad?: number;
}

export interface Extracted {
  readonly splits: readonly SplitFeatures[];
  readonly source: string;
  readonly notes: readonly string[];
  /** Samples of each split that could not be read and are left out; none where features were given. */
  readonly leftOut?: ReadonlyMap<string, number>;
}

/** A split with its place in the cache. */
interface Place {
  readonly benchmark: Benchmark;
  readonly cache: FeatureCache;
  close(): Promise<void>;
}

/** Undefined when a stop was requested on the way. */
export async function extractSplits(
  extraction: Extraction,
  progress: Meter,
  stop: StopRequest,
): Promise<Extracted | undefined> {
  const hash = await frameWeightsHash(extraction.plan);
  const opened = await openSplits(extraction);
  const places: Place[] = [];
  try {
    for (const benchmark of opened) places.push(await openPlace(benchmark, hash, extraction, progress));
    if (!(await fillCaches(places, extraction, progress, stop))) return undefined;
    for (const place of places) checkBad(place, extraction);
    const splits: SplitFeatures[] = [];
    for (const place of places) splits.push(await featuresIn(place));
    return { splits, ...said(extraction, places, hash) };
  } finally {
    for (const { close } of places) await close();
  }
}

async function openSplits({ benchmark, protocol, data, switchOptions, plan }: Extraction): Promise<Benchmark[]> {
  const { frames } = plan.model.takes;
  const opened: Benchmark[] = [];
  for (const split of splitsOf(protocol))
    opened.push(await openBenchmark(benchmark, data, { ...switchOptions, split, frames }));
  return opened;
}

/** A complete split; the official cache file is written beside it. */
async function featuresIn({ benchmark, cache }: Place): Promise<SplitFeatures> {
  const targets = keptTargets(benchmark, cache.bad);
  await cache.exportNpy(exported(targets));
  return { name: benchmark.split, features: await cache.read(), targets };
}

/** Where the features are from, and what a person should know of them. */
function said(
  { plan, checkpoint, cache = defaultCache() }: Extraction,
  places: readonly Place[],
  hash: string,
): Omit<Extracted, "splits"> {
  const left = places.filter((place) => place.cache.bad.length > 0);
  const short = places.flatMap(({ benchmark }) => shortNote(benchmark) ?? []);
  return {
    source: `${checkpoint} (${plan.report.kind}, ${hash.slice(0, 12)})`,
    notes: [
      ...remarksOf(plan.report),
      ...new Set(places.flatMap(({ benchmark }) => benchmark.notes)),
      ...short,
      ...left.map(({ benchmark, cache }) => leftOut(benchmark, cache)),
      `features are kept in ${cache}`,
    ],
    leftOut: new Map(places.map(({ benchmark, cache }) => [benchmark.split, cache.bad.length])),
  };
}

async function openPlace(
  benchmark: Benchmark,
  checkpoint: string,
  { plan, cache }: Extraction,
  progress: Meter,
): Promise<Place> {
  const { takes, embed } = plan.model;
  const key: CacheKey = {
    benchmark: benchmark.name,
    split: benchmark.split,
    checkpoint,
    input: { kind: benchmark.kind, frames: benchmark.frames, side: sideKey(takes.side) },
    data: await fingerprint(benchmark),
    samples: benchmark.samples.length,
    width: embed,
  };
  return { benchmark, ...(await lockedCache(key, cache, (line) => progress.say(line))) };
}

/** Runs the model over what the caches lack; false when a stop was requested on the way. */
async function fillCaches(
  places: readonly Place[],
  extraction: Extraction,
  progress: Meter,
  stop: StopRequest,
): Promise<boolean> {
  if (places.every(({ cache }) => cache.isComplete)) return true;
  return withModel(extraction.plan, async (model) => {
    for (const place of places) {
      if (place.cache.isComplete) continue;
      await extract(model, place, extraction, progress, stop);
      if (stop.requested !== undefined) return false;
    }
    return true;
  });
}

async function extract(
  model: VideoText,
  { benchmark, cache }: Place,
  { batch, workers, maxBad }: Extraction,
  progress: Meter,
  stop: StopRequest,
): Promise<void> {
  const first = cache.next;
  const began = performance.now();
  progress.start(`features of ${benchmark.split}`, benchmark.samples.length, first);
  const onBad = ({ reason }: { reason: string }) => progress.say(`left out: ${reason}`);
  const loading = {
    ...(batch !== undefined && { batch }),
    ...(maxBad !== undefined && { maxBad }),
    workers,
    from: first,
    onBad,
  };
  for await (const { batch, rows } of benchmarkRows(model, benchmark, loading, stop)) {
    const { next, bad } = batch;
    const numbers = bad.map(({ index }) => index);
    await cache.append(rows, next, numbers);
    const speed = (next - first) / ((performance.now() - began) / 1000);
    progress.at(next, `${speed < 10 ? speed.toFixed(1) : Math.round(speed)} samples/s`);
  }
}

/** What is left out counts whoever left it out: an earlier process, or one that allowed more. */
function checkBad({ benchmark, cache }: Place, { maxBad = 0.01 }: Extraction): void {
  const { length: all } = benchmark.samples;
  if (cache.bad.length > maxBad * all)
    throw new HealthError(`${leftOut(benchmark, cache)}; allowed are ${100 * maxBad} % of ${all} (--max-bad)`);
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
  return `${bad.length} samples of ${split} could not be read and are left out: ${firstOf(bad.map((i) => samples[i].id))}`;
}

/** What is to be known of clips that are too short for the model. */
export function shortNote(benchmark: Benchmark): string | undefined {
  const { split, samples, frames } = benchmark;
  const short = shortSamples(benchmark);
  if (short.length === 0) return undefined;
  return (
    `${short.length} of ${samples.length} samples of ${split} have fewer than ${frames} frames, ` +
    `so some are shown twice or more: ${firstOf(short)}`
  );
}

const firstOf = (names: readonly string[]) => `${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`;
