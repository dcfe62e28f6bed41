// A data set's official evaluation of the model in training, as the published code probes BoLD after every epoch.
import type { BadSampleRule } from "../../data/bad-samples.ts";
import { type Benchmark, type BenchmarkName, openBenchmark, resolveSwitches } from "../../data/sets/index.ts";
import type { StopRequest } from "../../data/threads/long-work.ts";
import { takeTargets, targetsOfBenchmark } from "./benchmark-targets.ts";
import type { NotedRow } from "./probe-table.ts";
import { protocols, splitsOf } from "./protocol.ts";
import { scoreInTurns } from "./score.ts";
import type { SplitFeatures } from "./outcome.ts";
import type { VideoText } from "../../model/index.ts";
import { shortNote } from "../features/splits.ts";
import { benchmarkFeatures } from "../features/benchmark.ts";

/**
/**
 * Measures a model as it stands: one row per figure, as fractions, with the reason where one is not defined; undefined when a stop was
 * requested on the way. Samples that cannot be read are left out by the rule.
 */
export type Evaluator = (model: VideoText, rule?: BadSampleRule, stop?: StopRequest) => Promise<NotedRow[] | undefined>;

/**
 * Opens all splits at once, so that a data set that cannot be read is refused before training; `frames` are the model's. `say`
 * hears what the reader left out or changed, and which clips are short.
 */
export async function openEvaluator(
  name: BenchmarkName,
  data: string,
  frames: number,
  say: (line: string) => void = () => {},
): Promise<Evaluator> {
  const protocol = protocols[name];
  const opened: Benchmark[] = [];
  for (const split of splitsOf(protocol)) opened.push(await openBenchmark(name, data, { split, frames }));
  for (const benchmark of opened)
    for (const note of [...benchmark.notes, shortNote(benchmark) ?? []].flat()) say(`${name}: ${note}`);
  return async (model, rule = {}, stop = { requested: undefined }) => {
    const isStopped = () => stop.requested !== undefined;
    const splits: SplitFeatures[] = [];
    for (const benchmark of opened) {
      splits.push(await featuresOf(model, benchmark, rule, stop));
      if (isStopped()) return undefined;
    }
    const results = await scoreInTurns(protocol, splits, { switches: resolveSwitches() }, isStopped);
    return results?.flatMap(({ split, figures }) =>
      figures.map(({ name: figure, value, reason }): NotedRow => {
        const row = [`${name} ${split} ${figure}`, value] as const;
        return reason === undefined ? row : [...row, reason];
      }),
    );
  };
}

async function featuresOf(
  model: VideoText,
  benchmark: Benchmark,
  rule: BadSampleRule,
  stop: StopRequest,
): Promise<SplitFeatures> {
  const { features, indices } = await benchmarkFeatures(model, benchmark, rule, stop);
  return { name: benchmark.split, features, targets: takeTargets(targetsOfBenchmark(benchmark), indices) };
}
