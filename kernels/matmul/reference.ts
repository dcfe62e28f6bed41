// Products in f64, plainly, for the ops' references.
import type { ProductForm } from "./structures.ts";

/** y[M, N] = a·b over K; which of a and b is stored transposed says `form`. Batches follow one another. */
export function product64(
  form: ProductForm,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  [M, N, K]: readonly [number, number, number],
  batch = 1,
): Float64Array {
  const y = new Float64Array(batch * M * N);
  for (let z = 0; z < batch; z++)
    for (let i = 0; i < M; i++)
      for (let j = 0; j < N; j++) {
        let sum = 0;
        for (let k = 0; k < K; k++) {
          const left = a[z * M * K + (form === "TN" ? k * M + i : i * K + k)];
          sum += left * b[z * K * N + (form === "NT" ? j * K + k : k * N + j)];
        }
        y[(z * M + i) * N + j] = sum;
      }
  return y;
}
