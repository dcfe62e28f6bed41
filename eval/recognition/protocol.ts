// The zero-shot protocol of expression recognition: softmax over the classes of a set, the first of equal ones, WAR and UAR by fold.
import { takes } from "../../engine/takes.ts";
import { extent, type Matrix } from "../matrix.ts";
import { type Recognition, recognition } from "./figures.ts";

/** The class of each row of scores: the largest, of equal ones the first (as numpy's and torch's arg max). */
export function firstLargest(scores_NC: Matrix): Int32Array {
  takes("firstLargest(scores: matrix, ...)", arguments);
  const [N, C] = extent(scores_NC, "scores");
  return Int32Array.from({ length: N }, (_, n) => {
    let best = 0;
    for (let c = 1; c < C; c++) if (scores_NC.data[n * C + c] > scores_NC.data[n * C + best]) best = c;
    return best;
  });
}

/** What one fold came to. */
export interface FoldResult extends Recognition {
  readonly fold: number;
  readonly clips: number;
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
}

/** Recognition by fold, and over the folds. */
export function recognitionOver(folds: readonly FoldScores[]): RecognitionResult {
  const results = folds.map(({ fold, scores_NC, labels }): FoldResult => {
    const [clips, classes] = extent(scores_NC, "scores");
    return { fold, clips, ...recognition(labels, firstLargest(scores_NC), classes) };
  });
  return {
    folds: results,
    war: overFolds(results.map(({ war }) => war)),
    uar: overFolds(results.map(({ uar }) => uar)),
  };
}

function overFolds(values: readonly number[]): OverFolds {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, deviation: undefined };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}
