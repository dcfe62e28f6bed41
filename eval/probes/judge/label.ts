// One class per sample: accuracy, F1 weighted by support, unweighted average recall, and who is taken for whom.
import { averageRecall, confusion, f1PerLabel, weightedF1 } from "../metrics.ts";
import type { Metric, Task } from "../protocol.ts";
import type { ClassTable } from "../outcome.ts";
import { type Judged, type Measure, share } from "./measure.ts";

/** True and chosen classes [N]; `train` has those of the split that the probe was fitted on. */
export function judgeLabel(
  { metrics, of }: Task,
  truth: Int32Array,
  chosen: Int32Array,
  train: ArrayLike<number>,
): Judged {
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
