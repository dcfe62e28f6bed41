// A task's probe, fitted, and what it says of other splits.
import type { Switches } from "../../data/sets/switches.ts";
import { HealthError, UsageError } from "../../engine/errors.ts";
import { column, type Matrix, normalizeRows } from "../matrix.ts";
import { bestColumn } from "./metrics.ts";
import { decide, fitRidge, oneVsRestScores, oneVsRestSteps, softmaxScores, softmaxSteps } from "./probes.ts";
import type { Task } from "./protocol.ts";
import { smooth } from "./savgol.ts";
import type { SplitFeatures, Targets } from "./outcome.ts";

/** Scores [N, C], predicted values [N, V], and for one class per sample the class chosen. */
export interface Prediction {
  readonly scores: Matrix;
  readonly chosen?: Int32Array;
}

type Predict = (split: SplitFeatures) => Prediction;

/** The probe on the rows x of the split that it is fitted on, of unit length. It yields while it searches. */
export function* fit(
  task: Task,
  x: Matrix,
  targets: Targets,
  switches: Pick<Switches, "smoothing" | "argmax">,
): Generator<void, Predict> {
  const { probe } = task;
  if (probe.kind === "ridge") {
    const model = fitRidge(x, targets.values!, probe);
    return (split) => {
      const raw = decide(model, normalizeRows(split.features));
      return { scores: task.smooth ? smoothed(raw, split.targets, task, switches.smoothing) : raw };
    };
  }
  if (probe.kind === "one-vs-rest") {
    const model = yield* oneVsRestSteps(x, targets.labels!, probe);
    return ({ features }) => ({ scores: oneVsRestScores(model, normalizeRows(features)) });
  }
  const model = yield* softmaxSteps(x, targets.label!, probe);
  return ({ features }) => {
    const scores = softmaxScores(model, normalizeRows(features));
    const chosen = Int32Array.from({ length: scores.shape[0] }, (_, i) => bestColumn(scores, i));
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
