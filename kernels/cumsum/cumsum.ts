// Running sums along an axis.
import { type Pass, pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { lanesGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import panels from "../lib/panels.wgsl";
import { around, axisOf } from "../lib/axes.ts";
import text from "./cumsum.wgsl";

const running = (x: string, y: string, backwards: 0 | 1): Pass =>
  pass(`${x}_NAM -> ${y}_NAM`, [panels, levels, text], ({ N, M }, consts) => lanesGrid(N * M, consts), {
    rename: { x, y },
    uniforms: () => ({ backwards }),
  });

const runningSum = op({
  name: "cumsum",
  about: "y_nam = Σ_{b ≤ a} x_nbm",
  sig: "x_NAM -> y_NAM",
  forward: [running("x", "y", 0)],
  backward: [running("dy", "dx", 1)],
  ref({ x }, { N, A, M }) {
    const y = Float64Array.from(x);
    for (let i = 0; i < N * A * M; i++) if (Math.floor(i / M) % A > 0) y[i] += y[i - M];
    return { y };
  },
  flops: ({ N, A, M }) => N * A * M,
  bench: [{ N: 128, A: 77, M: 512 }],
});

/** Running sums along an axis (PyTorch's cumsum); their error does not grow with the length. */
export function cumsum(x: Tensor, axis = -1): Tensor {
  takes("cumsum(x: tensor, axis?: whole)", arguments);
  return runningSum(x.reshape(around(x.shape, axisOf(x, axis, "cumsum")))).reshape(x.shape);
}
