// A protocol carried out on features: probes fitted on one split, scored on the others, with tables per class, confusion
// matrices and intervals. Features come from anywhere; nothing here knows a model.

import type { Switches } from "../../data/sets/switches.ts";
import { HealthError, ShapeError, UsageError } from "../../engine/errors.ts";
import { bootstrapSteps, type Interval } from "./bootstrap.ts";
import { atOnce, inTurns } from "./in-turns.ts";
import { column, extent, type Matrix, normalizeRows } from "../matrix.ts";
import { argmax, averageRecall, confusion, f1PerLabel, mse, pearson, r2, weightedF1 } from "./metrics.ts";
import { decide, fitOneVsRest, fitRidge, fitSoftmax, oneVsRestScores, softmaxScores } from "./probes.ts";
import type { Metric, Protocol, Task } from "./protocol.ts";
import { aucOf, countsOf, precisionOf, type Ranking, rankingOf } from "./ranking.ts";
import { smooth } from "./savgol.ts";

/** What is known of the samples of a split, one row each; a split may have several kinds of targets. */
export interface Targets {
  /** [N, C] of 0 and 1. */
  readonly labels?: Matrix;
  /** [N], the number of the one class. */
  readonly label?: ArrayLike<number>;
  /** [N, V]. */
  readonly values?: Matrix;
  /** The movie, video or dialogue that each sample was cut from. */
  readonly groups?: readonly string[];
}

/** A split as probes see it: features [N, D] as they came, and targets. */
export interface SplitFeatures {
  readonly name: string;
  readonly features: Matrix;
  readonly targets: Targets;
}

/** A figure of merit. `percent` ones are fractions here and printed times 100, as the paper does. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: "percent" | "plain";
  /** Where the middle 95 % of resampled test sets put it. */
  readonly interval?: Interval;
  /** Classes for which it is not defined, and the mean over the others. */
  readonly undefinedClasses?: readonly string[];
  readonly meanDefined?: number;
}

/** A line per class: its name, and a number per column. */
export interface ClassTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly [name: string, ...values: number[]])[];
}

/** One probe on one split. */
export interface TaskResult {
  readonly task: string;
  readonly split: string;
  readonly samples: number;
  readonly figures: readonly Figure[];
  readonly perClass: ClassTable;
  /** Rows are true classes, columns predicted ones; only where a sample has one class. */
  readonly confusion?: { readonly classes: readonly string[]; readonly counts: readonly (readonly number[])[] };
}

export interface ScoreOptions {
  readonly switches: Pick<Switches, "smoothing" | "argmax">;
  /** Resampled test sets for the intervals; 0 for none. */
  readonly resamples?: number;
  readonly seed?: number;
}

/** Every task of the protocol whose targets all splits have, on every split but the one fitted on. */
export function score(protocol: Protocol, splits: readonly SplitFeatures[], options: ScoreOptions): TaskResult[] {
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
    const predict = fit(task, x, train.targets, options);
    yield;
    for (const split of known) results.push(yield* judge(task, split, predict(split), train.targets, options));
  }
  return results;
}

/** Tasks of the protocol that lack targets in the splits given. */
export const tasksWithout = (protocol: Protocol, splits: readonly SplitFeatures[]): Task[] =>
  protocol.tasks.filter(({ target }) => splits.some(({ targets }) => !targets[target]));

/** Scores [N, C], predicted values [N, V], and for one class per sample the class chosen. */
interface Prediction {
  readonly scores: Matrix;
  readonly chosen?: Int32Array;
}

type Predict = (split: SplitFeatures) => Prediction;

function fit(task: Task, x: Matrix, targets: Targets, { switches }: ScoreOptions): Predict {
  const { probe } = task;
  if (probe.kind === "ridge") {
    const model = fitRidge(x, targets.values!, probe);
    return (split) => {
      const raw = decide(model, normalizeRows(split.features));
      return { scores: task.smooth ? smoothed(raw, split.targets, task, switches.smoothing) : raw };
    };
  }
  if (probe.kind === "one-vs-rest") {
    const model = fitOneVsRest(x, targets.labels!, probe);
    return ({ features }) => ({ scores: oneVsRestScores(model, normalizeRows(features)) });
  }
  const model = fitSoftmax(x, targets.label!, probe);
  return ({ features }) => {
    const scores = softmaxScores(model, normalizeRows(features));
    const chosen = Int32Array.from({ length: scores.shape[0] }, (_, i) => argmax(scores, i));
    // The official code takes the best column itself for the class, which is right only if training has all classes.
    return { scores, chosen: switches.argmax === "column" ? chosen : chosen.map((k) => model.classes[k]) };
  };
}

/** Each column smoothed over all samples, or inside each group. */
function smoothed(raw: Matrix, { groups }: Targets, task: Task, smoothing: Switches["smoothing"]): Matrix {
  const [n, columns] = raw.shape;
  const lengths = groups ? runsOf(groups) : [n];
  if (smoothing === "perMovie" && !groups)
    throw new UsageError("smoothing inside each movie needs to know the samples' movies; they come with --data");
  const { window } = task.smooth!;
  if (smoothing === "compat" && n < window)
    throw new HealthError(
      `${task.name}: ${n} samples cannot be smoothed over ${window}; --switch smoothing=perMovie shortens the window`,
    );
  const data = new Float64Array(n * columns);
  for (let k = 0; k < columns; k++) {
    const line = smooth(column(raw, k), lengths, smoothing, task.smooth);
    for (let i = 0; i < n; i++) data[i * columns + k] = line[i];
  }
  return { shape: raw.shape, data };
}

/** Lengths of the runs of equal names. */
function runsOf(names: readonly string[]): number[] {
  const lengths: number[] = [];
  for (const [i, name] of names.entries()) {
    if (i > 0 && name === names[i - 1]) lengths[lengths.length - 1]++;
    else lengths.push(1);
  }
  return lengths;
}

/** A figure before its interval is known: its value over any choice of samples. */
interface Measure extends Omit<Figure, "value" | "interval"> {
  readonly over: (rows?: Uint32Array) => number;
}

function* judge(
  task: Task,
  split: SplitFeatures,
  prediction: Prediction,
  train: Targets,
  { resamples = 0, seed = 2022 }: ScoreOptions,
): Generator<void, TaskResult> {
  const { target } = task;
  const samples = split.features.shape[0];
  const judged =
    target === "labels"
      ? judgeLabels(task, split.targets.labels!, prediction.scores, train.labels!)
      : target === "label"
        ? judgeLabel(task, Int32Array.from(split.targets.label!), prediction.chosen!, train.label!)
        : judgeValues(task, split.targets.values!, prediction.scores);
  const { measures } = judged;
  const metrics = measures.map(({ over }) => over);
  const intervals = resamples > 0 ? yield* bootstrapSteps(samples, metrics, { resamples, seed }) : [];
  const figures = measures.map(({ over, ...rest }, i): Figure => {
    return { ...rest, value: over(), ...(intervals[i] && { interval: intervals[i] }) };
  });
  const { perClass, confusion } = judged;
  return { task: task.name, split: split.name, samples, figures, perClass, ...(confusion && { confusion }) };
}

interface Judged {
  readonly measures: Measure[];
  readonly perClass: ClassTable;
  readonly confusion?: TaskResult["confusion"];
}

function judgeLabels({ metrics, of }: Task, truth: Matrix, scores: Matrix, train: Matrix): Judged {
  const [n, classes] = extent(truth, "labels");
  const rankings = Array.from({ length: classes }, (_, c) => rankingOf(column(truth, c), column(scores, c), of[c]));
  const positives = (m: Matrix, c: number) => column(m, c).reduce((sum, v) => sum + v, 0);
  const empty = (c: number) => positives(truth, c) === 0;
  const oneSided = (c: number) => empty(c) || positives(truth, c) === n;
  const first = Int32Array.from({ length: n }, (_, i) => argmax(scores, i));
  const isRight = Uint8Array.from(first, (c, i) => (truth.data[i * classes + c] > 0 ? 1 : 0));
  const measures: Partial<Record<Metric, () => Measure>> = {
    mAP: () => macro("mAP", rankings, precisionOf, of, empty),
    AUC: () => macro("AUC", rankings, aucOf, of, oneSided),
    accuracy: () => ({ name: "accuracy", unit: "percent", over: (rows) => share(isRight, rows) }),
  };
  const perClass: ClassTable = {
    columns: ["in train", "in test", "AP", "AUC", "true +", "false +", "missed", "chosen", "right"],
    rows: rankings.map((ranking, c) => {
      const counts = [0, 0, 0, 0]; // at a score of one half: true and false positives, misses, true negatives
      const chosen = [0, 0];
      for (let i = 0; i < n; i++) {
        const says = scores.data[i * classes + c] > 0.5;
        counts[ranking.labels[i] ? (says ? 0 : 2) : says ? 1 : 3]++;
        if (first[i] !== c) continue;
        chosen[0]++;
        chosen[1] += isRight[i];
      }
      const [hit, wrong, missed] = counts;
      const trained = positives(train, c);
      return [
        of[c],
        trained,
        positives(truth, c),
        precisionOf(ranking),
        aucOf(ranking),
        hit,
        wrong,
        missed,
        ...chosen,
      ] as const;
    }),
  };
  return { measures: metrics.map((metric) => measures[metric]!()), perClass };
}

/** The mean over all classes; undefined ones make it what scikit-learn makes it, and are named. */
function macro(
  name: string,
  rankings: readonly Ranking[],
  metric: (ranking: Ranking, counts?: Uint32Array) => number,
  of: readonly string[],
  isUndefined: (c: number) => boolean,
): Measure {
  const mean = (list: readonly Ranking[], rows?: Uint32Array) => {
    const counts = rows && countsOf(rows, list[0].labels.length);
    return list.reduce((sum, ranking) => sum + metric(ranking, counts), 0) / list.length;
  };
  const undefinedClasses = rankings.flatMap((_, c) => (isUndefined(c) ? [of[c]] : []));
  const defined = rankings.filter((_, c) => !isUndefined(c));
  return {
    name,
    unit: "percent",
    over: (rows) => mean(rankings, rows),
    ...(undefinedClasses.length > 0 && { undefinedClasses, meanDefined: mean(defined) }),
  };
}

function share(isRight: Uint8Array, rows?: Uint32Array): number {
  if (!rows) return isRight.reduce((sum, v) => sum + v, 0) / isRight.length;
  let right = 0;
  for (const i of rows) right += isRight[i];
  return right / rows.length;
}

function judgeLabel({ metrics, of }: Task, truth: Int32Array, chosen: Int32Array, train: ArrayLike<number>): Judged {
  const isRight = Uint8Array.from(truth, (label, i) => (label === chosen[i] ? 1 : 0));
  const pick = (list: Int32Array, rows?: Uint32Array) => (rows ? Int32Array.from(rows, (i) => list[i]) : list);
  const measures: Partial<Record<Metric, Measure>> = {
    accuracy: { name: "accuracy", unit: "percent", over: (rows) => share(isRight, rows) },
    "weighted F1": {
      name: "weighted F1",
      unit: "percent",
      over: (rows) => weightedF1(pick(truth, rows), pick(chosen, rows)),
    },
    UAR: { name: "UAR", unit: "percent", over: (rows) => averageRecall(pick(truth, rows), pick(chosen, rows)) },
  };
  const found = new Map(f1PerLabel(truth, chosen).map((each) => [each.label, each]));
  const count = (list: ArrayLike<number>, c: number) => Array.from(list).filter((label) => label === c).length;
  const { data } = confusion(truth, chosen, of.length);
  const counts = of.map((_, c) => Array.from(data.subarray(c * of.length, (c + 1) * of.length)));
  const perClass: ClassTable = {
    columns: ["in train", "in test", "chosen", "precision", "recall", "F1"],
    rows: of.map((name, c) => {
      const { f1 = Number.NaN, support = 0 } = found.get(c) ?? {};
      const claimed = count(chosen, c);
      return [name, count(train, c), support, claimed, counts[c][c] / claimed, counts[c][c] / support, f1] as const;
    }),
  };
  return {
    measures: metrics.map((metric) => measures[metric]!),
    perClass,
    confusion: { classes: of, counts },
  };
}

/** Per number and their mean, as the official code prints them. */
function judgeValues({ metrics, of }: Task, truth: Matrix, predicted: Matrix): Judged {
  const [n, V] = extent(truth, "values");
  const [, width] = extent(predicted, "predictions");
  if (V !== width) throw new ShapeError(`values: ${V} columns in the test split, but ${width} in training`);
  const pick = (m: Matrix, v: number, rows?: Uint32Array) =>
    rows ? Float64Array.from(rows, (i) => m.data[i * V + v]) : column(m, v);
  const functions = { R2: r2, MSE: mse, PCC: pearson } as const;
  const measures = metrics.flatMap((metric): Measure[] => {
    const of1 = functions[metric as keyof typeof functions];
    const single = (v: number) => (rows?: Uint32Array) => of1(pick(truth, v, rows), pick(predicted, v, rows));
    const all = Array.from({ length: V }, (_, v) => single(v));
    const mean = (rows?: Uint32Array) => all.reduce((sum, each) => sum + each(rows), 0) / V;
    const unit = metric === "R2" ? "percent" : "plain";
    const whole: Measure = { name: metric, unit, over: mean };
    return metric === "R2"
      ? [whole]
      : [...all.map((over, v) => ({ name: `${metric} ${of[v]}`, unit, over }) as const), whole];
  });
  const perClass: ClassTable = {
    columns: ["samples", "R2", "MSE", "PCC"],
    rows: of.slice(0, V).map((name, v) => {
      const [a, b] = [column(truth, v), column(predicted, v)];
      return [name, n, r2(a, b), mse(a, b), pearson(a, b)] as const;
    }),
  };
  return { measures, perClass };
}
