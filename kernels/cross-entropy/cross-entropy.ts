// Cross-entropy against class numbers, the mean over rows.
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { lanesGrid, subgroupGrid } from "../lib/flat.ts";
import numbers from "../lib/numbers.wgsl";
import rows from "../lib/rows.wgsl";
import total from "../snce/total.wgsl";
import dlogits from "./dlogits.wgsl";
import lse from "./lse.wgsl";

/** logits_NC targets_N:u32 -> loss; a target beyond the classes counts as the last one. */
export const crossEntropy = op({
  name: "crossEntropy",
  about: "loss = 1/N Σ_n (log Σ_c exp logits_nc − logits_n,target)",
  sig: "logits_NC:f32 targets_N:u32 -> loss:f32",
  forward: [
    pass(
      "logits_NC:f32 targets_N:u32 -> top_N:f32 rest_N:f32 nll_N:f32",
      [numbers, rows, lse],
      ({ N }, consts) => subgroupGrid(N, consts),
      { label: "rows" },
    ),
    pass("nll_N:f32 -> loss:f32", total, () => 1, {
      label: "total",
      uniforms: ({ N }) => ({ R: N, factor: 1 / N }),
    }),
  ],
  backward: [
    pass(
      "dloss:f32 logits_NC:f32 targets_N:u32 top_N:f32 rest_N:f32 -> dlogits_NC:f32",
      [numbers, dlogits],
      ({ N, C }, consts) => lanesGrid(N * C, consts),
    ),
  ],
  ref({ logits, targets }: Record<string, Float64Array>, { N, C }) {
    let loss = 0;
    for (let n = 0; n < N; n++) {
      const row = logits.subarray(n * C, (n + 1) * C);
      const top = Math.max(...row);
      const lse = top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0));
      loss += (lse - row[Math.min(targets[n], C - 1)]) / N;
    }
    return { loss: [loss] };
  },
  flops: ({ N, C }) => 10 * N * C,
  bench: [{ N: 128, C: 128 }],
  test: { draw: { targets: (random, { C }, n) => Array.from({ length: n }, () => Math.floor(random() * (C + 1))) } },
});
