// How much a negative counts: texts of like sentiment are weak negatives of one another (Sec. 3.4).
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { lanesGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import logSoftmax from "./log-softmax.wgsl";
import weights from "./weights.wgsl";

/**
 * s_BQ (sentiment logits) -> w_BB, what the logits of pair (i, j) are lowered by. Form "code" takes KL(s_j‖s_i) as the
 * official code does, "paper" KL(s_i‖s_j) as Eq. 6 does. Sentiment takes no gradient.
 */
export const klWeights = op({
  name: "klWeights",
  about: "w_ij = β / KL(s_j‖s_i), 0 where i = j (Eq. 6; form 'paper': KL(s_i‖s_j))",
  sig: "s_BQ:f32 -> w_BB:f32",
  attrs: { beta: 10, form: "code" as "code" | "paper" },
  takes: { beta: "amount", form: '"code" | "paper"' },
  forward: [
    pass("s_BQ:f32 -> lp_BQ:f32", [numbers, panels, levels, logSoftmax], ({ B }, consts) => lanesGrid(B, consts), {
      label: "log softmax",
    }),
    pass("lp_BQ:f32 -> w_BB:f32", [numbers, panels, levels, weights], ({ B }, consts) => lanesGrid(B * B, consts), {
      label: "weights",
      uniforms: (_, { form }) => ({ paper: Number(form === "paper") }),
    }),
  ],
  ref({ s }, { B, Q }, { beta, form }) {
    const lp = new Float64Array(B * Q);
    for (let b = 0; b < B; b++) {
      const row = s.subarray(b * Q, (b + 1) * Q);
      const top = Math.max(...row);
      const sum = Math.log(row.reduce((total, v) => total + Math.exp(v - top), 0));
      for (let q = 0; q < Q; q++) lp[b * Q + q] = row[q] - top - sum;
    }
    const kl = (a: number, b: number): number => {
      let total = 0;
      for (let q = 0; q < Q; q++) total += Math.exp(lp[a * Q + q]) * (lp[a * Q + q] - lp[b * Q + q]);
      return total;
    };
    const w = new Float64Array(B * B);
    if (beta === 0) return { w };
    for (let i = 0; i < B; i++)
      for (let j = 0; j < B; j++) {
        const k = Math.abs(form === "paper" ? kl(i, j) : kl(j, i));
        w[i * B + j] = i === j ? 0 : Math.min(beta / Math.max(k, beta / 1e6), 1e6);
      }
    return { w };
  },
  flops: ({ B, Q }) => 12 * B * B * Q,
  bench: [{ B: 128, Q: 7 }],
  test: {
    sizes: { B: [1, 2, 3, 5, 8, 17], Q: [4, 5, 7, 8] },
    attrs: [{}, { form: "paper" }, { beta: 0 }, { beta: 0.1 }],
    // The reciprocal of a difference: KL of two near rows is small, and its rounding (3e-7) grows with 1/KL².
    tolerance: 1e-3,
  },
});
