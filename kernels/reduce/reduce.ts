// Sums and means over axes, and their mirror: a tensor repeated along a new axis.
import { ShapeError } from "../../engine/errors.ts";
import { type Pass, pass, passOf } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { anyType, type Dtype, isWholeType, type Sizes } from "../../engine/declare/signature.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { around, type Axes } from "../lib/axes.ts";
import { lanesGrid, subgroupGrid } from "../lib/flat.ts";
import { partsFor } from "../lib/panels.ts";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import { wholeTotal } from "../fold/total.ts";
import chunks from "./chunks.wgsl";
import chunks4 from "./chunks4.wgsl";
import columns from "./columns.wgsl";
import columns4 from "./columns4.wgsl";
import final from "./final.wgsl";
import chunkColumns from "./chunk-columns.wgsl";
import { type Over, reduceOver } from "./over.ts";
import sumRows from "./rows.wgsl";
import sumRows4 from "./rows4.wgsl";
import spread from "./spread.wgsl";
import spread4 from "./spread4.wgsl";

type Factor = (dims: Sizes) => { factor: number };

/** y_NM = factor · Σ_a x_NAM in one launch, under the names the op has for x and y. */
function sumPass(x: string, y: string, uniforms: Factor): Pass {
  const rename = { x, y };
  const isRows = ({ M }: Sizes) => M === 1;
  const name = ({ A, M }: Sizes) => (M === 1 ? (A % 4 === 0 ? "rows4" : "rows") : M % 4 === 0 ? "columns4" : "columns");
  return passOf(
    `${x}_NAM -> ${y}_NM`,
    {
      rows: {
        source: [panels, rows, sumRows],
        grid: ({ N }, consts) => subgroupGrid(N, consts),
        available: (_, dims) => isRows(dims),
        uniforms,
        rename,
      },
      rows4: {
        source: [panels, rows, sumRows4],
        grid: ({ N }, consts) => subgroupGrid(N, consts),
        available: (_, dims) => name(dims) === "rows4",
        uniforms,
        rename,
      },
      columns: { source: [panels, columns], grid: ({ N, M }, consts) => lanesGrid(N * M, consts), uniforms, rename },
      columns4: {
        source: [panels, columns4],
        grid: ({ N, M }, consts) => lanesGrid(N * (M / 4), consts),
        available: (_, { M }) => M % 4 === 0,
        uniforms,
        rename,
      },
    },
    name,
  );
}

const isRowsOf4 = ({ A, M }: Sizes): boolean => M === 1 && A % 4 === 0;

/** The same in two launches, for many terms: lanes of a subgroup along a where few places share them, or along m. */
function chunkedSum(x: string, y: string, uniforms: Factor): Pass[] {
  return [
    passOf(
      `${x}_NAM -> part_CNM:f32`,
      {
        along: {
          source: [panels, rows, chunks],
          grid: ({ C, N, M }, consts) => subgroupGrid(C * N * M, consts),
          rename: { x },
        },
        along4: {
          source: [panels, rows, chunks4],
          grid: ({ C, N }, consts) => subgroupGrid(C * N, consts),
          available: (_, dims) => isRowsOf4(dims),
          rename: { x },
        },
        across: {
          source: [panels, chunkColumns],
          grid: ({ C, N, M }, consts) => lanesGrid(C * N * M, consts),
          rename: { x },
        },
      },
      (dims) => (isRowsOf4(dims) ? "along4" : dims.M < 8 ? "along" : "across"),
      "chunks",
    ),
    pass(`part_CNM:f32 -> ${y}_NM`, [panels, final], ({ N, M }, consts) => lanesGrid(N * M, consts), {
      rename: { y },
      uniforms: (dims) => ({ R: dims.N * dims.M, ...uniforms(dims) }),
    }),
  ];
}

/** y_NAM = factor · x_NM for every a. */
function spreadPass(x: string, y: string, uniforms: Factor): Pass {
  const rename = { x, y };
  return passOf(
    `${x}_NM -> ${y}_NAM`,
    {
      any: { source: spread, grid: ({ N, A, M }, consts) => lanesGrid(N * A * M, consts), uniforms, rename },
      vec4: {
        source: spread4,
        grid: ({ N, M }, consts) => lanesGrid(N * (M / 4), consts),
        available: (_, { M }) => M % 4 === 0,
        uniforms,
        rename,
      },
    },
    ({ M }) => (M % 4 === 0 ? "vec4" : "any"),
  );
}

/** Chunks of the two-launch sum. */
const chunksOf = ({ A }: { A: number }) => ({ C: partsFor(A, 64, 256) });

/** In chunks where few places have many terms each, and where one launch would add too many in a row. */
const wayOf = ({ N, A, M }: Sizes) => (A >= 1024 && (N * M <= 64 || A > 8192) ? "chunked" : "once");

function reduction(name: string, about: string, factor: (A: number) => number) {
  const uniforms: Factor = ({ A }) => ({ factor: factor(A) });
  const backward = [spreadPass("dy", "dx", uniforms)];
  return op({
    name,
    about,
    sig: "x_NAM -> y_NM",
    derive: chunksOf,
    ways: {
      once: { forward: [sumPass("x", "y", uniforms)], backward },
      chunked: { forward: chunkedSum("x", "y", uniforms), backward },
    },
    way: wayOf,
    ref({ x }, { N, A, M }) {
      const y = new Float64Array(N * M);
      for (let i = 0; i < N * A * M; i++) y[Math.floor(i / (A * M)) * M + (i % M)] += factor(A) * x[i];
      return { y };
    },
    flops: ({ N, A, M }) => N * A * M,
    bench: [
      { N: 16, A: 8, M: 512 },
      { N: 1, A: 1 << 20, M: 1 },
    ],
    test: { sizes: { A: [1, 2, 3, 4, 5, 8, 13, 33, 65, 67, 130, 300, 1025, 1028] } }, // chunks are 64 long, stretches 256
  });
}

const sumOver = reduction("sum", "y_nm = Σ_a x_nam", () => 1);
const wholeSum = wholeTotal(
  "sumWhole",
  "y_nm = Σ_a x_nam modulo 2³², of whole numbers",
  "p + q",
  (p, q) => (p + q) | 0,
);
const meanOver = reduction("mean", "y_nm = 1/A · Σ_a x_nam", (A) => 1 / A);

const unscaled: Factor = () => ({ factor: 1 });
const repeated = [spreadPass("x", "y", unscaled)];

const repeat = op({
  name: "repeat",
  about: "y_nam = x_nm for every a",
  sig: "x_NM -> y_NAM",
  storage: anyType,
  attrs: { times: 50 },
  takes: { times: "size" },
  derive: (_, { times }) => ({ A: times, ...chunksOf({ A: times }) }),
  ways: {
    once: { forward: repeated, backward: [sumPass("dy", "dx", unscaled)] },
    chunked: { forward: repeated, backward: chunkedSum("dy", "dx", unscaled) },
  },
  way: wayOf,
  ref: ({ x }, { N, A, M }) => ({
    y: Float64Array.from({ length: N * A * M }, (_, i) => x[Math.floor(i / (A * M)) * M + (i % M)]),
  }),
  flops: () => 0,
  bench: [{ N: 128, M: 768 }],
  test: { attrs: [{ times: 1 }, { times: 2 }, { times: 5 }, { times: 33 }] },
});

/** Sum over one axis or several, or of everything; of whole numbers modulo 2³². */
export function sum<D extends Dtype>(x: Tensor<D>, axis?: Axes, keepdim = false): Tensor<D> {
  takes("sum(x: tensor, axis?: whole | whole[], keepdim?: flag)", arguments);
  return isWholeType(x.dtype)
    ? reduceOver(wholeSum as Over<D, D>, x, axis, keepdim, "sum", true)
    : reduceOver(sumOver as unknown as Over<D, D>, x, axis, keepdim, "sum");
}

/** Mean over one axis (frames of a clip: axis 1 of x_BTE) or several, or of everything. */
export function mean(x: Tensor, axis?: Axes, keepdim = false): Tensor {
  takes("mean(x: tensor, axis?: whole | whole[], keepdim?: flag)", arguments);
  return reduceOver(meanOver, x, axis, keepdim, "mean");
}

/** x written out in a shape that it broadcasts to (NumPy's rules); x itself if it has that shape. */
export function expandTo<D extends Dtype>(x: Tensor<D>, shape: readonly number[]): Tensor<D> {
  takes("expandTo(x: tensor, shape: shape)", arguments);
  let y = x.reshape([...Array<number>(Math.max(shape.length - x.shape.length, 0)).fill(1), ...x.shape]);
  for (const [axis, size] of shape.entries()) {
    if (y.shape[axis] === size) continue;
    if (y.shape[axis] !== 1) throw new ShapeError(`expandTo: [${x.shape}] does not broadcast to [${shape}]`);
    const [N, , M] = around(y.shape, axis);
    const full = y.shape.map((old, i) => (i === axis ? size : old));
    y = repeat(y.reshape([N, M]), { times: size }).reshape(full);
  }
  if (y.shape.length !== shape.length) throw new ShapeError(`expandTo: [${x.shape}] does not broadcast to [${shape}]`);
  return y;
}
