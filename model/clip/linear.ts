// The parameters of a product with a matrix.
import type { Tensor } from "../../engine/index.ts";

export interface Linear {
  readonly weight: Tensor;
  readonly bias: Tensor;
}
