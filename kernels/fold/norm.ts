// The length of vectors along axes.
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import type { Axes } from "../lib/axes.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import { reduceOver } from "../reduce/over.ts";
import { foldWays, runsOf, slopePass, wayOf } from "./fold.ts";
import normText from "./norm.wgsl";
import mergeNorms from "./norm-merge.wgsl";
import runNorms from "./norm-run.wgsl";

const about = "y_nm = √(Σ_a x_nam²)";
const length = "state.top * nan_or(state.sum, sqrt(state.sum))";

const over = op({
  name: "norm",
  about: `${about}, the largest divided out first; where it is 0 its gradient is 0`,
  sig: "x_NAM -> y_NM",
  derive: runsOf,
  ways: foldWays(
    {
      about,
      state: { top: "f32", sum: "f32" },
      run: [numbers, panels, normText, levels, runNorms],
      merge: [numbers, panels, normText, levels, mergeNorms],
      writes: { y: `T(${length})`, "length:f32": length },
    },
    [slopePass("dx = dy · x / y", ["dy", "x", "length:f32"], "select(dy * (x / length), 0.0, length == 0)")],
  ),
  way: wayOf,
  ref({ x }, { N, A, M }) {
    const y = new Float64Array(N * M);
    for (let i = 0; i < N * A * M; i++) y[Math.floor(i / (A * M)) * M + (i % M)] += x[i] * x[i];
    return { y: y.map(Math.sqrt) };
  },
  flops: ({ N, A, M }) => 4 * N * A * M,
  bench: [
    { N: 1232, A: 1000, M: 1 },
    { N: 1, A: 1 << 20, M: 1 },
  ],
  test: { sizes: { A: [1, 2, 3, 5, 8, 13, 33, 67, 130, 300, 1025] } },
});

/**
 * Euclidean length √Σ x² over one axis or several, or of everything (PyTorch's linalg.vector_norm), also where squares would leave
 * what f32 holds. Its gradient is 0 where it is 0, as in PyTorch.
 */
export function norm(x: Tensor, axis?: Axes, keepdim = false): Tensor {
  takes("norm(x: tensor, axis?: whole | whole[], keepdim?: flag)", arguments);
  return reduceOver(over, x, axis, keepdim, "norm");
}
