// Layer normalisation over the last axis; statistics in f32, gain and bias always f32.
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import { ceilDiv, pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { fours, inQuads, single } from "../lib/elements.ts";
import { partsFor } from "../lib/panels.ts";
import levels from "../lib/levels.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import dx from "./dx.wgsl";
import dxLong from "./dx-long.wgsl";
import forward from "./forward.wgsl";
import forwardLong from "./forward-long.wgsl";
import sums from "./sums.wgsl";
import sumsRagged from "./sums-ragged.wgsl";
import total from "./total.wgsl";

/** Subgroups take ROWS rows each (1 where the kernel does not say). */
const perRows: Variant["grid"] = ({ N }, { WG, SG, ROWS = 1 }) => ceilDiv(ceilDiv(N, ROWS), WG / SG);

/** Columns that lanes add in one chain each. */
const longest = 8192;

/** Few fat subgroups where loads are the cost, many thin ones where there are lanes to fill. */
const rowVariants = (quad: string, long: string): Record<string, Variant> => ({
  shared: { source: [rows, quad], grid: perRows, available: inQuads },
  single: { source: [rows, quad], grid: perRows, constants: { ROWS: 1 }, available: inQuads },
  long: { source: [fours, panels, levels, rows, long], grid: perRows, available: inQuads },
  ragged: { source: [single, panels, levels, rows, long], grid: perRows },
});
const pickRows = ({ D }: Sizes, { software }: DeviceFacts) =>
  D % 4 ? "ragged" : D > longest ? "long" : software ? "shared" : "single";

/** y = gain · (x − μ)/√(σ² + eps) + bias over the last axis: x_ND, gain_D, bias_D -> y_ND. */
export const layernorm = op({
  name: "layernorm",
  about: "y = gain · (x − μ)/√(σ² + eps) + bias over the last axis (Ba, Kiros & Hinton 2016)",
  sig: "x_ND gain_D:f32 bias_D:f32 -> y_ND",
  attrs: { eps: 1e-5 },
  takes: { eps: "amount" },
  /** R chunks of at most 256 rows for the sums over rows. */
  derive: ({ N }) => ({ R: Math.max(partsFor(N, 8), ceilDiv(N, 256)) }),

  forward: [
    passOf("x_ND gain_D:f32 bias_D:f32 -> y_ND mean_N:f32 rstd_N:f32", rowVariants(forward, forwardLong), pickRows),
  ],
  backward: [
    passOf("dy_ND x_ND gain_D:f32 mean_N:f32 rstd_N:f32 -> dx_ND", rowVariants(dx, dxLong), pickRows, "dx"),
    passOf(
      "dy_ND x_ND mean_N:f32 rstd_N:f32 -> gainPart_RD:f32 biasPart_RD:f32",
      {
        quad: {
          source: [panels, sums],
          grid: ({ D, R }, { WG }) => [ceilDiv(D / 4, WG), R, 1],
          available: (_, { D }) => D % 4 === 0,
        },
        ragged: { source: [panels, sumsRagged], grid: ({ D, R }, { WG }) => [ceilDiv(D, WG), R, 1] },
      },
      ({ D }) => (D % 4 ? "ragged" : "quad"),
      "sums",
    ),
    pass("gainPart_RD:f32 biasPart_RD:f32 -> dgain_D:f32 dbias_D:f32", [panels, levels, total], ({ D }, { WG }) =>
      ceilDiv(D, WG),
    ),
  ],

  ref({ x, gain, bias }, { N, D }, { eps }) {
    const y = new Float64Array(N * D);
    for (let n = 0; n < N; n++) {
      const row = x.subarray(n * D, n * D + D);
      const mu = row.reduce((s, v) => s + v, 0) / D;
      const sd = Math.sqrt(row.reduce((s, v) => s + (v - mu) ** 2, 0) / D + eps);
      for (let d = 0; d < D; d++) y[n * D + d] = (gain[d] * (row[d] - mu)) / sd + bias[d];
    }
    return { y };
  },
  flops: ({ N, D }) => 8 * N * D,
  bench: [
    { N: 16 * 8 * 51, D: 768 }, // one layer of the frame encoder, 16 clips
    { N: 16 * 77, D: 512 }, // one layer of the text encoder
  ],
  test: { attrs: [{}, { eps: 0.1 }] },
});
