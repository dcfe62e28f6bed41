// The sentiment-guided contrastive loss (Sec. 3.4, Eq. 5–7), both directions from one matrix of logits.
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { lanesGrid, subgroupGrid } from "../lib/flat.ts";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import dl from "./dl.wgsl";
import lse from "./lse.wgsl";
import total from "./total.wgsl";

/**
 * l_BB (v_i · t_j / τ) w_BB (see klWeights; zeros give the loss of CLIP) -> loss. Video to text reads rows of l − w,
 * text to video rows of lᵀ − w. The gradient goes to l only.
 */
export const snce = op({
  name: "snce",
  about: "loss = 1/2B Σ_i [lse_j(l_ij − w_ij) − l_ii + lse_j(l_ji − w_ij) − l_ii] (Eq. 5–7)",
  sig: "l_BB:f32 w_BB:f32 -> loss:f32",
  forward: [
    pass(
      "l_BB:f32 w_BB:f32 -> top_B2:f32 rest_B2:f32 nll_B:f32",
      [numbers, panels, rows, lse],
      ({ B }, consts) => subgroupGrid(B, consts),
      { label: "rows" },
    ),
    pass("nll_B:f32 -> loss:f32", [panels, total], () => 1, {
      label: "total",
      uniforms: ({ B }) => ({ R: B, factor: 0.5 / B }),
    }),
  ],
  backward: [
    pass("dloss:f32 l_BB:f32 w_BB:f32 top_B2:f32 rest_B2:f32 -> dl_BB:f32", [numbers, dl], ({ B }, consts) =>
      lanesGrid(B * B, consts),
    ),
  ],
  ref({ l, w }: Record<string, Float64Array>, { B }) {
    const lse = (logits: number[]): number => {
      const top = Math.max(...logits);
      return top + Math.log(logits.reduce((sum, v) => sum + Math.exp(v - top), 0));
    };
    let loss = 0;
    for (let i = 0; i < B; i++) {
      const each = Array.from({ length: B }, (_, j) => j);
      const text = lse(each.map((j) => l[i * B + j] - w[i * B + j]));
      const video = lse(each.map((j) => l[j * B + i] - w[i * B + j]));
      loss += (text - l[i * B + i] + video - l[i * B + i]) / (2 * B);
    }
    return { loss: [loss] };
  },
  flops: ({ B }) => 20 * B * B,
  bench: [{ B: 128 }],
  test: {
    draw: {
      // Up to 20, or far apart: then a removed pair may be so far above the others that they vanish against it.
      l: (random, _, n) => {
        const most = random() < 0.5 ? 20 : 300;
        return Array.from({ length: n }, () => most * (2 * random() - 1));
      },
      // Some pairs are removed, most are not; the diagonal never is.
      w: (random, { B }, n) =>
        Array.from({ length: n }, (_, k) => (k % (B + 1) === 0 ? 0 : random() < 0.2 ? 1e6 : 10 * random())),
    },
  },
});
