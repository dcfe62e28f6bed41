// The linear probe of regression: ridge on standardised features. How strong its penalty is, is chosen within the rows that it is fitted
// on, by the error on groups of them that are left out in turn.
import { column, type Matrix, matrix, takeRows } from "../matrix.ts";
import { cholesky, gram, type Rows, centredColumns, solveCholesky } from "../probes/linear-algebra.ts";
import { decide, fitRidge } from "../probes/probes.ts";
import { rowsBy } from "./parts.ts";

/** Penalties that are tried unless somebody says others. */
export const usualPenalties: readonly number[] = [0.1, 1, 10, 100, 1e3, 1e4, 1e5];

/** Predictions for the held rows of one score, with the penalty that was chosen. */
export interface Probed {
  readonly predicted: Float64Array;
  readonly penalty: number;
  /** The mean squared error of each penalty on groups that were left out; none where there was no choice. */
  readonly errors: readonly number[];
}

/** Fitted on x_ND, y of the rows `fit`, whose groups are left out in turn for the penalty; predicts the rows `held`. */
export function linearProbe(
  x_ND: Matrix,
  y_N: ArrayLike<number>,
  { fit, held, groups, penalties }: LinearRequest,
): Probed {
  const x = takeRows(x_ND, fit);
  const y = matrix(
    fit.length,
    1,
    Float64Array.from(fit, (n) => y_N[n]),
  );
  const errors = penalties.length === 1 ? [] : leftOutErrors(x, y.data, groups, penalties);
  const penalty = errors.length === 0 ? penalties[0] : bestPenalty(penalties, errors);
  const model = fitRidge(x, y, { alpha: penalty });
  return { predicted: column(decide(model, takeRows(x_ND, held)), 0), penalty, errors };
}

export interface LinearRequest {
  readonly fit: readonly number[];
  readonly held: readonly number[];
  /** Of each row of `fit`, which are left out together. */
  readonly groups: readonly unknown[];
  readonly penalties: readonly number[];
}

/** The penalty with the least error; of equal ones the strongest. */
function bestPenalty(penalties: readonly number[], errors: readonly number[]): number {
  const least = Math.min(...errors);
  return Math.max(...penalties.filter((_, i) => errors[i] === least));
}

/**
 * The mean squared error of each penalty on groups left out in turn. No model is fitted anew for it: where H gives the fitted values
 * H y of all rows, the errors of a group that is left out are (I − H)⁻¹ (y − H y) on its rows (the PRESS identity, by blocks).
 */
function leftOutErrors(
  { shape: [N, D], data }: Matrix,
  y_N: ArrayLike<number>,
  groups: readonly unknown[],
  penalties: readonly number[],
): number[] {
  const { x } = centredColumns(data, N, D);
  const products = gram(x);
  const mean = Array.from(y_N).reduce((sum, value) => sum + value, 0) / N;
  const y = Float64Array.from(y_N, (value) => value - mean);
  const members = rowsBy([...groups.keys()], (n) => groups[n]);
  return penalties.map((penalty) => {
    const half = halfOf(x, cholesky(products, D, penalty, 1));
    const left = residuals(half, N, D, y);
    let sum = 0;
    for (const rows of members.values()) sum += squaredError(half, N, D, left, rows);
    return sum / N;
  });
}

/** Rows h_n = L⁻¹ x_n, so that H = h hᵀ + 1/N. */
function halfOf(x: Rows, l: Float64Array): Float64Array {
  const { n: N, d: D } = x;
  const half = x.data.slice(0, N * D);
  for (let n = 0; n < N; n++)
    for (let i = 0; i < D; i++) {
      let rest = half[n * D + i];
      for (let j = 0; j < i; j++) rest -= l[i * D + j] * half[n * D + j];
      half[n * D + i] = rest / l[i * D + i];
    }
  return half;
}

/** y − H y, of y with mean 0. */
function residuals(half: Float64Array, N: number, D: number, y: Float64Array): Float64Array {
  const along = new Float64Array(D);
  for (let n = 0; n < N; n++) for (let d = 0; d < D; d++) along[d] += half[n * D + d] * y[n];
  return y.map((value, n) => {
    let fitted = 0;
    for (let d = 0; d < D; d++) fitted += half[n * D + d] * along[d];
    return value - fitted;
  });
}

/** The squared errors of a group that is left out, summed. */
function squaredError(half: Float64Array, N: number, D: number, left: Float64Array, rows: readonly number[]): number {
  const G = rows.length;
  const rest = new Float64Array(G * G);
  for (let a = 0; a < G; a++)
    for (let b = 0; b <= a; b++) {
      let product = 1 / N;
      for (let d = 0; d < D; d++) product += half[rows[a] * D + d] * half[rows[b] * D + d];
      rest[a * G + b] = (a === b ? 1 : 0) - product;
    }
  const errors = Float64Array.from(rows, (n) => left[n]);
  solveCholesky(cholesky(rest, G, 0, 1), G, errors);
  return errors.reduce((sum, error) => sum + error * error, 0);
}
