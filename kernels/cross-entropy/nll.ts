// Negative log-likelihood of class numbers, for whoever has log-probabilities already.
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { lanesGrid } from "../lib/flat.ts";
import numbers from "../lib/numbers.wgsl";
import type { Reduction } from "../loss/reduction.ts";
import chosen from "./chosen.wgsl";
import chosenDx from "./chosen-dx.wgsl";
import { checkIgnore, drawTargets, ignored, ignoring, overTargets } from "./targets.ts";

const nllRows = op({
  name: "nllLoss",
  about: "nll_n = −logs_n,target, 0 where the target is `ignore`",
  sig: "logs_NC:f32 targets_N:u32 -> nll_N:f32",
  attrs: { ignore: Infinity },
  derive(_, { ignore }) {
    checkIgnore("nllLoss", ignore);
    return {};
  },
  chooses: { targets: { along: "C", called: "class", besides: ignored } },
  forward: [
    pass("logs_NC:f32 targets_N:u32 -> nll_N:f32", [numbers, chosen], ({ N }, consts) => lanesGrid(N, consts), {
      uniforms: ignoring,
    }),
  ],
  backward: [
    pass(
      "dnll_N:f32 targets_N:u32 -> dlogs_NC:f32",
      [numbers, chosenDx],
      ({ N, C }, consts) => lanesGrid(N * C, consts),
      {
        uniforms: ignoring,
      },
    ),
  ],
  ref({ logs, targets }, { C }, { ignore }) {
    const row = (target: number, n: number) => (target < C ? -logs[n * C + target] : Number.NaN);
    return { nll: targets.map((target, n) => (target === ignored({ ignore }) ? 0 : row(target, n))) };
  },
  flops: () => 0,
  bench: [{ N: 16 * 77, C: 1000 }],
  test: { attrs: [{}, { ignore: 0 }], draw: { targets: drawTargets } },
});

/**
 * −log p of the target (PyTorch's F.nll_loss): log-probabilities_NC, targets_N:u32 -> their mean, sum, or a row's each. The class is
 * the last axis. `ignore` leaves rows out, as in `crossEntropy`, which takes logits.
 */
export function nllLoss(
  logProbabilities: Tensor,
  targets: Tensor<"u32">,
  options: { readonly ignore?: number; readonly reduction?: Reduction } = {},
): Tensor {
  takes(
    "nllLoss(logProbabilities: tensor, targets: tensor, " +
      'options?: { ignore?: real, reduction?: "mean" | "sum" | "none" })',
    arguments,
  );
  const { ignore = Infinity, reduction = "mean" } = options;
  return overTargets(nllRows(logProbabilities, targets, { ignore }), targets, ignore, reduction);
}
