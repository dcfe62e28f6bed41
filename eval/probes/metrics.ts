// The metrics of the paper's tables: pure functions on typed arrays, in f64, with scikit-learn's definitions. All are
// fractions (the official code prints 100 times them). A metric over no samples or over non-finite scores is an error.

import { ShapeError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { meanOf } from "../mean.ts";
import { column, extent, type Matrix, requireFinite } from "../matrix.ts";
import { aucOf, precisionOf, rankingOf } from "./ranking.ts";

type Labels = ArrayLike<number>;
type Scores = ArrayLike<number>;

/**
 * AP = Σ_n (R_n − R_{n−1}) P_n over the distinct scores from the highest down, without interpolation. `labels` are 0 or 1.
 * Without positives it is 0, with positives only it is 1.
 */
export function averagePrecision(labels: Labels, scores: Scores): number {
  takes("averagePrecision(labels: numbers, scores: numbers, ...)", arguments);
  requireSameLength(labels, scores, "average precision");
  return precisionOf(rankingOf(labels, scores, "average precision"));
}

/**
 * The probability that a positive scores above a negative, ties counting one half: the area under the ROC curve. NaN where only
 * one label occurs (scikit-learn 1.2 raises an error there).
 */
export function rocAuc(labels: Labels, scores: Scores): number {
  takes("rocAuc(labels: numbers, scores: numbers, ...)", arguments);
  requireSameLength(labels, scores, "ROC AUC");
  return aucOf(rankingOf(labels, scores, "ROC AUC"));
}

/** A metric per class, their plain mean, and where it is not defined. */
export interface Macro {
  /** One value per class; NaN (AUC) or 0 (AP) where the class is undefined. */
  readonly values: Float64Array;
  /** The mean over all classes: NaN as soon as one value is. */
  readonly mean: number;
  /** Classes whose labels are all equal (AUC), or without positives (AP). */
  readonly undefinedClasses: number[];
  /** The mean over the other classes; NaN if there are none. */
  readonly meanDefined: number;
}

/** Mean average precision of labels_NC and scores_NC, class by class. Classes without positives count as 0, and are listed. */
export function macroAveragePrecision(labels_NC: Matrix, scores_NC: Matrix): Macro {
  takes("macroAveragePrecision(labels: matrix, scores: matrix, ...)", arguments);
  return macro(labels_NC, scores_NC, averagePrecision, (y) => !y.includes(1));
}

/** Mean ROC AUC of labels_NC and scores_NC. It is NaN when a class has only one label; such classes are listed. */
export function macroRocAuc(labels_NC: Matrix, scores_NC: Matrix): Macro {
  takes("macroRocAuc(labels: matrix, scores: matrix, ...)", arguments);
  return macro(labels_NC, scores_NC, rocAuc, (y) => !y.includes(1) || !y.includes(0));
}

function macro(
  labels_NC: Matrix,
  scores_NC: Matrix,
  metric: (labels: Float64Array, scores: Float64Array) => number,
  isUndefined: (labels: Float64Array) => boolean,
): Macro {
  const classes = requireSameShape(labels_NC, scores_NC, "macro metric")[1];
  const values = new Float64Array(classes);
  const undefinedClasses: number[] = [];
  for (let c = 0; c < classes; c++) {
    const labels = column(labels_NC, c);
    values[c] = metric(labels, column(scores_NC, c));
    if (isUndefined(labels)) undefinedClasses.push(c);
  }
  const defined = values.filter((_, c) => !undefinedClasses.includes(c));
  return { values, mean: meanOf(values), undefinedClasses, meanDefined: meanOf(defined) };
}

/** Share of samples whose predicted label is the true one. */
export function accuracy(labels: Labels, predicted: Labels): number {
  takes("accuracy(labels: numbers, predicted: numbers, ...)", arguments);
  requireSameLength(labels, predicted, "accuracy");
  let right = 0;
  for (let i = 0; i < labels.length; i++) if (labels[i] === predicted[i]) right++;
  return right / labels.length;
}

/**
 * MovieGraphs' "affect2mm" accuracy: the share of samples whose highest-scored class (the lowest index where several tie) is among
 * their true classes. The official code computes it in f32 and times 100.
 */
export function anyLabelAccuracy(labels_NC: Matrix, scores_NC: Matrix): number {
  takes("anyLabelAccuracy(labels: matrix, scores: matrix, ...)", arguments);
  const [n, classes] = requireSameShape(labels_NC, scores_NC, "any-label accuracy");
  requireFinite(scores_NC.data, "any-label accuracy: scores");
  let right = 0;
  for (let i = 0; i < n; i++) if (labels_NC.data[i * classes + bestColumn(scores_NC, i)] > 0) right++;
  return right / n;
}

/** The class of the highest score in row i, the lowest index where several tie. */
export function bestColumn(scores_NC: Matrix, i: number): number {
  const classes = scores_NC.shape[1] ?? 1;
  let best = 0;
  for (let c = 1; c < classes; c++) if (scores_NC.data[i * classes + c] > scores_NC.data[i * classes + best]) best = c;
  return best;
}

/**
 * Per label 2TP/(2TP + FP + FN), weighted by the number of true samples. Labels that are only predicted have weight 0, those never
 * predicted F1 = 0.
 */
export function weightedF1(labels: Labels, predicted: Labels): number {
  takes("weightedF1(labels: numbers, predicted: numbers, ...)", arguments);
  let sum = 0;
  for (const { f1, support } of f1PerLabel(labels, predicted)) sum += f1 * support;
  return sum / labels.length;
}

/** F1 and number of true samples of every label that is true or predicted somewhere, in ascending order. */
export function f1PerLabel(labels: Labels, predicted: Labels): { label: number; f1: number; support: number }[] {
  takes("f1PerLabel(labels: numbers, predicted: numbers, ...)", arguments);
  requireSameLength(labels, predicted, "F1");
  const counts = new Map<number, { support: number; claimed: number; hit: number }>();
  const of = (label: number) => {
    if (!counts.has(label)) counts.set(label, { support: 0, claimed: 0, hit: 0 });
    return counts.get(label)!;
  };
  for (let i = 0; i < labels.length; i++) {
    of(labels[i]).support++;
    of(predicted[i]).claimed++;
    if (labels[i] === predicted[i]) of(labels[i]).hit++;
  }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([label, { support, claimed, hit }]) => ({ label, f1: (2 * hit) / (support + claimed), support }));
}

/** Unweighted average recall: the mean over the labels that occur of the share of their samples found. */
export function averageRecall(labels: Labels, predicted: Labels): number {
  takes("averageRecall(labels: numbers, predicted: numbers, ...)", arguments);
  requireSameLength(labels, predicted, "average recall");
  const counts = new Map<number, { support: number; hit: number }>();
  for (let i = 0; i < labels.length; i++) {
    const { support, hit } = counts.get(labels[i]) ?? { support: 0, hit: 0 };
    counts.set(labels[i], { support: support + 1, hit: hit + (labels[i] === predicted[i] ? 1 : 0) });
  }
  return meanOf(Float64Array.from(counts.values(), ({ support, hit }) => hit / support));
}

/** Counts [classes, classes]: row = true class, column = predicted class. */
export function confusion(labels: Labels, predicted: Labels, classes: number): Matrix {
  takes("confusion(labels: numbers, predicted: numbers, classes: size, ...)", arguments);
  requireSameLength(labels, predicted, "confusion matrix");
  const data = new Int32Array(classes * classes);
  for (let i = 0; i < labels.length; i++) {
    for (const label of [labels[i], predicted[i]])
      if (!(Number.isInteger(label) && label >= 0 && label < classes))
        throw new ShapeError(`confusion matrix: class ${label} of sample ${i} is not one of 0 to ${classes - 1}`);
    data[labels[i] * classes + predicted[i]]++;
  }
  return { shape: [classes, classes], data };
}

/** Share of samples whose true class is among the k highest scores; of equal scores the higher index comes first (scikit-learn). */
export function topK(labels: Labels, scores_NC: Matrix, k: number): number {
  takes("topK(labels: numbers, scores: matrix, k: count, ...)", arguments);
  const [n, classes] = extent(scores_NC, "top-k: scores");
  requireSameLength(labels, { length: n }, "top-k");
  requireFinite(scores_NC.data, "top-k: scores");
  let right = 0;
  for (let i = 0; i < n; i++) {
    const own = scores_NC.data[i * classes + labels[i]];
    if (own === undefined || labels[i] >= classes)
      throw new ShapeError(`top-k: class ${labels[i]} of sample ${i} is not one of 0 to ${classes - 1}`);
    let before = 0;
    for (let c = 0; c < classes; c++) {
      const other = scores_NC.data[i * classes + c];
      if (other > own || (other === own && c > labels[i])) before++;
    }
    if (before < k) right++;
  }
  return right / n;
}

/**
 * R@k of a similarity matrix s_NN whose row i and column i belong together: the share of rows (columns) in which fewer than k others
 * are at least as similar as the own one. Ties count against, so a model that gives everything one score gets 0.
 */
export function retrievalAt(s_NN: Matrix, k: number): { byRow: number; byColumn: number } {
  takes("retrievalAt(s: matrix, k: count, ...)", arguments);
  const [n, columns] = extent(s_NN, "retrieval");
  if (n !== columns) throw new ShapeError(`retrieval: a square matrix is needed, but it is ${n} x ${columns}`);
  requireFinite(s_NN.data, "retrieval: similarities");
  let [byRow, byColumn] = [0, 0];
  for (let i = 0; i < n; i++) {
    const own = s_NN.data[i * n + i];
    let [inRow, inColumn] = [0, 0];
    for (let j = 0; j < n; j++) {
      if (j === i) continue;
      if (s_NN.data[i * n + j] >= own) inRow++;
      if (s_NN.data[j * n + i] >= own) inColumn++;
    }
    if (inRow < k) byRow++;
    if (inColumn < k) byColumn++;
  }
  return { byRow: byRow / n, byColumn: byColumn / n };
}

/**
 * R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)² of one output. A constant target gives 1 if it is met exactly, else 0; fewer than two samples
 * give NaN.
 */
export function r2(truth: Scores, predicted: Scores): number {
  takes("r2(truth: numbers, predicted: numbers, ...)", arguments);
  requireFinitePair(truth, predicted, "R²");
  if (truth.length < 2) return Number.NaN;
  const middle = meanOf(truth);
  let [residual, total] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    residual += (truth[i] - predicted[i]) ** 2;
    total += (truth[i] - middle) ** 2;
  }
  // The mean of equal values need not be that value in floating point, so constancy is looked at directly.
  if (isConstant(truth)) return residual === 0 ? 1 : 0;
  return 1 - residual / total;
}

/** R² of every column of truth_NT and predicted_NT, and their mean. */
export function macroR2(truth_NT: Matrix, predicted_NT: Matrix): { values: Float64Array; mean: number } {
  takes("macroR2(truth: matrix, predicted: matrix, ...)", arguments);
  const outputs = requireSameShape(truth_NT, predicted_NT, "R²")[1];
  const values = Float64Array.from({ length: outputs }, (_, t) => r2(column(truth_NT, t), column(predicted_NT, t)));
  return { values, mean: meanOf(values) };
}

/** Mean squared error. */
export function mse(truth: Scores, predicted: Scores): number {
  takes("mse(truth: numbers, predicted: numbers, ...)", arguments);
  requireFinitePair(truth, predicted, "MSE");
  let sum = 0;
  for (let i = 0; i < truth.length; i++) sum += (truth[i] - predicted[i]) ** 2;
  return sum / truth.length;
}

/** Pearson's correlation coefficient; NaN if either side is constant, or with fewer than two samples. */
export function pearson(a: Scores, b: Scores): number {
  takes("pearson(a: numbers, b: numbers, ...)", arguments);
  requireFinitePair(a, b, "Pearson");
  if (isConstant(a) || isConstant(b)) return Number.NaN;
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] - meanA, b[i] - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return Math.min(1, Math.max(-1, ab / (Math.sqrt(aa) * Math.sqrt(bb))));
}

function isConstant(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return true;
}

function requireSameLength(a: { readonly length: number }, b: { readonly length: number }, what: string): void {
  if (a.length !== b.length) throw new ShapeError(`${what}: ${a.length} true values, but ${b.length} predictions`);
  if (a.length === 0) throw new ShapeError(`${what}: there are no samples`);
}

function requireFinitePair(truth: Scores, predicted: Scores, what: string): void {
  requireSameLength(truth, predicted, what);
  requireFinite(truth, `${what}: true values`);
  requireFinite(predicted, `${what}: predictions`);
}

function requireSameShape(a: Matrix, b: Matrix, what: string): [rows: number, columns: number] {
  const [rows, columns] = extent(a, `${what}: true values`);
  const [n, c] = extent(b, `${what}: predictions`);
  if (rows !== n || columns !== c)
    throw new ShapeError(`${what}: true values are [${a.shape}], but predictions [${b.shape}]`);
  return [rows, columns];
}
