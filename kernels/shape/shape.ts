// Ops that move elements and compute nothing: exchange of axes, pieces of an axis, tensors joined along an axis.
// The op knows [N, A, B, M] or [N, A, M]; wrappers bring every rank there by reshaping, which is free.
import { ShapeError } from "../../engine/errors.ts";
import { type Pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { anyType, type Dtype, type Sizes } from "../../engine/declare/signature.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { lanesGrid } from "../lib/flat.ts";
import { around, axisOf } from "../lib/axes.ts";
import { concat } from "./join.ts";
import swapText from "./swap.wgsl";
import swap4 from "./swap4.wgsl";
import transpose4 from "./transpose4.wgsl";
import { windowPass } from "./window.ts";

const numel = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1);
const inVec4s = ({ M }: Sizes): boolean => M % 4 === 0;

// ---- exchange of axes --------------------------------------------------------------------------------------------

const isTranspose = ({ A, B, M }: Sizes): boolean => M === 1 && A % 4 === 0 && B % 4 === 0;

/** y[n, q, p, m] = x[n, p, q, m]; P and Q are the op's A and B, or B and A for the gradient. */
function swapPass(sig: string, P: "A" | "B", Q: "A" | "B", rename: Record<string, string>): Pass {
  const over = (source: string, each: (dims: Sizes) => number): Variant => ({
    source,
    grid: (dims, consts) => lanesGrid(each(dims), consts),
    uniforms: (dims) => ({ P: dims[P], Q: dims[Q] }),
    rename,
  });
  return passOf(
    sig,
    {
      any: over(swapText, ({ N, A, B, M }) => N * A * B * M),
      rows: { ...over(swap4, ({ N, A, B, M }) => N * A * B * (M / 4)), available: (_, dims) => inVec4s(dims) },
      blocks: { ...over(transpose4, ({ N, A, B }) => (N * A * B) / 16), available: (_, dims) => isTranspose(dims) },
    },
    (dims) => (inVec4s(dims) ? "rows" : isTranspose(dims) ? "blocks" : "any"),
  );
}

const swap = op({
  name: "swapAxes",
  about: "y[n, b, a, m] = x[n, a, b, m]",
  sig: "x_NABM -> y_NBAM",
  storage: anyType,
  forward: [swapPass("x_NABM -> y_NBAM", "A", "B", {})],
  backward: [swapPass("dy_NBAM -> dx_NABM", "B", "A", { x: "dy", y: "dx" })],
  ref({ x }, { N, A, B, M }) {
    const y = new Float64Array(N * A * B * M);
    for (let n = 0; n < N; n++)
      for (let a = 0; a < A; a++)
        for (let b = 0; b < B; b++)
          for (let m = 0; m < M; m++) y[((n * B + b) * A + a) * M + m] = x[((n * A + a) * B + b) * M + m];
    return { y };
  },
  flops: () => 0,
  bench: [
    { N: 128, A: 51, B: 12, M: 64 },
    { N: 1, A: 768, B: 3072, M: 1 },
  ],
  test: { sizes: { N: [1, 2, 3], A: [1, 2, 4, 5, 8, 12], B: [1, 3, 4, 7, 8, 16], M: [1, 2, 4, 5, 8] } },
});

/**
 * Axes in another order: axis i of the result is axis order[i] of x. Every exchange of two neighbouring blocks of axes
 * is one launch; what models need (transposing, moving heads forward) is one.
 */
export function permute<D extends Dtype>(x: Tensor<D>, order: readonly number[]): Tensor<D> {
  takes("permute(x: tensor, order: whole[])", arguments);
  if ([...order].sort((a, b) => a - b).some((axis, i) => axis !== i) || order.length !== x.shape.length)
    throw new ShapeError(`permute: [${order}] is no order of the axes of [${x.shape}]`);
  const now = [...x.shape.keys()];
  let y = x;
  for (let i = 0; i < order.length; i++) {
    const from = now.indexOf(order[i]);
    if (from === i) continue;
    let count = 1; // axes that follow in both orders move together
    while (now[from + count] !== undefined && now[from + count] === order[i + count]) count++;
    const { shape } = y;
    const parts = [shape.slice(0, i), shape.slice(i, from), shape.slice(from, from + count), shape.slice(from + count)];
    const [before, passed, moved, after] = parts;
    y = swap(y.reshape(parts.map(numel))).reshape([...before, ...moved, ...passed, ...after]);
    now.splice(i, 0, ...now.splice(from, count));
  }
  return y;
}

/** Two axes exchanged; the last two unless said otherwise. */
export function transpose<D extends Dtype>(x: Tensor<D>, first = -2, second = -1): Tensor<D> {
  takes("transpose(x: tensor, first?: whole, second?: whole)", arguments);
  const order = [...x.shape.keys()];
  const [a, b] = [axisOf(x, first, "transpose"), axisOf(x, second, "transpose")];
  [order[a], order[b]] = [order[b], order[a]];
  return permute(x, order);
}

// ---- pieces of an axis -------------------------------------------------------------------------------------------

const cut = op({
  name: "slice",
  about: "y[n, c, m] = x[n, start + c, m], c < length",
  sig: "x_NAM -> y_NCM",
  storage: anyType,
  attrs: { start: 0, length: 1 },
  takes: { start: "place", length: "size" },
  derive({ A }, { start, length }) {
    if (!(Number.isInteger(start) && Number.isInteger(length) && start >= 0 && length >= 1 && start + length <= A))
      throw new ShapeError(`slice: ${length} from ${start} on does not fit an axis of ${A}`);
    return { C: length };
  },
  forward: [windowPass({ x: "x", y: "y" }, ["A", "C", "M"], (_, { start }) => Number(start))],
  backward: [windowPass({ x: "dy", y: "dx" }, ["C", "A", "M"], (_, { start }) => -start)],
  ref({ x }, { N, A, C, M }, { start }) {
    const y = new Float64Array(N * C * M);
    for (let n = 0; n < N; n++)
      for (let c = 0; c < C; c++) for (let m = 0; m < M; m++) y[(n * C + c) * M + m] = x[(n * A + start + c) * M + m];
    return { y };
  },
  flops: () => 0,
  bench: [{ N: 128, A: 51, M: 768 }],
  test: {
    sizes: { A: [5, 7, 8, 13, 17] },
    attrs: [{}, { start: 2, length: 3 }, { start: 4, length: 1 }],
  },
});

/** x[.., start : end, ..] along one axis; `end` is exclusive. */
export function slice<D extends Dtype>(x: Tensor<D>, start: number, end: number, axis = 0): Tensor<D> {
  takes("slice(x: tensor, start: whole, end: whole, axis?: whole)", arguments);
  const at = axisOf(x, axis, "slice");
  if (!(0 <= start && start < end && end <= x.shape[at]))
    throw new ShapeError(`slice: ${end - start} from ${start} on does not fit an axis of ${x.shape[at]}`);
  const y = cut(x.reshape(around(x.shape, at)), { start, length: end - start });
  return y.reshape(x.shape.map((size, i) => (i === at ? end - start : size)));
}

/** Token `at` of every sequence: x_NLD -> y_ND. The class token is the first. */
export function first<D extends Dtype>(x_NLD: Tensor<D>, at = 0): Tensor<D> {
  takes("first(x: tensor, at?: place)", arguments);
  if (x_NLD.shape.length < 2) throw new ShapeError(`first: [${x_NLD.shape}] has no tokens; expected x_NLD`);
  const axis = x_NLD.shape.length - 2;
  return slice(x_NLD, at, at + 1, axis).reshape(x_NLD.shape.filter((_, i) => i !== axis));
}

/** One more token at the end of every sequence: z_NLD h_ND -> x_NMD, M = L + 1. */
export function appendToken<D extends Dtype>(z_NLD: Tensor<D>, h_ND: Tensor<D>): Tensor<D> {
  takes("appendToken(z: tensor, h: tensor)", arguments);
  if (h_ND.shape.length === 0) throw new ShapeError("appendToken: h is a scalar; expected h_ND");
  return concat([z_NLD, h_ND.reshape([...h_ND.shape.slice(0, -1), 1, h_ND.shape.at(-1)!])], -2);
}
