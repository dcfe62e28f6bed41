// Elements chosen by number along an axis, and their mirror: elements added where their numbers say. The ops know
// [N, A, M]; wrappers bring every rank there by reshaping. Numbers are u32.
import { ShapeError } from "../../engine/errors.ts";
import { type Pass, pass } from "../../engine/declare/pass.ts";
import { anyType, type Dtype, type Sizes } from "../../engine/declare/signature.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { add } from "../broadcast.ts";
import { lanesGrid } from "../lib/flat.ts";
import missing from "../lib/missing.wgsl";
import panels from "../lib/panels.wgsl";
import { around, axisOf } from "../lib/axes.ts";
import gatherText from "./gather.wgsl";
import scatterText from "./scatter.wgsl";

/** Ids beyond the axis give NaN, of integers 0, or 0 where `zeros` is 1. */
const gatherPass = (x: string, y: string, zeros: 0 | 1): Pass =>
  pass(
    `${x}_NAM ids_NCM:u32 -> ${y}_NCM`,
    [missing, gatherText],
    ({ N, C, M }, consts) => lanesGrid(N * C * M, consts),
    { rename: { x, y }, uniforms: () => ({ zeros }) },
  );

const scatterPass = (src: string, y: string): Pass =>
  pass(
    `ids_NCM:u32 ${src}_NCM -> ${y}_NAM`,
    [panels, scatterText],
    ({ N, A, M }, consts) => lanesGrid(N * A * M, consts),
    { rename: { src, y } },
  );

/** Ids that come from the host are refused by name. */
const chooses = { ids: { along: "A", called: "place along the axis" } };

/** The place in [N, A, M] that element i of [N, C, M] names; −1 beyond the axis. */
const placeOf = (ids: Float64Array, i: number, { A, C, M }: Sizes): number =>
  ids[i] < A ? Math.floor(i / (C * M)) * A * M + ids[i] * M + (i % M) : -1;

const sizes = { N: [1, 2, 3], A: [1, 3, 8, 33], C: [1, 2, 5, 40, 300], M: [1, 2, 5, 8] };
/** One id in nine lies beyond the axis. */
const ids = (random: () => number, { A = 1 }: Sizes, n: number) =>
  Array.from({ length: n }, (_, i) => (i % 9 === 8 ? A : Math.floor(random() * A)));

const gathered = op({
  name: "gather",
  about: "y_ncm = x_nam with a = ids_ncm; NaN, of integers 0, where an id is beyond the axis",
  sig: "x_NAM ids_NCM:u32 -> y_NCM",
  storage: anyType,
  chooses,
  forward: [gatherPass("x", "y", 0)],
  backward: [scatterPass("dy", "dx")],
  ref: ({ x, ids }, dims) => ({
    y: Float64Array.from(ids, (_, i) => x[placeOf(ids, i, dims)] ?? Number.NaN),
  }),
  flops: () => 0,
  bench: [{ N: 128, A: 77, C: 16, M: 512 }],
  test: { sizes, draw: { ids } },
});

const scattered = op({
  name: "scatter",
  about: "y_nam = Σ_c src_ncm where ids_ncm = a; computed ids beyond the axis add nothing",
  sig: "ids_NCM:u32 src_NCM -> y_NAM",
  chooses,
  attrs: { size: 8 },
  takes: { size: "size" },
  derive: (_, { size }) => ({ A: size }),
  forward: [scatterPass("src", "y")],
  backward: [gatherPass("dy", "dsrc", 1)],
  ref({ ids, src }, { N, A, C, M }) {
    const y = new Float64Array(N * A * M);
    for (let i = 0; i < ids.length; i++) {
      const at = placeOf(ids, i, { A, C, M });
      if (at >= 0) y[at] += src[i];
    }
    return { y };
  },
  flops: ({ N, A, C, M }) => N * A * C * M,
  bench: [{ N: 128, C: 77, M: 512 }],
  test: {
    sizes: { N: sizes.N, C: sizes.C, M: sizes.M },
    attrs: [{}, { size: 1 }, { size: 33 }],
    draw: { ids: (random, _, n) => Array.from({ length: n }, () => Math.floor(9 * random() ** 2)) }, // some beyond the axis
  },
});

/** The axis along which the numbers choose; x and ids agree in all others. */
function matched(x: Tensor<Dtype>, ids: Tensor<"u32">, axis: number, what: string): number {
  const at = axisOf(x, axis, what);
  if (ids.shape.length !== x.shape.length || x.shape.some((size, i) => i !== at && size !== ids.shape[i]))
    throw new ShapeError(`${what}: x is [${x.shape}] and the ids [${ids.shape}]; they may differ in axis ${at} only`);
  return at;
}

/**
 * y[.., c, ..] = x[.., ids[.., c, ..], ..] along `axis` (PyTorch's gather): x and ids:u32 have the same shape beside it. An id
 * beyond the axis is a ShapeError where it comes from the host, and gives NaN (of integers 0) where it was computed. Its gradient is a scatterAdd.
 */
export function gather<D extends Dtype>(x: Tensor<D>, axis: number, ids: Tensor<"u32">): Tensor<D> {
  takes("gather(x: tensor, axis: whole, ids: tensor)", arguments);
  const at = matched(x, ids, axis, "gather");
  return gathered(x.reshape(around(x.shape, at)), ids.reshape(around(ids.shape, at))).reshape(ids.shape);
}

/**
 * x with every element of src added at its number along `axis` (PyTorch's scatter_add): ids:u32 and src have one shape, which agrees
 * with x's beside the axis. An id beyond the axis is a ShapeError where it comes from the host; a computed one adds nothing. In a fixed order: the same bits in every run.
 */
export function scatterAdd(x: Tensor, axis: number, ids: Tensor<"u32">, src: Tensor): Tensor {
  takes("scatterAdd(x: tensor, axis: whole, ids: tensor, src: tensor)", arguments);
  const at = matched(x, ids, axis, "scatterAdd");
  if (`${ids.shape}` !== `${src.shape}`)
    throw new ShapeError(`scatterAdd: ids are [${ids.shape}], but src is [${src.shape}]`);
  const shape = around(ids.shape, at);
  return add(x, scattered(ids.reshape(shape), src.reshape(shape), { size: x.shape[at] }).reshape(x.shape));
}
