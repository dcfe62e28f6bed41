// One Newton step of a logistic problem with its whole Hessian: dear, and right where a cheaper curvature is not.

import { cholesky, dot, projectBack, gram, type Rows, solveCholesky } from "./linear-algebra.ts";

/** Second derivatives of a data term with `columns` columns. */
interface Curved {
  readonly columns: number;
  second(z: readonly Float64Array[], j: number, k: number, h: Float64Array): void;
}

/**
 * Writes −H⁻¹g into `direction` and returns gᵀH⁻¹g, twice the objective's distance from the optimum to second order. H is the Hessian
 * at z of ½Σ‖w‖² + C Σ_i loss; vectors hold, per column, d weights and then the intercept.
 */
export function newtonDirection(
  x: Rows,
  C: number,
  loss: Curved,
  z: readonly Float64Array[],
  gradient: Float64Array,
  direction: Float64Array,
): number {
  const size = gradient.length;
  const H = hessian(x, C, loss, z);
  // Unit diagonal: the pivots then tell rounding from curvature, whatever the features' sizes.
  const unit = Float64Array.from({ length: size }, (_, i) => 1 / Math.sqrt(H[i * size + i] || 1));
  for (let i = 0; i < size; i++) for (let j = 0; j <= i; j++) H[i * size + j] *= unit[i] * unit[j];
  for (let i = 0; i < size; i++) direction[i] = -gradient[i] * unit[i];
  // The intercepts of a softmax are free up to a common constant: a singular direction, in which nothing pulls either.
  solveCholesky(cholesky(H, size, 1e-14, 1), size, direction);
  for (let i = 0; i < size; i++) direction[i] *= unit[i];
  return -dot(gradient, direction);
}

/** The lower triangle of the Hessian. */
function hessian(x: Rows, C: number, { columns, second }: Curved, z: readonly Float64Array[]): Float64Array {
  const { d } = x;
  const size = columns * (d + 1);
  const H = new Float64Array(size * size);
  const h = new Float64Array(x.padded);
  const border = new Float64Array(d);
  for (let k = 0; k < columns; k++) {
    for (let j = 0; j <= k; j++) {
      second(z, k, j, h);
      const block = gram(x, h);
      projectBack(x, [h], [border]);
      const [row, column] = [k * (d + 1), j * (d + 1)];
      for (let a = 0; a < d; a++) {
        const at = (row + a) * size + column;
        for (let b = 0; b < d; b++) H[at + b] = C * block[a * d + b];
        H[at + d] = C * border[a];
        H[(row + d) * size + column + a] = C * border[a];
        if (j === k) H[at + a] += 1;
      }
      let sum = 0;
      for (let i = 0; i < x.n; i++) sum += h[i];
      H[(row + d) * size + column + d] = C * sum;
    }
  }
  return H;
}
