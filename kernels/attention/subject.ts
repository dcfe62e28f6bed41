// Subject-aware attention masking (the paper's Eq. 2–4): an amount A of attention moves from the context to the subject.
// Tokens are [cls, patches, hmn]: L = P + 2. The maps S, U and W are kept as f32, as in composed.ts.
import { ShapeError } from "../../engine/errors.ts";
import { ceilDiv, pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import levels from "../lib/levels.wgsl";
import { takes } from "../../engine/takes.ts";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import { sigmoid } from "../pointwise.ts";
import { expandTo } from "../reduce/reduce.ts";
import { headSizes, mapOf, weigh } from "./attention.ts";
import {
  countRows,
  mapProduct,
  perRow,
  queryAndKeyGradients,
  scoresInto,
  slopesInto,
  valueGradient,
  valuesFrom,
} from "./composed.ts";
import shareSlopes from "./share-slopes.wgsl";
import subjectMaps from "./subject-maps.wgsl";
import subjectSlopes from "./subject-slopes.wgsl";
import twoHopAdd from "./two-hop-add.wgsl";
import twoHopShare from "./two-hop-share.wgsl";
import twoHopSlopes from "./two-hop-slopes.wgsl";
import twoHopSplit from "./two-hop-split.wgsl";

/** How the moved amount reaches the subject; `shift`, the default, keeps every row's sum at 1. */
export type SubjectMode = "shift" | "two_hop" | "hadamard";

function sizes(dims: { B: number; L: number; C: number; P: number; H: number }) {
  if (dims.P !== dims.L - 2)
    throw new ShapeError(
      `subjectAttention: cover has ${dims.P} patches for ${dims.L} tokens\n  expected  [cls, patches, hmn]: P = L − 2`,
    );
  return headSizes(dims, dims.H);
}

/** W in f64, row-major [B, H, L, L]. */
function weightsOf(
  { qkv, share, cover }: { qkv: Float64Array; share: Float64Array; cover: Float64Array },
  dims: Sizes,
  { threshold, mode }: { threshold: number; mode: SubjectMode },
): Float64Array {
  const { B, L, H, P } = dims;
  const hmn = L - 1;
  const subject = (b: number, token: number) => cover[b * P + token - 1] > threshold;
  const S = mapOf(qkv, dims, () => true);
  const U = mapOf(qkv, dims, (b, i, j) => {
    if (i === hmn) return j === hmn || (j > 0 && subject(b, j));
    return j !== hmn || i === 0 || subject(b, i);
  });
  const w = new Float64Array(B * H * L * L);
  for (let row = 0; row < B * H * L; row++) {
    const head = Math.floor(row / L) * L;
    const A = share.subarray((row % (H * L)) * L, ((row % (H * L)) + 1) * L);
    const s = S.subarray(row * L, row * L + L);
    const amount = s.reduce((sum, v, j) => sum + v * A[j], 0);
    for (let j = 0; j < L; j++) {
      const given = {
        shift: () => amount * U[row * L + j],
        hadamard: () => s[j] * A[j] * U[row * L + j],
        two_hop: () => s.reduce((sum, v, k) => sum + v * A[k] * U[(head + k) * L + j], 0),
      }[mode]();
      w[row * L + j] = s[j] * (1 - A[j]) + given;
    }
  }
  return w;
}

const bench = [{ B: 8, L: 51, P: 49, C: 3 * 768, H: 12 }]; // frame encoder, 96 heads
const flops = ({ B, L, D }: Sizes) => 4 * B * L * L * D;
const draw = {
  share: (random: () => number, _: Sizes, numel: number) => Float64Array.from({ length: numel }, random),
  // two patches in five show the subject not at all
  cover: (random: () => number, _: Sizes, numel: number) =>
    Float64Array.from({ length: numel }, () => Math.max(0, random() * 1.6 - 0.6)),
};
const caseSizes = { B: [1, 2, 3], L: [3, 4, 6, 11], P: [1, 2, 4, 9], C: [3, 6, 12, 24, 36, 48], H: [1, 2, 3] };
const fits = ({ L, P, C, H }: Sizes) => P === L - 2 && C % (3 * H) === 0;

const maps = pass(
  "z_BHLM:f32 share_HLL:f32 cover_BP:f32 -> s_BHLM:f32 u_BHLM:f32 w_BHLM:f32",
  [numbers, panels, levels, rows, subjectMaps],
  perRow,
  { label: "maps", uniforms: (dims, { mode }) => ({ rows: countRows(dims), hadamard: mode === "hadamard" ? 1 : 0 }) },
);

/** Attention with shares A moved to the subject: qkv_BLC, share_HLL in [0, 1], cover_BP -> y_BLD; modes shift, hadamard. */
export const subjectAttention = op({
  name: "subjectAttention",
  about: "y = (S∘(1 − A) + diag(rowsum(S∘A))·U)·v: attention A moves from the context S to the subject U (Eq. 2–4)",
  sig: "qkv_BLC share_HLL:f32 cover_BP:f32 -> y_BLD",
  attrs: { threshold: 0, mode: "shift" as "shift" | "hadamard" },
  takes: { mode: '"shift" | "hadamard"' },
  derive: sizes,
  forward: [scoresInto("z"), maps, valuesFrom("w")],
  backward: [
    slopesInto("dw"),
    pass(
      "dw_BHLM:f32 s_BHLM:f32 u_BHLM:f32 share_HLL:f32 -> dz_BHLM:f32 g_BHL:f32",
      [panels, levels, rows, subjectSlopes],
      perRow,
      {
        label: "dz",
        uniforms: (dims, { mode }) => ({
          rows: countRows(dims),
          scale: dims.K ** -0.5,
          hadamard: mode === "hadamard" ? 1 : 0,
        }),
      },
    ),
    pass(
      "dw_BHLM:f32 s_BHLM:f32 u_BHLM:f32 g_BHL:f32 -> dshare_HLL:f32",
      [panels, levels, shareSlopes],
      ({ H, L }, { WG }) => ceilDiv(H * L * L, WG),
      { uniforms: (_, { mode }) => ({ hadamard: mode === "hadamard" ? 1 : 0 }) },
    ),
    valueGradient("w"),
    ...queryAndKeyGradients("dz"),
  ],
  ref: (x, dims, attrs) => ({ y: weigh(weightsOf(x, dims, attrs), x.qkv, dims) }),
  flops,
  bench,
  test: {
    sizes: caseSizes,
    where: fits,
    draw,
    attrs: [{}, { threshold: 0.3 }, { mode: "hadamard" }],
  },
});

/** The reading of Eq. 2 with a matrix product: qkv_BLC, share_HLL in [0, 1], cover_BP -> y_BLD = (S∘(1 − A) + (S∘A)·U)·v. */
export const subjectAttentionTwoHop = op({
  name: "subjectAttentionTwoHop",
  about: "y = (S∘(1 − A) + (S∘A)·U)·v: Eq. 2 read with a matrix product of the maps",
  sig: "qkv_BLC share_HLL:f32 cover_BP:f32 -> y_BLD",
  attrs: { threshold: 0 },
  derive: sizes,
  forward: [
    scoresInto("z"),
    maps,
    pass(
      "s_BHLM:f32 share_HLL:f32 -> r_BHLM:f32 w_BHLM:f32",
      twoHopSplit,
      ({ B, H, L, M }, { WG }) => ceilDiv(B * H * L * M, WG),
      { label: "split", uniforms: (dims) => ({ rows: countRows(dims) }) },
    ),
    mapProduct("NN", "r", "u", "t"),
    pass(
      "t_BHLM:f32 w_BHLM:f32 -> w_BHLM:f32",
      twoHopAdd,
      ({ B, H, L, M }, { WG }) => ceilDiv((B * H * L * M) / 4, WG),
      {
        label: "add",
        uniforms: (dims) => ({ rows: countRows(dims) }),
      },
    ),
    valuesFrom("w"),
  ],
  backward: [
    slopesInto("dw"),
    mapProduct("NT", "dw", "u", "dr"),
    mapProduct("TN", "r", "dw", "du"),
    pass(
      "dw_BHLM:f32 dr_BHLM:f32 du_BHLM:f32 s_BHLM:f32 u_BHLM:f32 share_HLL:f32 -> dz_BHLM:f32",
      [panels, levels, rows, twoHopSlopes],
      perRow,
      { label: "dz", uniforms: (dims) => ({ rows: countRows(dims), scale: dims.K ** -0.5 }) },
    ),
    pass("dw_BHLM:f32 dr_BHLM:f32 s_BHLM:f32 -> dshare_HLL:f32", [panels, levels, twoHopShare], ({ H, L }, { WG }) =>
      ceilDiv(H * L * L, WG),
    ),
    valueGradient("w"),
    ...queryAndKeyGradients("dz"),
  ],
  ref: (x, dims, attrs) => ({
    y: weigh(weightsOf(x, dims, { ...attrs, mode: "two_hop" }), x.qkv, dims),
  }),
  flops,
  bench,
  test: { sizes: caseSizes, where: fits, draw, attrs: [{}, { threshold: 0.3 }] },
});

/** Settings of `saam`. */
export interface SaamOptions {
  /** Attention heads; they divide the width. */
  readonly heads: number;
  /** A patch belongs to the subject where its cover exceeds this. Default 0: any pixel. */
  readonly threshold?: number;
  /** How the moved attention reaches the subject; default "shift". */
  readonly mode?: SubjectMode;
}

/**
 * Subject-aware attention of packed heads: qkv_BLC, cover_BP -> y_BLD with A = sigmoid(logit). The logit has shape [1],
 * [heads], [heads, L] (per query), [L, L] (one matrix for all heads) or [heads, L, L].
 */
export function saam(qkv_BLC: Tensor, logit: Tensor, cover_BP: Tensor, options: SaamOptions): Tensor {
  takes(
    "saam(qkv: tensor, logit: tensor, cover: tensor, " +
      'options: { heads: size, threshold?: number, mode?: "shift" | "hadamard" | "two_hop" })',
    arguments,
  );
  const { heads, threshold = 0, mode = "shift" } = options;
  const L = qkv_BLC.shape[1];
  const share_HLL = expandTo(sigmoid(logit.reshape(mapShape(logit.shape, heads, L))), [heads, L, L]);
  if (mode === "two_hop") return subjectAttentionTwoHop(qkv_BLC, share_HLL, cover_BP, { threshold });
  return subjectAttention(qkv_BLC, share_HLL, cover_BP, { threshold, mode });
}

/** The logit's shape with three axes: head, query, key. */
function mapShape(shape: readonly number[], heads: number, L: number): number[] {
  const [first, second] = shape;
  if (shape.length === 3) return [...shape];
  if (shape.length === 2 && first === heads && second === L && heads !== L) return [heads, L, 1];
  if (shape.length === 2 && first === L && second === L) return [1, L, L];
  if (shape.length === 1 && (first === 1 || first === heads)) return [first, 1, 1];
  throw new ShapeError(
    `saam: logit[${shape.join(",")}] for ${heads} heads and ${L} tokens\n` +
      "  expected  [1], [heads], [heads,L], [L,L] or [heads,L,L]",
  );
}
