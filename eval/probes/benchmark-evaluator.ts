// A data set's official evaluation of the model in training, as the published code probes BoLD after every epoch.
import { type Benchmark, type BenchmarkName, openBenchmark, resolveSwitches } from "../../data/sets/index.ts";
import { takeTargets, targetsOfBenchmark } from "./benchmark-targets.ts";
import type { NotedRow } from "./probe-table.ts";
import { protocols, splitsOf } from "./protocol.ts";
import { score } from "./score.ts";
import type { SplitFeatures } from "./outcome.ts";
import type { VideoText } from "../../model/index.ts";
import { benchmarkFeatures } from "../features/benchmark.ts";

/** Measures a model as it stands: one row per figure, as fractions, with the reason where one is not defined. */
export type Evaluator = (model: VideoText) => Promise<NotedRow[]>;

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
      figures.map(({ name: figure, value, reason }): NotedRow => {
        const row = [`${name} ${split} ${figure}`, value] as const;
        return reason === undefined ? row : [...row, reason];
      }),
    );
  };
}

async function featuresOf(model: VideoText, benchmark: Benchmark): Promise<SplitFeatures> {
  const { features, indices } = await benchmarkFeatures(model, benchmark);
  return { name: benchmark.split, features, targets: takeTargets(targetsOfBenchmark(benchmark), indices) };
}
