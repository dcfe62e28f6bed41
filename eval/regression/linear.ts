// The linear probe of regression: ridge on standardised features. How strong its penalty is, is chosen within the rows that it is fitted
// on, by the error on groups of them that are left out in turn.
import { setImmediate as turn } from "node:timers/promises";
import { column, type Matrix, matrix, takeRows } from "../matrix.ts";
import { meanOf } from "../mean.ts";
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

/**
 * Every score y_QN fitted on x_ND by itself, on the rows `fit`, whose groups are left out in turn for the penalty; predicts the rows
 * `held`. What depends on rows alone is computed once for all scores, and others have their turn between penalties.
 */
export async function linearProbes(
  x_ND: Matrix,
  y_QN: readonly ArrayLike<number>[],
  { fit, held, groups, penalties }: LinearRequest,
): Promise<Probed[]> {
  const x = takeRows(x_ND, fit);
  const y = y_QN.map((all) => Float64Array.from(fit, (n) => all[n]));
  const errors = penalties.length === 1 ? y.map(() => []) : await leftOutErrors(x, y, groups, penalties);
  const chosen = errors.map((of) => (of.length === 0 ? penalties[0] : bestPenalty(penalties, of)));
  const others = takeRows(x_ND, held);
  const predicted: Float64Array[] = [];
  for (const [alpha, scores] of rowsBy([...y.keys()], (q) => chosen[q])) {
    await turn();
    const found = decide(fitRidge(x, columns(scores.map((q) => y[q])), { alpha }), others);
    for (const [i, q] of scores.entries()) predicted[q] = column(found, i);
  }
  return y.map((_, q) => ({ predicted: predicted[q], penalty: chosen[q], errors: errors[q] }));
}

/** Columns of one length as a matrix. */
const columns = (of: readonly Float64Array[]): Matrix =>
  matrix(
    of[0].length,
    of.length,
    Float64Array.from({ length: of[0].length * of.length }, (_, i) => of[i % of.length][Math.floor(i / of.length)]),
  );

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
 * The mean squared error of each penalty on groups left out in turn, for each score. No model is fitted anew for it: where H gives the
 * fitted values H y of all rows, the errors of a group that is left out are (I − H)⁻¹ (y − H y) on its rows (the PRESS identity, by blocks).
 */
async function leftOutErrors(
  { shape: [N, D], data }: Matrix,
  scores: readonly Float64Array[],
  groups: readonly unknown[],
  penalties: readonly number[],
): Promise<number[][]> {
  const { x } = centredColumns(data, N, D);
  const products = gram(x);
  const centred = scores.map((y) => {
    const mean = meanOf(y);
    return y.map((value) => value - mean);
  });
  const members = rowsBy([...groups.keys()], (n) => groups[n]);
  const errors: number[][] = scores.map(() => []);
  for (const penalty of penalties) {
    await turn();
    const half = halfOf(x, cholesky(products, D, penalty, 1));
    const left = centred.map((y) => residuals(half, N, D, y));
    const sums = scores.map(() => 0);
    for (const rows of members.values()) {
      const factor = withoutGroup(half, N, D, rows);
      for (const [q, of] of left.entries()) sums[q] += squaredError(factor, of, rows);
    }
    for (const [q, sum] of sums.entries()) errors[q].push(sum / N);
  }
  return errors;
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

/** The Cholesky factor of I − H on the rows of a group. */
function withoutGroup(half: Float64Array, N: number, D: number, rows: readonly number[]): Float64Array {
  const G = rows.length;
  const rest = new Float64Array(G * G);
  for (let a = 0; a < G; a++)
    for (let b = 0; b <= a; b++) {
      let product = 1 / N;
      for (let d = 0; d < D; d++) product += half[rows[a] * D + d] * half[rows[b] * D + d];
      rest[a * G + b] = (a === b ? 1 : 0) - product;
    }
  return cholesky(rest, G, 0, 1);
}

/** The squared errors of a group that is left out, summed. */
function squaredError(factor: Float64Array, left: Float64Array, rows: readonly number[]): number {
  const errors = Float64Array.from(rows, (n) => left[n]);
  solveCholesky(factor, rows.length, errors);
  return errors.reduce((sum, error) => sum + error * error, 0);
}
