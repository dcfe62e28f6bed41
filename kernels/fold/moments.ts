// How far elements along axes are spread: variance and standard deviation, around their mean.
import { ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import type { Axes } from "../lib/axes.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import { reduceOver } from "../reduce/over.ts";
import { type Fold, foldWays, runsOf, slopePass, wayOf } from "./fold.ts";
import moments from "./moments.wgsl";
import mergeMoments from "./moments-merge.wgsl";
import runMoments from "./moments-run.wgsl";

/** How `variance` and `std` count. */
export interface SpreadOptions {
  /** What is taken from the number of elements before it divides; default 1, as in PyTorch. 0 is the mean of the squares. */
  correction?: number;
}

type Sizes = { readonly A: number };

/** The number that squares are divided by. Errors: ShapeError where none is left. */
function freedom(name: string, { A }: Sizes, correction: number): number {
  if (A > correction) return A - correction;
  throw new ShapeError(
    `${name}: ${A} ${A === 1 ? "element" : "elements"} and correction ${correction} leave nothing to divide by; ` +
      `expected more than ${correction}, or { correction: 0 }`,
  );
}

/** Σ (x − mean)² of every (n, m) in f64. */
function squares64(x: Float64Array, { N, A, M }: { N: number; A: number; M: number }): Float64Array {
  return Float64Array.from({ length: N * M }, (_, r) => {
    const row = Array.from({ length: A }, (_, a) => x[(Math.floor(r / M) * A + a) * M + (r % M)]);
    const mean = row.reduce((sum, v) => sum + v, 0) / A;
    return row.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  });
}

interface Spread {
  name: string;
  about: string;
  writes: Fold["writes"];
  slope: ReturnType<typeof slopePass>;
  of64: (variance: number) => number;
}

const perFreedom = ({ A }: Record<string, number>, { correction }: Record<string, unknown>) =>
  1 / (A - Number(correction));

const spread = ({ name, about, writes, slope, of64 }: Spread) =>
  op({
    name,
    about,
    sig: "x_NAM -> y_NM",
    attrs: { correction: 1 },
    takes: { correction: "amount" },
    derive(dims, { correction }) {
      freedom(name, dims, correction);
      return runsOf(dims);
    },
    ways: foldWays(
      {
        about,
        state: { mean: "f32", squares: "f32" },
        run: [numbers, panels, moments, levels, runMoments],
        merge: [numbers, panels, moments, levels, mergeMoments],
        writes: { ...writes, "mean:f32": "state.mean" },
        factor: perFreedom,
      },
      [slope],
    ),
    way: wayOf,
    ref: ({ x }, dims, { correction }) => ({
      y: squares64(x, dims).map((squares) => of64(squares / (dims.A - correction))),
    }),
    flops: ({ N, A, M }) => 5 * N * A * M,
    bench: [
      { N: 128 * 51, A: 768, M: 1 },
      { N: 1, A: 1 << 20, M: 1 },
    ],
    test: {
      sizes: { A: [1, 2, 3, 5, 8, 13, 33, 67, 130, 300, 1025] },
      attrs: [{}, { correction: 0 }, { correction: 0.5 }],
      draw: { x: (random, _, n) => Array.from({ length: n }, () => 3 + 4 * random()) },
    },
  });

const varianceOver = spread({
  name: "variance",
  about: "y_nm = Σ_a (x_nam − μ_nm)² / (A − correction), μ the mean",
  writes: { y: "T(dim.factor * state.squares)" },
  slope: slopePass("dx = 2 dy · (x − μ) / (A − correction)", ["dy", "x", "mean:f32"], "dy * dim.factor * (x - mean)", {
    factor: (dims, attrs) => 2 * perFreedom(dims, attrs),
  }),
  of64: (variance) => variance,
});

const stdOver = spread({
  name: "std",
  about: "y_nm = √(Σ_a (x_nam − μ_nm)² / (A − correction)), μ the mean; where it is 0 its gradient is 0",
  writes: {
    y: "T(nan_or(state.squares, sqrt(dim.factor * state.squares)))",
    "spread:f32": "nan_or(state.squares, sqrt(dim.factor * state.squares))",
  },
  slope: slopePass(
    "dx = dy · (x − μ) / ((A − correction) y)",
    ["dy", "x", "mean:f32", "spread:f32"],
    "select(dy * dim.factor * ((x - mean) / spread), 0.0, spread == 0)",
    { factor: perFreedom },
  ),
  of64: Math.sqrt,
});

/**
 * Variance over one axis or several, or of everything: Σ (x − mean)² / (n − correction), PyTorch's `var`. It is computed around the
 * mean, so that a large mean costs no digits. Errors: ShapeError where n is not above the correction.
 */
export function variance(x: Tensor, axis?: Axes, keepdim = false, options: SpreadOptions = {}): Tensor {
  takes("variance(x: tensor, axis?: whole | whole[], keepdim?: flag, options?: { correction?: amount })", arguments);
  return reduceOver((each) => varianceOver(each, options), x, axis, keepdim, "variance");
}

/** Standard deviation, the root of the variance; its gradient is 0 where it is 0, as in PyTorch. Errors: as `variance`. */
export function std(x: Tensor, axis?: Axes, keepdim = false, options: SpreadOptions = {}): Tensor {
  takes("std(x: tensor, axis?: whole | whole[], keepdim?: flag, options?: { correction?: amount })", arguments);
  return reduceOver((each) => stdOver(each, options), x, axis, keepdim, "std");
}
