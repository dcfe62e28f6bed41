// Lion on flat groups: the sign of a mean of gradients, and so one moment.
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { drawFactor, finiteFactor } from "../adamw/corrections.ts";
import { flatGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import numbers from "../lib/numbers.wgsl";
import lionText from "./lion.wgsl";

const sig = "p_N:f32 g_N m_N:f32 factor:f32 -> p_N:f32 m_N:f32";

/**
 * One update in place: p_N g_N, the mean of gradients m_N (zero at first), and the factor on gradients (see clipFactor; 0 skips
 * the update). `least` and `most` bound the parameters.
 */
export const lion = op({
  name: "lion",
  about: "p ← p(1 − lr·decay) − lr · sign(β₁m + (1 − β₁)g), m ← β₂m + (1 − β₂)g in place (Chen et al. 2023)",
  sig,
  attrs: { lr: 1e-4, beta1: 0.9, beta2: 0.99, decay: 0, least: -Infinity, most: Infinity },
  takes: { lr: "amount", beta1: "rate", beta2: "rate", decay: "amount" },
  forward: [
    pass(sig, [flat, numbers, lionText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms: (_, attrs) => {
        const { lr, beta1, beta2, decay } = attrs as Record<string, number>;
        return { rest1: 1 - beta1, rest2: 1 - beta2, keep: 1 - lr * decay };
      },
    }),
  ],
  ref({ p, g, m, factor }: Record<string, Float64Array>, { N }, { lr, beta1, beta2, decay, least, most }) {
    const next = { p: p.slice(), m: m.slice() };
    if (factor[0] <= 0) return next;
    for (let i = 0; i < N; i++) {
      const grad = factor[0] * g[i];
      const by = Math.sign(beta1 * m[i] + (1 - beta1) * grad);
      next.m[i] = beta2 * m[i] + (1 - beta2) * grad;
      next.p[i] = Math.min(Math.max(p[i] * (1 - lr * decay) - lr * by, least), most);
    }
    return next;
  },
  flops: ({ N }) => 10 * N,
  bench: [{ N: 1 << 24 }],
  test: {
    finite: finiteFactor,
    draw: { factor: drawFactor },
    attrs: [{}, { lr: 0.1, decay: 0.5, beta1: 0.5, beta2: 0.8 }, { lr: 0.5, least: 0, most: 0.5 }],
  },
});
