// AdamW on flat groups: parameters, gradients and moments of one layout, updated in one launch.
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { flatGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import numbers from "../lib/numbers.wgsl";
import adamwText from "./adamw.wgsl";
import { corrections, drawFactor, finiteFactor } from "./corrections.ts";

/**
 * One update in place, number `step` from 1 on: p_N g_N m_N v_N, and the factor on gradients (see clipFactor; 0 skips
 * the update). `least` and `most` bound the parameters.
 */
export const adamw = op({
  name: "adamw",
  about: "p ← p(1 − lr·decay) − lr · m̂ / (√v̂ + eps) in place (Loshchilov & Hutter 2019)",
  sig: "p_N:f32 g_N m_N:f32 v_N:f32 factor:f32 -> p_N:f32 m_N:f32 v_N:f32",
  attrs: { step: 1, lr: 1e-3, beta1: 0.98, beta2: 0.9, eps: 1e-6, decay: 0, least: -Infinity, most: Infinity },
  takes: { step: "count", lr: "amount", beta1: "rate", beta2: "rate", eps: "amount", decay: "amount" },
  forward: [
    pass(
      "p_N:f32 g_N m_N:f32 v_N:f32 factor:f32 -> p_N:f32 m_N:f32 v_N:f32",
      [flat, numbers, adamwText],
      ({ N }, consts) => flatGrid(N, consts),
      {
        uniforms: (_, attrs) => ({ ...corrections(attrs), keep: 1 - Number(attrs.lr) * Number(attrs.decay) }),
      },
    ),
  ],
  ref(
    { p, g, m, v, factor }: Record<string, Float64Array>,
    { N },
    { step, lr, beta1, beta2, eps, decay, least, most },
  ) {
    const next = { p: p.slice(), m: m.slice(), v: v.slice() };
    if (factor[0] <= 0) return next;
    for (let i = 0; i < N; i++) {
      const grad = factor[0] * g[i];
      next.m[i] = beta1 * m[i] + (1 - beta1) * grad;
      next.v[i] = beta2 * v[i] + (1 - beta2) * grad ** 2;
      const mean = next.m[i] / (1 - beta1 ** step);
      const root = Math.sqrt(next.v[i]) / Math.sqrt(1 - beta2 ** step);
      next.p[i] = Math.min(Math.max(p[i] * (1 - lr * decay) - (lr * mean) / (root + eps), least), most);
    }
    return next;
  },
  flops: ({ N }) => 16 * N,
  bench: [{ N: 1 << 24 }],
  test: {
    finite: finiteFactor,
    draw: { v: "positive", factor: drawFactor },
    attrs: [{}, { step: 7, lr: 0.1, decay: 0.1, beta1: 0.9, beta2: 0.999, eps: 0.1 }, { lr: 0.5, least: 0, most: 0.5 }],
  },
});
