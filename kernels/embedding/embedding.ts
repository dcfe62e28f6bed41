// Rows chosen by number: embeddings of token ids, and one token of every text.
import { counted, pass, passOf } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { anyType, type Sizes } from "../../engine/declare/signature.ts";
import { flatGrid, lanesGrid, planeGrid, subgroupGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import levels from "../lib/levels.wgsl";
import missing from "../lib/missing.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import zero from "../lib/zero.wgsl";
import dtable from "./dtable.wgsl";
import dtable4 from "./dtable4.wgsl";
import forward from "./forward.wgsl";
import forward4 from "./forward4.wgsl";
import row from "./row.wgsl";
import rowDx from "./row-dx.wgsl";
import rowDx4 from "./row-dx4.wgsl";
import { compared, digits, many, sorted } from "./sort.ts";

const inVec4s = ({ D }: Sizes): boolean => D % 4 === 0;
const byWidth = (dims: Sizes): string => (inVec4s(dims) ? "vec4" : "any");
const available = (_: unknown, dims: Sizes): boolean => inVec4s(dims);

/** Bytes of N rows of D numbers that are read, perhaps changed, and written: a table counts only by these. */
const rowsMoved =
  (times: number) =>
  ({ N, D }: Sizes) => ({ bytes: 4 * N * (times * D + 1) });

const looked = [
  counted(
    passOf(
      "table_VD ids_N:u32 -> y_ND",
      {
        any: { source: [flat, missing, forward], grid: ({ N, D }, consts) => planeGrid(D, N, consts) },
        vec4: {
          source: [flat, missing, forward4],
          grid: ({ N, D }, consts) => planeGrid(D / 4, N, consts),
          available,
        },
      },
      byWidth,
    ),
    rowsMoved(2),
  ),
];

const cleared = pass("-> dtable_VD", [flat, zero], ({ V, D }, consts) => flatGrid(V * D, consts), {
  label: "clear",
  rename: { y: "dtable" },
  uniforms: ({ V, D }) => ({ count: V * D }),
});

/** The first of every run of equal ids owns a row of the table. */
const added = counted(
  passOf(
    "ids_N:u32 order_N:u32 dy_ND dtable_VD -> dtable_VD",
    {
      any: {
        source: [panels, levels, rows, dtable],
        grid: ({ N, D }, consts) => subgroupGrid(N * Math.ceil(D / consts.SG), consts),
      },
      vec4: {
        source: [panels, levels, rows, dtable4],
        grid: ({ N, D }, consts) => subgroupGrid(N * Math.ceil(D / 4 / consts.SG), consts),
        available,
      },
    },
    byWidth,
    "dtable",
  ),
  rowsMoved(3),
);

/**
 * table_VD ids_N:u32 -> y_ND. The gradient of the table is dense and deterministic: ids are sorted on the device, the
 * first of every run of equal ids owns the row and adds the run in order.
 */
export const embedding = op({
  name: "embedding",
  about: "y_n = table[ids_n]: embeddings of token ids; NaN, of integers 0, for an id beyond the table",
  sig: "table_VD ids_N:u32 -> y_ND",
  storage: anyType,
  derive: digits,
  chooses: { ids: { along: "V", called: "row of the table" } },
  ways: {
    compared: { forward: looked, backward: [cleared, ...compared, added] },
    sorted: { forward: looked, backward: [cleared, ...sorted, added] },
  },
  way: ({ N }) => (N < many ? "compared" : "sorted"),
  ref({ table, ids }, { V, N, D }) {
    const y = new Float64Array(N * D);
    for (let n = 0; n < N; n++)
      for (let d = 0; d < D; d++) y[n * D + d] = ids[n] < V ? table[ids[n] * D + d] : Number.NaN;
    return { y };
  },
  flops: () => 0,
  bench: [{ V: 49408, N: 16 * 77, D: 512 }],
  // One id in eight lies beyond the table.
  test: {
    sizes: { N: [1, 2, 3, 7, 33, 132, 700, 1500] }, // beyond 512 the sort has several blocks
    draw: { ids: (random, { V }, n) => Array.from({ length: n }, () => Math.floor((random() * 8 * (V + 1)) / 7)) },
  },
});

/** x_NLD index_N:u32 -> y_ND: the token of every text that stands for it (its end token). */
export const rowGather = op({
  name: "rowGather",
  about: "y_n = x[n, index_n]: one token of every sequence; NaN, of integers 0, for an index beyond",
  sig: "x_NLD index_N:u32 -> y_ND",
  storage: anyType,
  chooses: { index: { along: "L", called: "token" } },
  forward: [
    counted(
      pass("x_NLD index_N:u32 -> y_ND", [missing, row], ({ N, D }, consts) => lanesGrid(N * D, consts)),
      rowsMoved(2),
    ),
  ],
  backward: [
    passOf(
      "dy_ND index_N:u32 -> dx_NLD",
      {
        any: { source: [flat, rowDx], grid: ({ N, L, D }, consts) => planeGrid(L * D, N, consts) },
        vec4: { source: [flat, rowDx4], grid: ({ N, L, D }, consts) => planeGrid((L * D) / 4, N, consts), available },
      },
      byWidth,
    ),
  ],
  ref({ x, index }, { N, L, D }) {
    const y = new Float64Array(N * D);
    for (let n = 0; n < N; n++)
      for (let d = 0; d < D; d++) y[n * D + d] = index[n] < L ? x[(n * L + index[n]) * D + d] : Number.NaN;
    return { y };
  },
  flops: () => 0,
  bench: [{ N: 16, L: 77, D: 512 }],
  test: { draw: { index: (random, { L }, n) => Array.from({ length: n }, () => Math.floor(random() * (L + 1))) } },
});
