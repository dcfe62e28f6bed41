// What becomes of the terms of a loss.
import type { Tensor } from "../../engine/record/tensor.ts";
import { mean, sum } from "../reduce/reduce.ts";

/** The mean of a loss's terms, their sum, or the terms themselves (PyTorch's `reduction`). */
export type Reduction = "mean" | "sum" | "none";

/** The terms of a loss as they are asked for. */
export function reduceTerms(terms: Tensor, reduction: Reduction = "mean"): Tensor {
  if (reduction === "none") return terms;
  return reduction === "sum" ? sum(terms) : mean(terms);
}
