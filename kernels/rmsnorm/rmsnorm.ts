// Normalisation by the root mean square over the last axis; statistics in f32, gain always f32.
import { ceilDiv, type Pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { columnSum } from "../lib/colsum.ts";
import { fours, inQuads, single } from "../lib/elements.ts";
import { subgroupGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import { partsFor } from "../lib/panels.ts";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import dx from "./dx.wgsl";
import forward from "./forward.wgsl";
import sums from "./sums.wgsl";

/** One text for widths that 4 divides and for others. */
const either = (sig: string, text: string, grid: (columns: 1 | 4) => Variant["grid"], label = ""): Pass =>
  passOf(
    sig,
    {
      quads: { source: [fours, panels, levels, rows, text], grid: grid(4), available: inQuads },
      ragged: { source: [single, panels, levels, rows, text], grid: grid(1) },
    },
    ({ D }) => (D % 4 ? "ragged" : "quads"),
    label,
  );

const perRow =
  (): Variant["grid"] =>
  ({ N }, consts) =>
    subgroupGrid(N, consts);
const perChunk =
  (columns: 1 | 4): Variant["grid"] =>
  ({ D, R }, { WG }) => [ceilDiv(D / columns, WG), R, 1];

/** y = gain · x/√(⟨x²⟩ + eps) over the last axis (PyTorch's rms_norm): x_ND, gain_D:f32 -> y_ND; eps is that of f32 unless given. */
export const rmsnorm = op({
  name: "rmsnorm",
  about: "y = gain · x/√(⟨x²⟩ + eps), ⟨⟩ the mean over the last axis (Zhang & Sennrich 2019)",
  sig: "x_ND gain_D:f32 -> y_ND",
  attrs: { eps: 2 ** -23 },
  takes: { eps: "amount" },
  /** R chunks of at most 256 rows for the sums over rows. */
  derive: ({ N }) => ({ R: Math.max(partsFor(N, 8), ceilDiv(N, 256)) }),
  forward: [either("x_ND gain_D:f32 -> y_ND rstd_N:f32", forward, perRow)],
  backward: [
    either("dy_ND x_ND gain_D:f32 rstd_N:f32 -> dx_ND", dx, perRow, "dx"),
    either("dy_ND x_ND rstd_N:f32 -> gainPart_RD:f32", sums, perChunk, "sums"),
    columnSum("gainPart_RD:f32 -> dgain_D:f32", ({ D, R }: Sizes) => ({ rows: R, width: D, parts: 1 })),
  ],
  ref({ x, gain }, { N, D }, { eps }) {
    const y = new Float64Array(N * D);
    for (let n = 0; n < N; n++) {
      const row = x.subarray(n * D, n * D + D);
      const root = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / D + eps);
      for (let d = 0; d < D; d++) y[n * D + d] = (gain[d] * row[d]) / root;
    }
    return { y };
  },
  flops: ({ N, D }) => 5 * N * D,
  bench: [
    { N: 16 * 8 * 51, D: 768 }, // one layer of the frame encoder, 16 clips
    { N: 16 * 77, D: 512 }, // one layer of the text encoder
  ],
  test: { attrs: [{}, { eps: 0.1 }] },
});
