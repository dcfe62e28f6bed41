// Figures of regression as EmoCLIP's official code counts them, for each column of scores.
import { ShapeError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { meanOf } from "../mean.ts";
import { column, type Matrix } from "../matrix.ts";

/** One column of scores. */
export interface RegressionFigures {
  /** Pearson's correlation; 0 where a side is constant, for 1e-5 is added below the line. */
  readonly pcc: number;
  /** Concordance correlation. */
  readonly ccc: number;
  /** Mean absolute error, mean squared error and its root. */
  readonly mae: number;
  readonly mse: number;
  readonly rmse: number;
}

/** Added below the line of both correlations. */
const EPS = 1e-5;

/** The figures of every column: predicted_NQ, truth_NQ. Errors: ShapeError where they are of other shapes, or empty. */
export function regressionFigures(predicted_NQ: Matrix, truth_NQ: Matrix): RegressionFigures[] {
  takes("regressionFigures(predicted: matrix, truth: matrix, ...)", arguments);
  const [N, Q] = truth_NQ.shape;
  if (`${predicted_NQ.shape}` !== `${truth_NQ.shape}` || N === 0)
    throw new ShapeError(`regression: predictions are [${predicted_NQ.shape}], scores [${truth_NQ.shape}]`);
  return Array.from({ length: Q }, (_, q) => figuresOf(column(predicted_NQ, q), column(truth_NQ, q)));
}

function figuresOf(a: ArrayLike<number>, b: ArrayLike<number>): RegressionFigures {
  const N = a.length;
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  let [ab, aa, bb, absolute, squared] = [0, 0, 0, 0, 0];
  for (let i = 0; i < N; i++) {
    const [x, y, d] = [a[i] - meanA, b[i] - meanB, a[i] - b[i]];
    ab += x * y;
    aa += x * x;
    bb += y * y;
    absolute += Math.abs(d);
    squared += d * d;
  }
  const pcc = ab / (Math.sqrt(aa * bb) + EPS);
  const [varA, varB] = [aa / N, bb / N];
  const ccc = (2 * pcc * Math.sqrt(varA) * Math.sqrt(varB)) / (varA + varB + (meanA - meanB) ** 2 + EPS);
  return { pcc, ccc, mae: absolute / N, mse: squared / N, rmse: Math.sqrt(squared / N) };
}
