// A moving average of parameters in flat groups, and how it takes their place for a while.
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { drawFactor, finiteFactor } from "../adamw/corrections.ts";
import { flatGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import emaText from "./ema.wgsl";
import exchangeText from "./exchange.wgsl";

const sig = "e_N:f32 p_N:f32 factor:f32 -> e_N:f32";

/**
 * One step of an exponential moving average in place: e_N follows the parameters p_N after an update whose factor on gradients was
 * `factor` (see clipFactor; with 0 nothing was updated, and the average stays). `decay` is from 0, where e_N becomes p_N, to below 1.
 */
export const ema = op({
  name: "ema",
  about: "e ← decay · e + (1 − decay) · p in place, where the update of p was made (Polyak & Juditsky 1992)",
  sig,
  attrs: { decay: 0.9998 },
  takes: { decay: "rate" },
  forward: [
    pass(sig, [flat, emaText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms: (_, { decay }) => ({ rest: 1 - Number(decay) }),
    }),
  ],
  ref({ e, p, factor }: Record<string, Float64Array>, { N }, { decay }) {
    const next = e.slice();
    if (factor[0] <= 0) return { e: next };
    for (let i = 0; i < N; i++) {
      const way = p[i] - e[i];
      next[i] = decay <= 0.5 ? p[i] - decay * way : e[i] + (1 - decay) * way;
    }
    return { e: next };
  },
  flops: ({ N }) => 3 * N,
  bench: [{ N: 1 << 24 }],
  test: {
    finite: finiteFactor,
    draw: { factor: drawFactor },
    attrs: [{}, { decay: 0 }, { decay: 0.3 }, { decay: 0.75 }],
  },
});

/** Two arrays a_N and b_N of one layout change their contents, bit for bit and in place. */
export const exchange = op({
  name: "exchange",
  about: "a, b ← b, a in place",
  sig: "a_N:f32 b_N:f32 -> a_N:f32 b_N:f32",
  forward: [pass("a_N:f32 b_N:f32 -> a_N:f32 b_N:f32", [flat, exchangeText], ({ N }, consts) => flatGrid(N, consts))],
  ref: ({ a, b }) => ({ a: b.slice(), b: a.slice() }),
  flops: () => 0,
  bench: [{ N: 1 << 24 }],
});
