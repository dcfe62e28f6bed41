// The largest and the smallest element along axes, and where they are. NaN wins over every number, as in PyTorch.
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import { anyType, type Dtype, type Sizes } from "../../engine/declare/signature.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import type { Axes } from "../lib/axes.ts";
import numbers from "../lib/numbers.wgsl";
import { type Over, reduceOver } from "../reduce/over.ts";
import bestMerge from "./best-merge.wgsl";
import bestRun from "./best-run.wgsl";
import { foldWays, runsOf, slopePass, wayOf } from "./fold.ts";

/** On a software adapter comparing is all the work, and a second launch costs more than it brings. */
const searchWay = (dims: Sizes, { software }: DeviceFacts): string => (software ? "once" : wayOf(dims));

interface Extreme {
  name: "max" | "min";
  symbol: ">" | "<";
  /** What every number is better than, or as good as. */
  worst: number;
}

/** The state of a search and its kernels, for numbers of every type: no integer becomes a NaN. */
function search({ symbol }: Extreme) {
  const wins = `!is_nan(f32(best)) && (v ${symbol} best || is_nan(f32(v)))`;
  const lib = [numbers, `fn wins(v: Num, best: Num) -> bool { return ${wins}; }`];
  return { state: { best: "Num", place: "u32" } as const, run: [...lib, bestRun], merge: [...lib, bestMerge] };
}

interface Places {
  N: number;
  A: number;
  M: number;
}

/** Value and place of every (n, m) in f64: the first of equals, and the first NaN before all else. */
function best64({ symbol, worst }: Extreme, x: Float64Array, { N, A, M }: Places) {
  const y = new Float64Array(N * M).fill(worst);
  const at = new Float64Array(N * M);
  for (let i = 0; i < N * A * M; i++) {
    const r = Math.floor(i / (A * M)) * M + (i % M);
    const isBetter = symbol === ">" ? x[i] > y[r] : x[i] < y[r];
    if (Number.isNaN(y[r]) || !(isBetter || Number.isNaN(x[i]))) continue;
    [y[r], at[r]] = [x[i], Math.floor(i / M) % A];
  }
  return { y, at };
}

const bench = [
  { N: 16, A: 8, M: 512 },
  { N: 1232, A: 1000, M: 1 },
  { N: 1, A: 1 << 20, M: 1 },
];
const sizes = { A: [1, 2, 3, 5, 8, 13, 33, 67, 130, 300, 1025] };

/** Most of them equal to others. */
const ties = (random: () => number, _: unknown, n: number) =>
  Array.from({ length: n }, () => Math.floor(4 * random()) - 2);

function bestOf(extreme: Extreme) {
  const about = `y_nm = ${extreme.name}_a x_nam`;
  return op({
    name: extreme.name,
    about: `${about}; the gradient goes to the first of equals`,
    sig: "x_NAM -> y_NM",
    storage: anyType,
    derive: runsOf,
    ways: foldWays({ about, ...search(extreme), writes: { y: "T(state.best)", "at:u32": "state.place" } }, [
      slopePass("dx_nam = dy_nm where a = at_nm, else 0", ["dy", "at:u32"], "select(0.0, dy, at == a)"),
    ]),
    way: searchWay,
    ref: ({ x }, dims) => ({ y: best64(extreme, x, dims).y }),
    flops: ({ N, A, M }) => N * A * M,
    bench,
    test: { sizes },
  });
}

function placeOf(extreme: Extreme) {
  const about = `y_nm = the first a where x_nam is ${extreme.name}_a x_nam`;
  return op({
    name: `arg${extreme.name}`,
    about: `${about}; it has no gradient`,
    sig: "x_NAM -> y_NM:u32",
    storage: anyType,
    derive: runsOf,
    ways: foldWays({ about, ...search(extreme), writes: { "y:u32": "state.place" } }),
    way: searchWay,
    ref: ({ x }, dims) => ({ y: best64(extreme, x, dims).at }),
    flops: ({ N, A, M }) => N * A * M,
    bench,
    test: { sizes, draw: { x: ties } },
  });
}

const largest: Extreme = { name: "max", symbol: ">", worst: -Infinity };
const smallest: Extreme = { name: "min", symbol: "<", worst: Infinity };

const maxOver = bestOf(largest);
const minOver = bestOf(smallest);
const argmaxOver = placeOf(largest);
const argminOver = placeOf(smallest);

/**
 * Largest element over one axis or several, or of everything; NaN where there is one. Its gradient goes to the first of equals
 * (PyTorch's amax shares it among them, its max gives it to one). Whole numbers have no gradient.
 */
export function amax<D extends Dtype>(x: Tensor<D>, axis?: Axes, keepdim = false): Tensor<D> {
  takes("amax(x: tensor, axis?: whole | whole[], keepdim?: flag)", arguments);
  return reduceOver(maxOver as Over<D, D>, x, axis, keepdim, "amax", true);
}

/** Smallest element over one axis or several, or of everything; NaN and the gradient as `amax`. */
export function amin<D extends Dtype>(x: Tensor<D>, axis?: Axes, keepdim = false): Tensor<D> {
  takes("amin(x: tensor, axis?: whole | whole[], keepdim?: flag)", arguments);
  return reduceOver(minOver as Over<D, D>, x, axis, keepdim, "amin", true);
}

/**
 * Place of the largest element along an axis, or in all of x as if it were flat, as u32: the first of equals, and the first NaN
 * before every number. It has no gradient.
 */
export function argmax(x: Tensor<Dtype>, axis?: number, keepdim = false): Tensor<"u32"> {
  takes("argmax(x: tensor, axis?: whole, keepdim?: flag)", arguments);
  return reduceOver(argmaxOver, x, axis, keepdim, "argmax");
}

/** Place of the smallest element, as `argmax`. */
export function argmin(x: Tensor<Dtype>, axis?: number, keepdim = false): Tensor<"u32"> {
  takes("argmin(x: tensor, axis?: whole, keepdim?: flag)", arguments);
  return reduceOver(argminOver, x, axis, keepdim, "argmin");
}
