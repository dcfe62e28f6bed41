// Linear probes on frozen features: logistic regression (one-vs-rest and softmax) and ridge, in f64, to the optimum of
// scikit-learn's objectives. Features come as they are; normalise them first where the protocol says so.

import { HealthError, ShapeError, UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { atOnce } from "./in-turns.ts";
import {
  addScaled,
  centredColumns,
  cholesky,
  dot,
  projectBack,
  gram,
  project,
  type Rows,
  solveCholesky,
  symmetricEigen,
} from "./linear-algebra.ts";
import { type Loss, minimise, type Start } from "./logistic.ts";
import { column, extent, type Matrix, matrix, requireFinite } from "../matrix.ts";

/** f = X Wᵀ + b: `weights` [outputs, d], `intercepts` [outputs]. */
export interface LinearModel {
  /** [outputs, d]. */
  readonly weights: Matrix;
  /** [outputs]. */
  readonly intercepts: Float64Array;
}

/** What a logistic fit found: per problem its objective, largest gradient entry and number of iterations. */
export interface LogisticModel extends LinearModel {
  readonly objective: Float64Array;
  readonly gradient: Float64Array;
  readonly iterations: Int32Array;
}

/** `classes` are the labels seen in training, sorted: row k of the weights belongs to `classes[k]`. */
export interface SoftmaxModel extends LogisticModel {
  readonly classes: Int32Array;
}

/** C weights the data against the penalty; `start` is a model of the same shape to begin from. */
export interface LogisticOptions {
  readonly C: number;
  readonly start?: LinearModel;
}

/**
 * One logistic regression per column of y_NC (0 or 1): ½‖w‖² + C Σ_i log(1 + exp(−ỹ_i f_i)), the intercept not penalised.
 * A column that is all 0 or all 1 has no finite optimum in b: its weights are 0 and its intercept −∞ or +∞, so that its score is
 * 0 or 1 for every sample.
 */
export function fitOneVsRest(x_ND: Matrix, y_NC: Matrix, options: LogisticOptions): LogisticModel {
  takes("fitOneVsRest(x: matrix, y: matrix, options: { C: positive, start?: object, ... }, ...)", arguments);
  return atOnce(oneVsRestSteps(x_ND, y_NC, options));
}

/** The same, yielding between the steps of the search. */
export function* oneVsRestSteps(
  x_ND: Matrix,
  y_NC: Matrix,
  { C, start }: LogisticOptions,
): Generator<void, LogisticModel> {
  const { x, mean, d } = prepare(x_ND, y_NC.shape[0], C);
  const labels = extent(y_NC, "one-vs-rest: labels")[1];
  const weights = new Float64Array(labels * d);
  const model = emptyModel(labels, labels, weights, d);
  const fitted: number[] = [];
  const losses: Loss[] = [];
  for (let c = 0; c < labels; c++) {
    const y = column(y_NC, c);
    const positives = countPositives(y, c);
    if (positives > 0 && positives < x.n) {
      fitted.push(c);
      losses.push(logisticLoss(y));
    } else model.intercepts[c] = positives > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }
  if (fitted.length === 0) return model;
  const starts = fitted.map((c) => startFrom(start, [c], d, mean) ?? coldStart([logOdds(column(y_NC, c))], d));
  for (const [i, found] of (yield* minimise(x, mean, C, losses, starts)).entries()) {
    const c = fitted[i];
    weights.set(found.weights[0], c * d);
    model.intercepts[c] = found.intercepts[0];
    record(model, c, found);
  }
  return model;
}

/**
 * Softmax regression over the K sorted classes of `labels` (length N): ½Σ_k‖w_k‖² + C Σ_i CE_i, intercepts not penalised. They are
 * free up to a common constant; here their mean is 0. Of two classes scikit-learn's LogisticRegression makes one binary problem: its
 * coefficients are w_1 − w_0 at half its C.
 */
export function fitSoftmax(x_ND: Matrix, labels: ArrayLike<number>, options: LogisticOptions): SoftmaxModel {
  takes("fitSoftmax(x: matrix, labels: numbers, options: { C: positive, start?: object, ... }, ...)", arguments);
  return atOnce(softmaxSteps(x_ND, labels, options));
}

/** The same, yielding between the steps of the search. */
export function* softmaxSteps(
  x_ND: Matrix,
  labels: ArrayLike<number>,
  { C, start }: LogisticOptions,
): Generator<void, SoftmaxModel> {
  const { x, mean, d } = prepare(x_ND, labels.length, C);
  requireFinite(labels, "softmax probe: labels");
  const classes = Int32Array.from(new Set(Array.from(labels))).sort();
  const K = classes.length;
  if (K < 2) throw new UsageError(`softmax probe: the training labels hold one class (${classes[0]}); two are needed`);
  const index = new Map(Array.from(classes, (label, k) => [label, k]));
  const targets = Int32Array.from(labels, (label) => index.get(label) ?? -1);
  if (targets.includes(-1)) throw new ShapeError("softmax probe: labels must be whole numbers");
  const counts = new Float64Array(K);
  for (const k of targets) counts[k]++;
  const weights = new Float64Array(K * d);
  const model = emptyModel(K, 1, weights, d);
  const all = Array.from({ length: K }, (_, k) => k);
  const begin =
    startFrom(start, all, d, mean) ??
    coldStart(
      Array.from(counts, (n) => Math.log(n)),
      d,
    );
  const [found] = yield* minimise(x, mean, C, [softmaxLoss(targets, K)], [begin]);
  const middle = found.intercepts.reduce((sum, b) => sum + b / K, 0);
  for (let k = 0; k < K; k++) {
    weights.set(found.weights[k], k * d);
    model.intercepts[k] = found.intercepts[k] - middle;
  }
  record(model, 0, found);
  return { ...model, classes };
}

/** Ridge regression with an intercept, one per column of y_NT: centred X and Y, (XᵀX + αI) W = XᵀY, b = ȳ − W x̄. */
export function fitRidge(x_ND: Matrix, y_NT: Matrix, options: { readonly alpha: number }): LinearModel {
  takes("fitRidge(x: matrix, y: matrix, options: { alpha: amount, ... }, ...)", arguments);
  const { alpha } = options;
  if (!(alpha > 0 && alpha < Number.POSITIVE_INFINITY))
    throw new UsageError(`ridge: alpha is ${alpha}; it must be positive`);
  const { x, mean, d } = prepare(x_ND, y_NT.shape[0], 1);
  const targets = extent(y_NT, "ridge: targets")[1];
  requireFinite(y_NT.data, "ridge: targets");
  const y = Array.from({ length: targets }, (_, t) => column(y_NT, t));
  const means = y.map((values) => values.reduce((sum, v) => sum + v, 0) / x.n);
  const weights = new Float64Array(targets * d);
  const rows = y.map((_, t) => weights.subarray(t * d, (t + 1) * d));
  const solve = ridgeSolver(gram(x), d, alpha);
  const padded = (of: (i: number) => number) =>
    Float64Array.from({ length: x.padded }, (_, i) => (i < x.n ? of(i) : 0));
  const left = y.map((values, t) => padded((i) => values[i] - means[t]));
  const fitted = left.map(() => new Float64Array(x.padded));
  const steps = rows.map(() => new Float64Array(d));
  for (let round = 0; round < ROUNDS; round++) {
    projectBack(x, left, steps);
    for (const [t, step] of steps.entries()) {
      addScaled(step, -alpha, rows[t]);
      solve(step);
      addScaled(rows[t], 1, step);
    }
    project(x, steps, fitted);
    for (const [t, line] of left.entries()) addScaled(line, -1, fitted[t]);
  }
  const intercepts = Float64Array.from(rows, (w, t) => means[t] - dot(w, mean));
  return { weights: matrix(targets, d, weights), intercepts };
}

/** f = X Wᵀ + b, [N, outputs]: ridge predictions, or the raw scores of a logistic model. */
export function decide(model: LinearModel, x_ND: Matrix): Matrix {
  takes("decide(model: { weights: matrix, intercepts: Float64Array, ... }, x: matrix, ...)", arguments);
  const [n, d] = extent(x_ND, "probe: features");
  const [outputs, width] = model.weights.shape;
  if (d !== width) throw new ShapeError(`probe: features have ${d} columns, but the model was fitted on ${width}`);
  requireFinite(x_ND.data, "probe: features");
  const f = new Float64Array(n * outputs);
  const { data: w } = model.weights;
  const { data: x } = x_ND;
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < outputs; k++) {
      let sum = 0;
      for (let j = 0; j < d; j++) sum += x[i * d + j] * w[k * d + j];
      f[i * outputs + k] = sum + model.intercepts[k];
    }
  }
  return matrix(n, outputs, f);
}

/** Scores of a one-vs-rest model, sigmoid(f), [N, C]; not normalised across classes. */
export function oneVsRestScores(model: LinearModel, x_ND: Matrix): Matrix {
  takes("oneVsRestScores(model: { weights: matrix, intercepts: Float64Array, ... }, x: matrix, ...)", arguments);
  const f = decide(model, x_ND);
  return { shape: f.shape, data: Float64Array.from(f.data, sigmoid) };
}

/** Class probabilities of a softmax model, [N, K]; column k is the class `classes[k]`. */
export function softmaxScores(model: LinearModel, x_ND: Matrix): Matrix {
  takes("softmaxScores(model: { weights: matrix, intercepts: Float64Array, ... }, x: matrix, ...)", arguments);
  const f = decide(model, x_ND);
  const [n, K] = f.shape;
  for (let i = 0; i < n; i++) softmaxInPlace(f.data.subarray(i * K, (i + 1) * K));
  return f;
}

/** The most probable class of each row, as a label of `classes`; the lowest where several tie. */
export function predictClasses(model: SoftmaxModel, x_ND: Matrix): Int32Array {
  takes(
    "predictClasses(model: { classes: Int32Array, weights: matrix, intercepts: Float64Array, ... }, x: matrix, ...)",
    arguments,
  );
  const f = decide(model, x_ND);
  const [n, K] = f.shape;
  return Int32Array.from({ length: n }, (_, i) => {
    let best = 0;
    for (let k = 1; k < K; k++) if (f.data[i * K + k] > f.data[i * K + best]) best = k;
    return model.classes[best];
  });
}

function prepare(x_ND: Matrix, labels: number, C: number): { x: Rows; mean: Float64Array; d: number } {
  const [n, d] = extent(x_ND, "probe: features");
  if (labels !== n) throw new ShapeError(`probe: ${n} rows of features, but ${labels} of labels`);
  if (!(C > 0 && C < Number.POSITIVE_INFINITY)) throw new UsageError(`logistic probe: C is ${C}; it must be positive`);
  requireFinite(x_ND.data, "probe: features");
  return { ...centredColumns(x_ND.data, n, d), d };
}

function emptyModel(outputs: number, problems: number, weights: Float64Array, d: number): LogisticModel {
  return {
    weights: matrix(outputs, d, weights),
    intercepts: new Float64Array(outputs),
    objective: new Float64Array(problems),
    gradient: new Float64Array(problems),
    iterations: new Int32Array(problems),
  };
}

function record(
  model: LogisticModel,
  i: number,
  found: { objective: number; gradient: number; iterations: number },
): void {
  model.objective[i] = found.objective;
  model.gradient[i] = found.gradient;
  model.iterations[i] = found.iterations;
}

function countPositives(y: Float64Array, c: number): number {
  let positives = 0;
  for (const v of y) {
    if (v !== 0 && v !== 1) throw new HealthError(`one-vs-rest: label ${v} in column ${c}; labels are 0 or 1`);
    positives += v;
  }
  return positives;
}

function logOdds(y: Float64Array): number {
  const positives = y.reduce((sum, v) => sum + v, 0);
  return Math.log(positives / (y.length - positives));
}

const coldStart = (intercepts: number[], d: number): Start => ({
  weights: intercepts.map(() => new Float64Array(d)),
  intercepts,
});

/** The rows `of` a model in centred features, or undefined where there is none or a constant score (infinite intercept) stands. */
function startFrom(model: LinearModel | undefined, of: number[], d: number, mean: Float64Array): Start | undefined {
  if (!model) return undefined;
  if (model.weights.shape[1] !== d || of.some((k) => k >= model.weights.shape[0]))
    throw new ShapeError(
      `logistic probe: the model to start from has shape [${model.weights.shape}], which does not fit`,
    );
  const weights = of.map((k) => Float64Array.from(model.weights.data.subarray(k * d, (k + 1) * d)));
  const intercepts = of.map((k, i) => model.intercepts[k] + dot(weights[i], mean));
  return intercepts.every(Number.isFinite) ? { weights, intercepts } : undefined;
}

/** XᵀX has rounded away what is small beside its largest entries; what X itself still leaves over is solved for again. */
const ROUNDS = 3;

/** What solves (a + αI) w = b in place; a is Xᵀ X. */
function ridgeSolver(a: Float64Array, d: number, alpha: number): (b: Float64Array) => void {
  let lost = 0;
  const factor = cholesky(a, d, alpha, 1, () => lost++);
  if (lost === 0) return (b) => solveCholesky(factor, d, b);
  // Columns depend on each other and α is below what rounding leaves: as scikit-learn does then, the shortest solution.
  const unit = Float64Array.from({ length: d }, (_, i) => 1 / Math.sqrt(a[i * d + i] + alpha));
  const scaled = a.map((v, i) => {
    const [row, column] = [Math.floor(i / d), i % d];
    return (v + (row === column ? alpha : 0)) * unit[row] * unit[column];
  });
  const { values, vectors } = symmetricEigen(scaled, d);
  const least = 1e-12 * values.reduce((most, v) => Math.max(most, v), 0);
  return (b) => {
    const right = b.map((v, i) => v * unit[i]);
    b.fill(0);
    for (let k = 0; k < d; k++) {
      if (values[k] <= least) continue;
      let along = 0;
      for (let i = 0; i < d; i++) along += vectors[i * d + k] * right[i];
      for (let i = 0; i < d; i++) b[i] += (along / values[k]) * vectors[i * d + k] * unit[i];
    }
  };
}

/** log(1 + exp(−ỹ z)) for y in {0, 1}; r = σ(z) − y, written so that it keeps its digits where it is small. */
function logisticLoss(y: Float64Array): Loss {
  return {
    columns: 1,
    evaluate([z], [r]) {
      let sum = 0;
      for (let i = 0; i < y.length; i++) {
        const e = Math.exp(-Math.abs(z[i]));
        const wrong = y[i] === 1 ? z[i] < 0 : z[i] > 0;
        sum += Math.log1p(e) + (wrong ? Math.abs(z[i]) : 0);
        r[i] = ((wrong ? 1 : e) / (1 + e)) * (y[i] === 1 ? -1 : 1);
      }
      return sum;
    },
    curvature([z]) {
      let sum = 0;
      for (let i = 0; i < y.length; i++) sum += slope(z[i]);
      return Float64Array.of(sum / y.length);
    },
    second([z], _j, _k, h) {
      for (let i = 0; i < y.length; i++) h[i] = slope(z[i]);
    },
  };
}

/** σ(z)(1 − σ(z)). */
function slope(z: number): number {
  const e = Math.exp(-Math.abs(z));
  return e / (1 + e) ** 2;
}

/** log Σ_k exp(z_k) − z_target; r = softmax(z) − onehot. */
function softmaxLoss(targets: Int32Array, K: number): Loss {
  const p = new Float64Array(K);
  const softmaxAt = (z: readonly Float64Array[], i: number) => {
    for (let k = 0; k < K; k++) p[k] = z[k][i];
    return softmaxInPlace(p);
  };
  return {
    columns: K,
    evaluate(z, r) {
      let sum = 0;
      for (let i = 0; i < targets.length; i++) {
        const target = targets[i];
        const whole = softmaxAt(z, i);
        let others = 0; // 1 − p_target, with all its digits
        for (let k = 0; k < K; k++) if (k !== target) others += r[k][i] = p[k];
        r[target][i] = -others;
        sum += p[target] > 0.5 ? -Math.log1p(-others) : whole - z[target][i];
      }
      return sum;
    },
    curvature(z) {
      const S = new Float64Array(K * K);
      for (let i = 0; i < targets.length; i++) {
        softmaxAt(z, i);
        for (let j = 0; j < K; j++)
          for (let k = 0; k < K; k++) S[j * K + k] += (p[j] * ((j === k ? 1 : 0) - p[k])) / targets.length;
      }
      return S;
    },
    second(z, j, k, h) {
      for (let i = 0; i < targets.length; i++) {
        softmaxAt(z, i);
        let others = 0;
        for (let c = 0; c < K; c++) if (c !== j) others += p[c];
        h[i] = j === k ? p[j] * others : -p[j] * p[k];
      }
    },
  };
}

function sigmoid(z: number): number {
  const e = Math.exp(-Math.abs(z));
  return (z >= 0 ? 1 : e) / (1 + e);
}

/** Replaces z by softmax(z) and returns log Σ exp(z). */
function softmaxInPlace(z: { [k: number]: number; length: number }): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < z.length; k++) top = Math.max(top, z[k]);
  let sum = 0;
  for (let k = 0; k < z.length; k++) sum += z[k] = Math.exp(z[k] - top);
  for (let k = 0; k < z.length; k++) z[k] /= sum;
  return top + Math.log(sum);
}
