// Several classes per sample: mean average precision, ROC AUC, and whether the highest-scored class is among the true ones.
import { meanOf } from "../../mean.ts";
import { column, extent, type Matrix } from "../../matrix.ts";
import { bestColumn } from "../metrics.ts";
import { meanNote, noPositive, oneSided as onOneSide } from "../not-defined.ts";
import type { Metric, Task } from "../protocol.ts";
import { aucOf, countsOf, precisionOf, type Ranking, rankingOf } from "../ranking.ts";
import type { ClassTable } from "../outcome.ts";
import { type Judged, type Measure, share } from "./measure.ts";

/** Truth [N, C] of 0 and 1, scores [N, C]; `train` is the truth of the split that the probe was fitted on. */
export function judgeLabels({ metrics, of, leavesOut }: Task, truth: Matrix, scores: Matrix, train: Matrix): Judged {
  const [n, classes] = extent(truth, "labels");
  const rankings = Array.from({ length: classes }, (_, c) => rankingOf(column(truth, c), column(scores, c), of[c]));
  const empty = (c: number) => positives(truth, c) === 0;
  const precision = leavesOut ? precisionWherePositive : precisionOf;
  const oneSided = (c: number) => empty(c) || positives(truth, c) === n;
  const best = Int32Array.from({ length: n }, (_, i) => bestColumn(scores, i));
  const isRight = Uint8Array.from(best, (c, i) => (truth.data[i * classes + c] > 0 ? 1 : 0));
  const measures: Partial<Record<Metric, () => Measure>> = {
    mAP: () => macro({ name: "mAP", rankings, metric: precision, isUndefined: empty, why: noPositive, of, leavesOut }),
    AUC: () => macro({ name: "AUC", rankings, metric: aucOf, isUndefined: oneSided, why: onOneSide, of, leavesOut }),
    accuracy: () => ({ name: "accuracy", unit: "percent", over: (rows) => share(isRight, rows) }),
  };
  const perClass: ClassTable = {
    columns: ["in train", "in test", "AP", "AUC", "true +", "false +", "missed", "chosen", "right"],
    rows: rankings.map((ranking, c) => {
      const chosen = best.reduce((sum, k) => sum + (k === c ? 1 : 0), 0);
      const right = best.reduce((sum, k, i) => sum + (k === c ? isRight[i] : 0), 0);
      const counts = [positives(train, c), positives(truth, c), precisionOf(ranking), aucOf(ranking)];
      return [of[c], ...counts, ...atOneHalf(ranking.labels, column(scores, c)), chosen, right] as const;
    }),
  };
  return { measures: metrics.map((metric) => measures[metric]!()), perClass };
}

const positives = (m: Matrix, c: number): number => column(m, c).reduce((sum, v) => sum + v, 0);

/** True positives, false positives and misses where a score above one half says yes. */
function atOneHalf(labels: ArrayLike<number>, scores: Float64Array): [hit: number, wrong: number, missed: number] {
  let [hit, wrong, missed] = [0, 0, 0];
  for (const [i, score] of scores.entries()) {
    const says = score > 0.5;
    if (labels[i] && says) hit++;
    else if (says) wrong++;
    else if (labels[i]) missed++;
  }
  return [hit, wrong, missed];
}

/** A metric of each class, and for which classes the samples do not define it. */
interface PerClass {
  readonly name: string;
  readonly rankings: readonly Ranking[];
  readonly metric: (ranking: Ranking, counts?: Uint32Array) => number;
  readonly isUndefined: (c: number) => boolean;
  readonly why: string;
  readonly of: readonly string[];
  readonly leavesOut?: true;
}

/** NaN in a resample without positives, which a mean then leaves out. */
function precisionWherePositive(ranking: Ranking, counts?: Uint32Array): number {
  const { labels } = ranking;
  return labels.some((label, i) => label > 0 && (counts?.[i] ?? 1) > 0) ? precisionOf(ranking, counts) : Number.NaN;
}

/** The mean over all classes: undefined ones are named, and left out or make it what scikit-learn makes it. */
function macro({ name, rankings, metric, isUndefined, why, of, leavesOut }: PerClass): Measure {
  const left = rankings.flatMap((_, c) => (isUndefined(c) ? [c] : []));
  const defined = rankings.filter((_, c) => !isUndefined(c));
  const over = (list: readonly Ranking[], rows?: Uint32Array) => {
    const counts = rows && countsOf(rows, rankings[0].labels.length);
    const values = list.map((ranking) => metric(ranking, counts));
    return meanOf(leavesOut ? values.filter((value) => !Number.isNaN(value)) : values);
  };
  const said = {
    undefinedClasses: left.map((c) => of[c]),
    meanDefined: over(defined),
    reason: leavesOut ? meanNote(of, left, why) : officialNote(over(rankings), left.length, why),
  };
  return {
    name,
    unit: "percent",
    over: (rows) => over(leavesOut ? defined : rankings, rows),
    ...(left.length > 0 && said),
  };
}

const officialNote = (value: number, count: number, why: string): string => {
  const classes = count === 1 ? "1 class is" : `${count} classes are`;
  return Number.isNaN(value) ? `not defined: ${classes} ${why}` : `${classes} ${why}: counted as 0`;
};
