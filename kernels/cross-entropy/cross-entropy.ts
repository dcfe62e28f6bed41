// Cross-entropy against class numbers.
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { lanesGrid, subgroupGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import type { Reduction } from "../loss/reduction.ts";
import dlogits from "./dlogits.wgsl";
import lse from "./lse.wgsl";
import { checkIgnore, drawTargets, ignored, ignoring, overTargets } from "./targets.ts";

const nllRows = op({
  name: "crossEntropy",
  about:
    "nll_n = log Σ_c exp logits_nc − (1 − e) · logits_n,target − e · ⟨logits_n⟩, e = `labelSmoothing`; 0 where the target is `ignore`",
  sig: "logits_NC:f32 targets_N:u32 -> nll_N:f32",
  attrs: { ignore: Infinity, labelSmoothing: 0 },
  takes: { labelSmoothing: "share" },
  derive(_, { ignore }) {
    checkIgnore("crossEntropy", ignore);
    return {};
  },
  chooses: { targets: { along: "C", called: "class", besides: ignored } },
  forward: [
    pass(
      "logits_NC:f32 targets_N:u32 -> nll_N:f32 top_N:f32 rest_N:f32",
      [numbers, panels, levels, rows, lse],
      ({ N }, consts) => subgroupGrid(N, consts),
      { uniforms: ignoring },
    ),
  ],
  backward: [
    pass(
      "dnll_N:f32 logits_NC:f32 targets_N:u32 top_N:f32 rest_N:f32 -> dlogits_NC:f32",
      [numbers, dlogits],
      ({ N, C }, consts) => lanesGrid(N * C, consts),
      { uniforms: ignoring },
    ),
  ],
  ref({ logits, targets }, { C }, { ignore, labelSmoothing: e }) {
    return {
      nll: targets.map((target, n) => {
        if (target === ignored({ ignore })) return 0;
        if (target >= C) return Number.NaN;
        const row = logits.subarray(n * C, (n + 1) * C);
        const top = Math.max(...row);
        const rest = Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0));
        const own = top - row[target] + rest;
        return e > 0 ? (1 - e) * own + e * (row.reduce((sum, v) => sum + (top - v), 0) / C + rest) : own;
      }),
    };
  },
  flops: ({ N, C }) => 10 * N * C,
  bench: [{ N: 128, C: 128 }],
  test: {
    attrs: [{}, { ignore: 0 }, { ignore: 0, labelSmoothing: 0.1 }],
    draw: { targets: drawTargets },
  },
});

/**
 * Cross-entropy of logits_NC against classes targets_N:u32 (PyTorch's F.cross_entropy): the mean over rows, their sum, or a row's
 * each. The class is the last axis. Rows whose target is `ignore` (−100, or any number; none by default) count neither in the loss
 * nor in its mean; where all are ignored the mean is of nothing, NaN as in PyTorch, and the gradient 0. `labelSmoothing` e asks for
 * 1 − e of the target and e of all classes alike. A target that is neither it nor a class is refused with ShapeError where it comes
 * from the host; where an op computed it, it makes the loss NaN, and its row of the gradient.
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor<"u32">,
  options: { readonly ignore?: number; readonly labelSmoothing?: number; readonly reduction?: Reduction } = {},
): Tensor {
  takes(
    "crossEntropy(logits: tensor, targets: tensor, " +
      'options?: { ignore?: real, labelSmoothing?: share, reduction?: "mean" | "sum" | "none" })',
    arguments,
  );
  const { ignore = Infinity, labelSmoothing = 0, reduction = "mean" } = options;
  return overTargets(nllRows(logits, targets, { ignore, labelSmoothing }), targets, ignore, reduction);
}
