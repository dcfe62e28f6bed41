// Adam on flat groups: as AdamW, but decay is part of the gradient, and so of both moments.
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { flatGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import numbers from "../lib/numbers.wgsl";
import adamText from "./adam.wgsl";
import { corrections, drawFactor, finiteFactor } from "./corrections.ts";

const sig = "p_N:f32 g_N m_N:f32 v_N:f32 factor:f32 -> p_N:f32 m_N:f32 v_N:f32";

/**
 * One update in place, number `step` from 1 on: p_N g_N m_N v_N, and the factor on gradients (see clipFactor; 0 skips
 * the update). `decay` is added to the gradient (L2), as in torch.optim.Adam; `least` and `most` bound the parameters.
 */
export const adam = op({
  name: "adam",
  about: "p ← p − lr · m̂ / (√v̂ + eps) in place, of the gradient g + decay · p (Kingma & Ba 2015)",
  sig,
  attrs: { step: 1, lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0, least: -Infinity, most: Infinity },
  takes: { step: "count", lr: "amount", beta1: "rate", beta2: "rate", eps: "amount", decay: "amount" },
  forward: [
    pass(sig, [flat, numbers, adamText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms: (_, attrs) => corrections(attrs),
    }),
  ],
  ref(
    { p, g, m, v, factor }: Record<string, Float64Array>,
    { N },
    { step, lr, beta1, beta2, eps, decay, least, most },
  ) {
    const next = { p: p.slice(), m: m.slice(), v: v.slice() };
    if (factor[0] <= 0) return next;
    for (let i = 0; i < N; i++) {
      const grad = factor[0] * g[i] + decay * p[i];
      next.m[i] = beta1 * m[i] + (1 - beta1) * grad;
      next.v[i] = beta2 * v[i] + (1 - beta2) * grad ** 2;
      const mean = next.m[i] / (1 - beta1 ** step);
      const root = Math.sqrt(next.v[i] / (1 - beta2 ** step));
      next.p[i] = Math.min(Math.max(p[i] - (lr * mean) / (root + eps), least), most);
    }
    return next;
  },
  flops: ({ N }) => 16 * N,
  bench: [{ N: 1 << 24 }],
  test: {
    finite: finiteFactor,
    draw: { v: "positive", factor: drawFactor },
    attrs: [{}, { step: 7, lr: 0.1, decay: 0.5, eps: 0.1 }, { lr: 0.5, least: 0, most: 0.5 }],
  },
});
