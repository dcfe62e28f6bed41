// Cross-entropy against class numbers, the mean over rows.
import { type Attrs, pass } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/record/op.ts";
import { lanesGrid, subgroupGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import dlogits from "./dlogits.wgsl";
import lse from "./lse.wgsl";
import mean from "./mean.wgsl";

/** The ignored class as the targets hold it, if there is one: −100 is 2³² − 100 there. */
const ignored = (attrs: Attrs): number | undefined =>
  Number.isFinite(attrs.ignore) ? Number(attrs.ignore) >>> 0 : undefined;

const uniforms = (_: Sizes, attrs: Attrs) => {
  const also = ignored(attrs);
  return { ignores: also === undefined ? 0 : 1, ignored: also ?? 0 };
};

/**
 * logits_NC targets_N:u32 -> loss. Rows whose target is `ignore` (−100, or any number; none by default) count neither in
 * the loss nor in its mean; where all are ignored the mean is of nothing, NaN as in PyTorch, and the gradient 0. A target that
 * is neither it nor a class is refused with ShapeError where it comes from the host; where an op computed it, it makes the
 * loss NaN, and its row of the gradient.
 */
export const crossEntropy = op({
  name: "crossEntropy",
  about: "loss = 1/N Σ_n (log Σ_c exp logits_nc − logits_n,target) over the N rows whose target is not `ignore`",
  sig: "logits_NC:f32 targets_N:u32 -> loss:f32",
  attrs: { ignore: Infinity },
  derive(_, { ignore }) {
    if (Number.isFinite(ignore) && !(Number.isInteger(ignore) && ignore >= -(2 ** 31) && ignore < 2 ** 32))
      throw new ShapeError(`crossEntropy: ignore is ${ignore}, expected a class number`);
    return {};
  },
  chooses: { targets: { along: "C", called: "class", besides: ignored } },

  forward: [
    pass(
      "logits_NC:f32 targets_N:u32 -> top_N:f32 rest_N:f32 nll_N:f32",
      [numbers, panels, levels, rows, lse],
      ({ N }, consts) => subgroupGrid(N, consts),
      { label: "rows", uniforms },
    ),
    pass("nll_N:f32 targets_N:u32 -> loss:f32 share:f32", [panels, levels, mean], () => 1, { label: "mean", uniforms }),
  ],
  backward: [
    pass(
      "dloss:f32 logits_NC:f32 targets_N:u32 top_N:f32 rest_N:f32 share:f32 -> dlogits_NC:f32",
      [numbers, dlogits],
      ({ N, C }, consts) => lanesGrid(N * C, consts),
      { uniforms },
    ),
  ],
  ref({ logits, targets }: Record<string, Float64Array>, { N, C }, { ignore }) {
    const left = ignored({ ignore });
    let [loss, count] = [0, 0];
    for (let n = 0; n < N; n++) {
      if (targets[n] === left) continue;
      const row = logits.subarray(n * C, (n + 1) * C);
      const top = Math.max(...row);
      const rest = Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0));
      loss += targets[n] < C ? top - row[targets[n]] + rest : Number.NaN;
      count += 1;
    }
    return { loss: [loss / count] };
  },
  flops: ({ N, C }) => 10 * N * C,
  bench: [{ N: 128, C: 128 }],
  test: {
    attrs: [{}, { ignore: 0 }],
    // The first row has the last class, so that not all are ignored.
    where: ({ C }, { ignore }) => ignore !== 0 || C > 1,
    draw: {
      targets: (random, { C }, n) => Array.from({ length: n }, (_, i) => (i ? Math.floor(random() * C) : C - 1)),
    },
  },
});
