// The parameters of a product with a matrix.
import type { Tensor } from "../../engine/index.ts";

/** The parameters of y = x weightᵀ + bias: weight_MK, bias_M, as in PyTorch. */
export interface Linear {
  readonly weight: Tensor;
  readonly bias: Tensor;
}
