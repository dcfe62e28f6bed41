// The logarithm of a sum of exponentials along axes.
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import type { Axes } from "../lib/axes.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import { reduceOver } from "../reduce/over.ts";
import { foldWays, runsOf, slopePass, wayOf } from "./fold.ts";
import logsumexpText from "./logsumexp.wgsl";
import mergeSums from "./logsumexp-merge.wgsl";
import runSums from "./logsumexp-run.wgsl";

const about = "y_nm = log Σ_a exp x_nam";

const over = op({
  name: "logsumexp",
  about: `${about}, the largest taken off first`,
  sig: "x_NAM -> y_NM",
  derive: runsOf,
  ways: foldWays(
    {
      about,
      state: { top: "f32", sum: "f32" },
      run: [numbers, panels, logsumexpText, levels, runSums],
      merge: [numbers, panels, logsumexpText, levels, mergeSums],
      writes: { y: "T(state.top + log_of(state.sum))", "lse:f32": "state.top + log_of(state.sum)" },
    },
    [slopePass("dx = dy · exp(x − y), a softmax", ["dy", "x", "lse:f32"], "dy * nan_exp(x - lse)", { lib: [numbers] })],
  ),
  way: wayOf,
  ref({ x }, { N, A, M }) {
    const y = Float64Array.from({ length: N * M }, (_, r) => {
      const row = Array.from({ length: A }, (_, a) => x[(Math.floor(r / M) * A + a) * M + (r % M)]);
      const top = row.reduce((most, v) => Math.max(most, v), -Infinity);
      if (!Number.isFinite(top)) return top; // NaN, ∞, or −∞ alone
      return top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0));
    });
    return { y };
  },
  flops: ({ N, A, M }) => 5 * N * A * M,
  bench: [
    { N: 1232, A: 1000, M: 1 },
    { N: 1, A: 1 << 20, M: 1 },
  ],
  test: {
    sizes: { A: [1, 2, 3, 5, 8, 13, 33, 67, 130, 300, 1025] },
    draw: {
      x(random, _, n) {
        const middle = random() < 0.5 ? 0 : 300; // exp of which overflows
        return Array.from({ length: n }, () => middle + 8 * random());
      },
    },
  },
});

/**
 * log Σ exp x over one axis or several, or of everything, without overflow: −∞ where all are −∞, ∞ where one is ∞. Its gradient
 * is the softmax; where y is infinite it is NaN, as in PyTorch.
 */
export function logsumexp(x: Tensor, axis?: Axes, keepdim = false): Tensor {
  takes("logsumexp(x: tensor, axis?: whole | whole[], keepdim?: flag)", arguments);
  return reduceOver(over, x, axis, keepdim, "logsumexp");
}
