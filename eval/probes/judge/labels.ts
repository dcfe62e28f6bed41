// Several classes per sample: mean average precision, ROC AUC, and whether the highest-scored class is among the true ones.
import { column, extent, type Matrix } from "../../matrix.ts";
import { argmax } from "../metrics.ts";
import type { Metric, Task } from "../protocol.ts";
import { aucOf, countsOf, precisionOf, type Ranking, rankingOf } from "../ranking.ts";
import type { ClassTable } from "../outcome.ts";
import { type Judged, type Measure, share } from "./measure.ts";

/** Truth [N, C] of 0 and 1, scores [N, C]; `train` is the truth of the split that the probe was fitted on. */
export function judgeLabels({ metrics, of }: Task, truth: Matrix, scores: Matrix, train: Matrix): Judged {
  const [n, classes] = extent(truth, "labels");
  const rankings = Array.from({ length: classes }, (_, c) => rankingOf(column(truth, c), column(scores, c), of[c]));
  const empty = (c: number) => positives(truth, c) === 0;
  const oneSided = (c: number) => empty(c) || positives(truth, c) === n;
  const best = Int32Array.from({ length: n }, (_, i) => argmax(scores, i));
  const isRight = Uint8Array.from(best, (c, i) => (truth.data[i * classes + c] > 0 ? 1 : 0));
  const measures: Partial<Record<Metric, () => Measure>> = {
    mAP: () => macro("mAP", rankings, precisionOf, of, empty),
    AUC: () => macro("AUC", rankings, aucOf, of, oneSided),
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
