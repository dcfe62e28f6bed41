// The zero-shot protocol of expression recognition: softmax over the classes of a set, the first of equal ones, WAR and UAR by fold.
import { takes } from "../../engine/takes.ts";
import { extent, type Matrix, requireFinite } from "../matrix.ts";
import { spread } from "../paper/spread.ts";
import { bestColumn } from "../probes/metrics.ts";
import { probabilities } from "../zero-shot/zero-shot.ts";
import { type Recognition, recognition } from "./figures.ts";

/**
 * The class of each row of scores: the largest, of equal ones the first (as numpy's and torch's arg max). Errors: HealthError for
 * scores that are not finite, of which none is the largest.
 */
export function firstLargest(scores_NC: Matrix): Int32Array {
  takes("firstLargest(scores: matrix, ...)", arguments);
  const [N] = extent(scores_NC, "scores");
  requireFinite(scores_NC.data, "scores of the classes");
  return Int32Array.from({ length: N }, (_, n) => bestColumn(scores_NC, n));
}

/** What one fold came to. */
export interface FoldResult extends Recognition {
  readonly fold: number;
  readonly clips: number;
  /** Of each clip the softmax over the classes, and which clip it is where that is known. */
  readonly told: readonly { readonly id?: string; readonly label: number; readonly probabilities: readonly number[] }[];
}

/** A mean over folds, and how far they are apart. */
export interface OverFolds {
  readonly mean: number;
  /** Standard deviation with n − 1; undefined of a single fold. */
  readonly deviation: number | undefined;
}

/** WAR and UAR over folds. */
export interface RecognitionResult {
  readonly folds: readonly FoldResult[];
  readonly war: OverFolds;
  readonly uar: OverFolds;
}

/** Scores of a fold and the true classes. */
export interface FoldScores {
  readonly fold: number;
  readonly scores_NC: Matrix;
  readonly labels: ArrayLike<number>;
  /** Names of the clips, where they are known. */
  readonly ids?: readonly string[];
}

/** Recognition by fold, and over the folds. */
export function recognitionOver(folds: readonly FoldScores[]): RecognitionResult {
  const results = folds.map(({ fold, scores_NC, labels, ids }): FoldResult => {
    const [clips, classes] = extent(scores_NC, "scores");
    const found = recognition(labels, firstLargest(scores_NC), classes);
    const { data } = probabilities(scores_NC);
    const told = Array.from({ length: clips }, (_, n) => ({
      ...(ids && { id: ids[n] }),
      label: labels[n],
      probabilities: Array.from(data.subarray(n * classes, (n + 1) * classes), (p) => Number(p.toFixed(6))),
    }));
    return { fold, clips, told, ...found };
  });
  return {
    folds: results,
    war: overFolds(results.map(({ war }) => war)),
    uar: overFolds(results.map(({ uar }) => uar)),
  };
}

function overFolds(values: readonly number[]): OverFolds {
  const { mean, deviation } = spread(values);
  return { mean, deviation: values.length > 1 ? deviation : undefined };
}
