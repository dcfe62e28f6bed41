// Frames -> tokens: patches as rows, one product with the convolution's weight, class token and positions.
import { ShapeError } from "../../engine/errors.ts";
import { type Attrs, pass, passOf } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { lanesGrid, planeGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import levels from "../lib/levels.wgsl";
import panels from "../lib/panels.wgsl";
import { matmulNT } from "../matmul/matmul.ts";
import { windowPass } from "../shape/window.ts";
import dframes from "./dframes.wgsl";
import dtokens from "./dtokens.wgsl";
import dtokens4 from "./dtokens4.wgsl";
import patchesText from "./patches.wgsl";
import patches4 from "./patches4.wgsl";
import tokensText from "./tokens.wgsl";
import tokens4 from "./tokens4.wgsl";

/** Patches of side `patch` in a frame of I by J; what remains at the bottom and right is dropped. */
export function patchesIn({ I, J }: Sizes, patch: number, what: string): number {
  if (!Number.isInteger(patch) || patch < 1 || patch > Math.min(I, J))
    throw new ShapeError(`${what}: no patch of side ${patch} fits a frame of ${I} by ${J}`);
  return Math.floor(I / patch) * Math.floor(J / patch);
}

/** The side of a patch under the name the kernels have for it. */
export const side = (_: Sizes, { patch }: Attrs) => ({ R: Number(patch) });

/** K = 3 · patch²: whole vec4s along a patch's row exactly if 48 divides K. */
const inVec4s = ({ J, K }: Sizes): boolean => J % 4 === 0 && K % 48 === 0;

/** frames_N3IJ -> x_NPK: every patch as a row of K = 3 · patch² pixels. */
export const patches = op({
  name: "patches",
  about: "x[n, p] = the 3 · patch² pixels of patch p, patches row by row",
  sig: "frames_N3IJ -> x_NPK",
  attrs: { patch: 32 },
  takes: { patch: "size" },
  derive: ({ I, J }, { patch }) => ({ P: patchesIn({ I, J }, patch, "patches"), K: 3 * patch * patch }),
  forward: [
    passOf(
      "frames_N3IJ -> x_NPK",
      {
        any: {
          uniforms: side,
          source: patchesText,
          grid: ({ N, P }, consts, { patch }) => lanesGrid(N * P * 3 * Number(patch), consts),
        },
        vec4: {
          uniforms: side,
          source: patches4,
          grid: ({ N, P }, consts, { patch }) => lanesGrid(N * P * 3 * (consts.SG < 16 ? 1 : Number(patch)), consts),
          available: (_, dims) => inVec4s(dims),
        },
      },
      (dims) => (inVec4s(dims) ? "vec4" : "any"),
    ),
  ],
  backward: [
    pass("dx_NPK -> dframes_N3IJ", dframes, ({ N, I, J }, consts) => lanesGrid(N * 3 * I * J, consts), {
      uniforms: side,
    }),
  ],
  ref({ frames }, { N, P, I, J, K }, { patch: R }) {
    const x: number[] = [];
    const wide = Math.floor(J / R);
    for (let n = 0; n < N; n++)
      for (let p = 0; p < P; p++)
        for (let k = 0; k < K; k++) {
          const [channel, row, column] = [Math.floor(k / (R * R)), Math.floor(k / R) % R, k % R];
          const at = (n * 3 + channel) * I + Math.floor(p / wide) * R + row;
          x.push(frames[at * J + (p % wide) * R + column]);
        }
    return { x };
  },
  flops: () => 0,
  bench: [{ N: 16, I: 224, J: 224 }],
  test: {
    sizes: { N: [1, 2, 3], I: [4, 8, 9, 17], J: [4, 8, 11, 12, 16] },
    attrs: [{ patch: 4 }, { patch: 3 }, { patch: 1 }, { patch: 8 }],
  },
});

const wideRows = ({ D }: Sizes): boolean => D % 4 === 0;
const byWidth = (dims: Sizes): string => (wideRows(dims) ? "vec4" : "any");
const available = (_: unknown, dims: Sizes): boolean => wideRows(dims);

/** x_NPD cls_D pos_LD -> z_NLD, L = P + 1: the class token in front, positions added. */
export const addTokens = op({
  name: "tokens",
  about: "z_n = [cls, x_n1 … x_nP] + pos",
  sig: "x_NPD cls_D:f32 pos_LD:f32 -> z_NLD",
  derive({ P, L }) {
    if (L !== P + 1)
      throw new ShapeError(`tokens: pos_LD has ${L} rows; ${P} patches and the class token need ${P + 1}`);
    return {};
  },
  forward: [
    passOf(
      "x_NPD cls_D:f32 pos_LD:f32 -> z_NLD",
      {
        any: { source: [flat, tokensText], grid: ({ N, L, D }, consts) => planeGrid(L * D, N, consts) },
        vec4: { source: [flat, tokens4], grid: ({ N, L, D }, consts) => planeGrid((L * D) / 4, N, consts), available },
      },
      byWidth,
    ),
  ],
  backward: [
    windowPass({ x: "dz", y: "dx" }, ["L", "P", "D"], () => 1),
    passOf(
      "dz_NLD -> dcls_D:f32 dpos_LD:f32",
      {
        any: { source: [panels, levels, dtokens], grid: ({ L, D }, consts) => lanesGrid(L * D, consts) },
        vec4: {
          source: [panels, levels, dtokens4],
          grid: ({ L, D }, consts) => lanesGrid((L * D) / 4, consts),
          available,
        },
      },
      byWidth,
      "dcls dpos",
    ),
  ],
  ref({ x, cls, pos }, { N, P, L, D }) {
    const z = new Float64Array(N * L * D);
    for (let n = 0; n < N; n++)
      for (let i = 0; i < L * D; i++) z[n * L * D + i] = (i < D ? cls[i] : x[n * P * D + i - D]) + pos[i];
    return { z };
  },
  flops: ({ N, L, D }) => N * L * D,
  bench: [{ N: 128, P: 49, L: 50, D: 768 }],
  test: { sizes: { P: [1, 3, 4, 7], L: [2, 4, 5, 8] }, where: ({ P, L }) => L === P + 1 },
});

/**
 * Patch embedding with class token and positions: frames_N3IJ weight_D3RR cls_D pos_LD -> z_NLD (steps 1 and 2 of the
 * frame encoder). A convolution whose stride is its kernel is one product of patches and weight.
 */
export function patchEmbed(frames_N3IJ: Tensor, weight_D3RR: Tensor, cls_D: Tensor, pos_LD: Tensor): Tensor {
  takes("patchEmbed(frames: tensor, weight: tensor, cls: tensor, pos: tensor)", arguments);
  return addTokens(embedPatches(frames_N3IJ, weight_D3RR), cls_D, pos_LD);
}

/** The convolution alone: frames_N3IJ weight_D3RR -> y_NPD. */
export function embedPatches(frames_N3IJ: Tensor, weight_D3RR: Tensor): Tensor {
  takes("embedPatches(frames: tensor, weight: tensor)", arguments);
  const [D, channels, patch, across] = weight_D3RR.shape;
  if (weight_D3RR.shape.length !== 4 || channels !== 3 || patch !== across)
    throw new ShapeError(`patchEmbed: the weight has shape [${weight_D3RR.shape}], expected [D, 3, R, R]`);
  const x_NPK = patches(frames_N3IJ, { patch });
  const [N, P, K] = x_NPK.shape;
  return matmulNT(x_NPK.reshape([N * P, K]), weight_D3RR.reshape([D, K])).reshape([N, P, D]);
}
