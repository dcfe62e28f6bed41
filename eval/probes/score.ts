// A protocol carried out on features: probes fitted on one split, scored on the others, with tables per class, confusion
// matrices and intervals. Features come from anywhere; nothing here knows a model.

import type { Switches } from "../../data/sets/switches.ts";
import { ShapeError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { normalizeRows } from "../matrix.ts";
import { bootstrapSteps } from "./bootstrap.ts";
import { atOnce, inTurns } from "./in-turns.ts";
import { judgeLabel } from "./judge/label.ts";
import { judgeLabels } from "./judge/labels.ts";
import type { Judged } from "./judge/measure.ts";
import { judgeValues } from "./judge/values.ts";
import { oneClassOnly } from "./not-defined.ts";
import type { Figure, SplitFeatures, Targets, TaskResult } from "./outcome.ts";
import { fit, type Prediction } from "./predict.ts";
import type { Protocol, Task } from "./protocol.ts";

/** The switches that matter to scores, and how many test sets are drawn for intervals. */
export interface ScoreOptions {
  readonly switches: Pick<Switches, "smoothing" | "argmax">;
  /** Resampled test sets for the intervals; 0 for none. */
  readonly resamples?: number;
  readonly seed?: number;
}

/** Every task of the protocol whose targets all splits have, on every split but the one fitted on. */
export function score(protocol: Protocol, splits: readonly SplitFeatures[], options: ScoreOptions): TaskResult[] {
  takes(
    "score(protocol: { fit: text, on: text[], tasks: object[], ... }, splits: { name: text, " +
      "features: matrix, targets: object, ... }[], options: { switches: object, resamples?: natural, " +
      "seed?: seed, ... }, ...)",
    arguments,
  );
  return atOnce(scoreSteps(protocol, splits, options));
}

/** The same numbers, with turns for signals between probes and resamples; undefined once `isStopped` says so. */
export function scoreInTurns(
  protocol: Protocol,
  splits: readonly SplitFeatures[],
  options: ScoreOptions,
  isStopped: () => boolean,
): Promise<TaskResult[] | undefined> {
  return inTurns(scoreSteps(protocol, splits, options), isStopped);
}

function* scoreSteps(
  protocol: Protocol,
  splits: readonly SplitFeatures[],
  options: ScoreOptions,
): Generator<void, TaskResult[]> {
  const train = splits.find(({ name }) => name === protocol.fit);
  if (!train) throw new ShapeError(`score: the split ${protocol.fit}, which probes are fitted on, is missing`);
  const tests = splits.filter(({ name }) => protocol.on.includes(name));
  const x = normalizeRows(train.features);
  const results: TaskResult[] = [];
  for (const task of protocol.tasks) {
    const known = tests.filter(({ targets }) => targets[task.target]);
    if (!train.targets[task.target] || known.length === 0) continue;
    const hindrance = task.target === "label" ? oneClassOnly(train.targets.label!, task.of) : undefined;
    if (hindrance) {
      results.push(...known.map((split) => notDefined(task, split, hindrance)));
      continue;
    }
    const predict = yield* fit(task, x, train.targets, options.switches);
    yield;
    for (const split of known) results.push(yield* judge(task, split, predict(split), train.targets, options));
  }
  return results;
}

/** What a task comes to whose probe cannot be fitted. */
const notDefined = ({ name, metrics }: Task, split: SplitFeatures, reason: string): TaskResult => ({
  task: name,
  split: split.name,
  samples: split.features.shape[0],
  figures: metrics.map((metric) => ({ name: metric, value: Number.NaN, unit: "percent", reason })),
  perClass: { columns: [], rows: [] },
});

/** Tasks of the protocol that lack targets in the splits given. */
export const tasksWithout = (protocol: Protocol, splits: readonly SplitFeatures[]): Task[] =>
  protocol.tasks.filter(({ target }) => splits.some(({ targets }) => !targets[target]));

function* judge(
  task: Task,
  split: SplitFeatures,
  prediction: Prediction,
  train: Targets,
  { resamples = 0, seed = 2022 }: ScoreOptions,
): Generator<void, TaskResult> {
  const samples = split.features.shape[0];
  const { measures, perClass, confusion } = judgedBy(task, split.targets, prediction, train);
  const metrics = measures.map(({ over }) => over);
  const intervals = resamples > 0 ? yield* bootstrapSteps(samples, metrics, { resamples, seed }) : [];
  const figures = measures.map(({ over, ...rest }, i): Figure => {
    return { ...rest, value: over(), ...(intervals[i] && { interval: intervals[i] }) };
  });
  return { task: task.name, split: split.name, samples, figures, perClass, ...(confusion && { confusion }) };
}

function judgedBy(task: Task, truth: Targets, { scores, chosen }: Prediction, train: Targets): Judged {
  if (task.target === "labels") return judgeLabels(task, truth.labels!, scores, train.labels!);
  if (task.target === "label") return judgeLabel(task, Int32Array.from(truth.label!), chosen!, train.label!);
  return judgeValues(task, truth.values!, scores);
}
