// Rows of unit length.
import { ceilDiv, pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import dx from "./dx.wgsl";
import forward from "./forward.wgsl";

const perRow = ({ N }: { N: number }, { WG, SG }: Readonly<Record<string, number>>) => ceilDiv(N, WG / SG);

/** y = x / max(‖x‖₂, floor) over the last axis: x_ND -> y_ND. */
export const normalize = op({
  name: "normalize",
  about: "y = x / max(‖x‖₂, floor) over the last axis",
  sig: "x_ND -> y_ND",
  attrs: { floor: 1e-12 },
  takes: { floor: "amount" },
  forward: [pass("x_ND -> y_ND norm_N:f32", [numbers, panels, levels, rows, forward], perRow)],
  backward: [pass("dy_ND x_ND norm_N:f32 -> dx_ND", [numbers, panels, levels, rows, dx], perRow)],
  ref({ x }, { N, D }, { floor }) {
    const y = new Float64Array(N * D);
    for (let n = 0; n < N; n++) {
      const row = x.subarray(n * D, n * D + D);
      const norm = Math.max(Math.sqrt(row.reduce((s, v) => s + v * v, 0)), floor);
      for (let d = 0; d < D; d++) y[n * D + d] = row[d] / norm;
    }
    return { y };
  },
  flops: ({ N, D }) => 3 * N * D,
  bench: [
    { N: 128, D: 512 },
    { N: 4096, D: 512 }, // features of a gathered batch
  ],
  // 0.9 lies among the lengths that the cases draw, so both branches are taken.
  test: { attrs: [{}, { floor: 0.9 }] },
});
