// Subject-aware prompting (Sec. 3.3): how much of every patch shows the subject, and the token made from it.
import { ShapeError } from "../../engine/errors.ts";
import { type Attrs, passOf } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { lanesGrid, subgroupGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import { widePass } from "../lib/wide.ts";
import { patchesIn, side } from "../patch-embed/patch-embed.ts";
import coverText from "./cover.wgsl";
import cover4 from "./cover4.wgsl";
import dpos from "./dpos.wgsl";
import promptText from "./prompt.wgsl";

/** mask_NIJ (0..1) -> cover_NP: average pooling; patches numbered as by patchEmbed. Masks take no gradient. */
export const cover = op({
  name: "cover",
  about: "cover[n, p] = mean of the mask over patch p",
  sig: "mask_NIJ -> cover_NP:f32",
  attrs: { patch: 32 },
  // K, the pixels of a patch, tells kernels whether rows of patches are whole vec4s.
  derive: ({ I, J }, { patch }) => ({ P: patchesIn({ I, J }, patch, "cover"), K: patch * patch }),
  forward: [
    passOf(
      "mask_NIJ -> cover_NP:f32",
      {
        any: {
          source: [panels, levels, rows, coverText],
          uniforms: side,
          grid: ({ N, P }, consts) => subgroupGrid(N * P, consts),
        },
        vec4: {
          source: [panels, levels, rows, cover4],
          uniforms: side,
          grid: ({ N, P }, consts) => subgroupGrid(N * P, consts),
          available: (_, { J, K }) => J % 4 === 0 && K % 16 === 0,
        },
      },
      ({ J, K }) => (J % 4 === 0 && K % 16 === 0 ? "vec4" : "any"),
    ),
  ],
  ref({ mask }, { N, P, I, J }, { patch: R }) {
    const wide = Math.floor(J / R);
    const cover = new Float64Array(N * P);
    for (let n = 0; n < N; n++)
      for (let p = 0; p < P; p++)
        for (let i = 0; i < R; i++)
          for (let j = 0; j < R; j++) {
            const row = n * I + Math.floor(p / wide) * R + i;
            cover[n * P + p] += mask[row * J + (p % wide) * R + j] / (R * R);
          }
    return { cover };
  },
  flops: ({ N, I, J }) => N * I * J,
  bench: [{ N: 128, I: 224, J: 224 }],
  test: {
    sizes: { N: [1, 2, 3], I: [4, 8, 9, 17], J: [4, 8, 11, 12, 16] },
    attrs: [{ patch: 4 }, { patch: 3 }, { patch: 1 }, { patch: 8 }],
  },
});

const uniforms = (_: Sizes, { indicator }: Attrs) => ({
  indicator: Number(indicator),
});

/** cover_NP pos_LD -> hmn_ND; with `indicator` the paper's literal prompt, patches with any subject counting fully. */
export const prompt = op({
  name: "prompt",
  about: "hmn_n = Σ_p cover_np · pos_p+1: the subject token (Sec. 3.3, z_hmn = Σ_{i∈P} e_i)",
  sig: "cover_NP:f32 pos_LD:f32 -> hmn_ND:f32",
  attrs: { indicator: false as boolean },
  derive({ P, L }) {
    if (L !== P + 1)
      throw new ShapeError(`prompt: pos_LD has ${L} rows; ${P} patches and the class token need ${P + 1}`);
    return {};
  },
  forward: [
    widePass("cover_NP:f32 pos_LD:f32 -> hmn_ND:f32", {
      source: [panels, levels, promptText],
      grid: ({ N, D }, consts, wide) => lanesGrid(N * (D / wide), consts),
      uniforms,
      rowOf: ({ D }) => D,
    }),
  ],
  backward: [
    widePass("cover_NP:f32 dhmn_ND:f32 -> dpos_LD:f32", {
      source: [panels, levels, dpos],
      grid: ({ L, D }, consts, wide) => lanesGrid(L * (D / wide), consts),
      uniforms,
      rowOf: ({ D }) => D,
    }),
  ],
  ref({ cover, pos }, { N, P, D }, { indicator }) {
    const hmn = new Float64Array(N * D);
    for (let n = 0; n < N; n++)
      for (let p = 0; p < P; p++) {
        const a = indicator ? Number(cover[n * P + p] > 0) : cover[n * P + p];
        for (let d = 0; d < D; d++) hmn[n * D + d] += a * pos[(p + 1) * D + d];
      }
    return { hmn };
  },
  flops: ({ N, P, D }) => 2 * N * P * D,
  bench: [{ N: 128, P: 49, L: 50, D: 768 }],
  test: {
    sizes: { N: [1, 2, 3, 33, 300], P: [1, 3, 4, 7], L: [2, 4, 5, 8], D: [1, 3, 4] }, // 300 terms are two levels
    where: ({ P, L }) => L === P + 1,
    draw: { cover: (random, _, n) => Array.from({ length: n }, () => Math.max(0, 1.5 * random() - 0.5)) },
    attrs: [{}, { indicator: true }],
  },
});
