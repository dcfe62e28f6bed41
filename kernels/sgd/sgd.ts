// Stochastic gradient descent with momentum, on flat groups.
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { flatGrid } from "../lib/flat.ts";
import { drawFactor, finiteFactor } from "../adamw/corrections.ts";
import flat from "../lib/flat.wgsl";
import numbers from "../lib/numbers.wgsl";
import sgdText from "./sgd.wgsl";

const sig = "p_N:f32 g_N b_N:f32 factor:f32 -> p_N:f32 b_N:f32";

/**
 * One update in place, as torch.optim.SGD without dampening: p_N g_N, the momentum b_N (zero at first), and the factor on
 * gradients (see clipFactor; 0 skips the update). `least` and `most` bound the parameters.
 */
export const sgd = op({
  name: "sgd",
  about: "b ← momentum · b + g + decay · p, p ← p − lr · b in place; Nesterov's form on request",
  sig,
  attrs: { lr: 0.01, momentum: 0.9, decay: 0, nesterov: false as boolean, least: -Infinity, most: Infinity },
  takes: { lr: "amount", momentum: "amount", decay: "amount" },
  forward: [
    pass(sig, [flat, numbers, sgdText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms: (_, { nesterov }) => ({ nesterov: Number(nesterov) }),
    }),
  ],
  ref({ p, g, b, factor }: Record<string, Float64Array>, { N }, { lr, momentum, decay, nesterov, least, most }) {
    const next = { p: p.slice(), b: b.slice() };
    if (factor[0] <= 0) return next;
    for (let i = 0; i < N; i++) {
      const grad = factor[0] * g[i] + decay * p[i];
      next.b[i] = momentum * b[i] + grad;
      const by = nesterov ? grad + momentum * next.b[i] : next.b[i];
      next.p[i] = Math.min(Math.max(p[i] - lr * by, least), most);
    }
    return next;
  },
  flops: ({ N }) => 6 * N,
  bench: [{ N: 1 << 24 }],
  test: {
    finite: finiteFactor,
    draw: { factor: drawFactor },
    attrs: [{}, { decay: 0.1 }, { nesterov: true }, { lr: 0.5, least: -1, most: 0.5 }],
  },
});
