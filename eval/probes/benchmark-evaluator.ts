// A data set's official evaluation of the model in training, as the published code probes BoLD after every epoch.
import { benchmarkBatches } from "../../data/sets/batches.ts";
import { type Benchmark, type BenchmarkName, openBenchmark, resolveSwitches } from "../../data/sets/index.ts";
import { takeTargets, targetsOfBenchmark } from "./benchmark-targets.ts";
import { matrix } from "../matrix.ts";
import type { Row } from "./probe-table.ts";
import { protocols, splitsOf } from "./protocol.ts";
import { type SplitFeatures, score } from "./score.ts";
import type { EmotionClip } from "../../model/index.ts";
import { batchOf, encodeBatch } from "../features/splits.ts";

/** Measures a model as it stands: one row per figure, as fractions. */
export type Evaluator = (model: EmotionClip) => Promise<Row[]>;

/** Opens all splits at once, so that a data set that cannot be read is refused before training; `frames` are the model's. */
export async function openEvaluator(name: BenchmarkName, data: string, frames: number): Promise<Evaluator> {
  const protocol = protocols[name];
  const opened: Benchmark[] = [];
  for (const split of splitsOf(protocol)) opened.push(await openBenchmark(name, data, { split, frames }));
  return async (model) => {
    const splits: SplitFeatures[] = [];
    for (const benchmark of opened) splits.push(await featuresOf(model, benchmark));
    const results = score(protocol, splits, { switches: resolveSwitches() });
    return results.flatMap(({ split, figures }) =>
      figures.map(({ name: figure, value }): Row => [`${name} ${split} ${figure}`, value]),
    );
  };
}

async function featuresOf(model: EmotionClip, benchmark: Benchmark): Promise<SplitFeatures> {
  const side = model.config.vision.image;
  const { embed } = model.config;
  const rows: number[] = [];
  const parts: Float32Array[] = [];
  for await (const batch of benchmarkBatches(benchmark, { batch: batchOf(benchmark, side), side, workers: 0 })) {
    parts.push(await encodeBatch(model, benchmark, batch));
    rows.push(...batch.indices);
  }
  const data = new Float32Array(rows.length * embed);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  const targets = takeTargets(targetsOfBenchmark(benchmark), rows);
  return { name: benchmark.split, features: matrix(rows.length, embed, data), targets };
}
