// Numbers made comparable: each column with mean 0 and deviation 1 over the rows that are fitted on, and over those alone.
import { type Matrix, matrix } from "../matrix.ts";

/** Of each column, over the rows where it is known. */
export interface Standard {
  readonly mean: Float64Array;
  /** 1 of a column that does not vary. */
  readonly deviation: Float64Array;
}

/** Over the rows of these numbers; NaN is not known. */
export function standardOf({ shape: [, D], data }: Matrix, rows: readonly number[]): Standard {
  const [mean, squares, known] = [new Float64Array(D), new Float64Array(D), new Float64Array(D)];
  const each = (take: (d: number, value: number) => void) => {
    for (const n of rows) for (let d = 0; d < D; d++) if (!Number.isNaN(data[n * D + d])) take(d, data[n * D + d]);
  };
  each((d, value) => {
    known[d]++;
    mean[d] += value;
  });
  for (let d = 0; d < D; d++) mean[d] /= Math.max(1, known[d]);
  each((d, value) => (squares[d] += (value - mean[d]) ** 2));
  const deviation = squares.map((sum, d) => {
    const found = Math.sqrt(sum / Math.max(1, known[d]));
    return found > 1e-9 * Math.abs(mean[d]) ? found : 1;
  });
  return { mean, deviation };
}

/** (x − mean) / deviation of every row; what is not known stays NaN. */
export function standardised({ shape: [N, D], data }: Matrix, { mean, deviation }: Standard): Matrix {
  return matrix(
    N,
    D,
    Float64Array.from({ length: N * D }, (_, i) => (data[i] - mean[i % D]) / deviation[i % D]),
  );
}
