// Places of an axis chosen by number, the same for all that lies around it.
import { counted, pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import { anyType, type Dtype, type Sizes } from "../../engine/declare/signature.ts";
import { tensor } from "../../engine/device/params.ts";
import { ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/record/op.ts";
import { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { compared, digits, many, sorted } from "../embedding/sort.ts";
import { flatGrid, lanesGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import levels from "../lib/levels.wgsl";
import missing from "../lib/missing.wgsl";
import panels from "../lib/panels.wgsl";
import zero from "../lib/zero.wgsl";
import { around, axisOf } from "../lib/axes.ts";
import { rowsPass } from "../shape/by-rows.ts";
import dxText from "./dx.wgsl";
import forward from "./forward.wgsl";

/** Bytes of the chosen places, read, perhaps changed, and written: the others are not touched. */
const moved =
  (times: number) =>
  ({ B, N, D }: Sizes) => ({ bytes: 4 * N * (times * B * D + 1) });

const chosen = [
  counted(
    rowsPass("x_BVD ids_N:u32 -> y_BND", {
      text: missing + forward,
      of: ({ B, N, D }) => ({ count: B * N, row: D, unit: D }),
      uniforms: ({ N, V }) => ({ chosen: N, V }),
      rename: {},
    }),
    moved(2),
  ),
];

const cleared = pass("-> dx_BVD", [flat, zero], ({ B, V, D }, consts) => flatGrid(B * V * D, consts), {
  label: "clear",
  rename: { y: "dx" },
  uniforms: ({ B, V, D }) => ({ count: B * V * D }),
});

/** An invocation per element, or per vec4 where rows are of whole ones. */
const adding = (step: 1 | 4): Variant => ({
  source: [
    `alias Element = ${step === 4 ? "vec4<T>" : "T"};\nalias SUM = ${step === 4 ? "vec4f" : "f32"};`,
    panels,
    levels,
    dxText,
  ],
  grid: ({ B, N, D }, consts) => lanesGrid((B * N * D) / step, consts),
  uniforms: ({ D }) => ({ inner: D / step }),
  available: (_, { D }) => D % step === 0,
});

const added = counted(
  passOf("ids_N:u32 order_N:u32 dy_BND dx_BVD -> dx_BVD", { any: adding(1), vec4: adding(4) }, ({ D }) =>
    D % 4 === 0 ? "vec4" : "any",
  ),
  moved(3),
);

const selected = op({
  name: "indexSelect",
  about: "y[b, n, d] = x[b, ids_n, d]; NaN, of integers 0, for an id beyond the axis",
  sig: "x_BVD ids_N:u32 -> y_BND",
  storage: anyType,
  derive: digits,
  chooses: { ids: { along: "V", called: "place along the axis" } },
  ways: {
    compared: { forward: chosen, backward: [cleared, ...compared, added] },
    sorted: { forward: chosen, backward: [cleared, ...sorted, added] },
  },
  way: ({ N }) => (N < many ? "compared" : "sorted"),
  ref({ x, ids }, { B, V, N, D }) {
    const y = new Float64Array(B * N * D);
    for (let i = 0; i < y.length; i++) {
      const row = Math.floor(i / D);
      const id = ids[row % N];
      y[i] = id < V ? x[(Math.floor(row / N) * V + id) * D + (i % D)] : Number.NaN;
    }
    return { y };
  },
  flops: () => 0,
  bench: [
    { B: 1, V: 50_000, N: 8192, D: 256 },
    { B: 128, V: 77, N: 16, D: 512 },
  ],
  // One id in eight lies beyond the axis.
  test: {
    sizes: { B: [1, 2, 3], V: [1, 2, 7, 33], N: [1, 2, 3, 7, 33, 132, 700], D: [1, 2, 3, 4, 8, 33] },
    draw: { ids: (random, { V }, n) => Array.from({ length: n }, () => Math.floor((random() * 8 * (V + 1)) / 7)) },
  },
});

/**
 * The places `ids` of an axis, in their order and as often as they stand there (PyTorch's index_select): y[.., n, ..] = x[.., ids[n], ..].
 * `ids` is a tensor of u32 with one axis, or numbers. An id beyond the axis is a ShapeError where it comes from the host; a computed one
 * gives NaN, of integers 0. The gradient adds in a fixed order: the same bits in every run.
 */
export function indexSelect<D extends Dtype>(
  x: Tensor<D>,
  axis: number,
  ids: Tensor<"u32"> | ArrayLike<number>,
): Tensor<D> {
  takes("indexSelect(x: tensor, axis: whole, ids: tensor | numbers)", arguments);
  const at = axisOf(x, axis, "indexSelect");
  const numbers = ids instanceof Tensor ? ids : tensor(ids, [ids.length], "u32");
  if (numbers.shape.length !== 1)
    throw new ShapeError(
      `indexSelect: ids are [${numbers.shape}]; expected one axis; gather takes ids for every element`,
    );
  return selected(x.reshape(around(x.shape, at)), numbers).reshape(x.shape.with(at, numbers.numel));
}
