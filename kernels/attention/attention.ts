// Multi-head self-attention of packed queries, keys and values, plain or causal.
import { LimitError, ShapeError } from "../../engine/errors.ts";
import { ceilDiv, pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import * as composed from "./composed.ts";
import * as fused from "./fused.ts";
import keep from "./keep.wgsl";
import map from "./map.wgsl";

/** Heads are counted in one dimension of the launch. */
const mostHeads = 65535;

/** Sizes of packed heads: D = C/3 columns each for q, k and v, heads of width K, rows of M columns. */
export function headSizes({ B, L, C }: { B: number; L: number; C: number }, heads: number) {
  if (!(Number.isInteger(heads) && heads > 0) || C % (3 * heads) !== 0)
    throw new ShapeError(
      `attention: ${heads} heads do not divide qkv's ${C} columns into equal q, k and v\n  expected  C = 3 · heads · width`,
    );
  if (B * heads > mostHeads)
    throw new LimitError(`attention: ${B} sequences of ${heads} heads; one call can take ${mostHeads} heads in all`);
  return { D: C / 3, H: heads, K: C / 3 / heads, M: 4 * Math.ceil(L / 4) };
}

/** softmax(q·kᵀ/√K) in f64, row-major [B, H, L, L]; `allowed` says which keys j a query i of sequence b may see. */
export function mapOf(
  qkv: Float64Array,
  { B, L, C, H }: Sizes,
  allowed: (b: number, i: number, j: number) => boolean,
): Float64Array {
  const K = C / 3 / H;
  const p = new Float64Array(B * H * L * L);
  for (let row = 0; row < B * H * L; row++) {
    const [b, h, i] = [Math.floor(row / L / H), Math.floor(row / L) % H, row % L];
    const at = (token: number, part: number) => (b * L + token) * C + (part * H + h) * K;
    const z = Array.from({ length: L }, (_, j) => {
      let dot = 0;
      for (let c = 0; c < K; c++) dot += qkv[at(i, 0) + c] * qkv[at(j, 1) + c];
      return allowed(b, i, j) ? dot / Math.sqrt(K) : -Infinity;
    });
    const top = Math.max(...z);
    const sum = z.reduce((s, v) => s + Math.exp(v - top), 0);
    for (let j = 0; j < L; j++) p[row * L + j] = allowed(b, i, j) ? Math.exp(z[j] - top) / sum : 0;
  }
  return p;
}

const everyKey = () => true;
const upToQuery = (_: number, i: number, j: number) => j <= i;

/** y = w·v for each head, in f64: w row-major [B, H, L, L]. */
export function weigh(w: Float64Array, qkv: Float64Array, { B, L, C, H }: Sizes): Float64Array {
  const D = C / 3;
  const K = D / H;
  const y = new Float64Array(B * L * D);
  for (let row = 0; row < B * H * L; row++) {
    const [b, h, i] = [Math.floor(row / L / H), Math.floor(row / L) % H, row % L];
    for (let j = 0; j < L; j++)
      for (let c = 0; c < K; c++)
        y[(b * L + i) * D + h * K + c] += w[row * L + j] * qkv[(b * L + j) * C + 2 * D + h * K + c];
  }
  return y;
}

/**
 * Self-attention of each head: qkv_BLC (columns q, k, v; C = 3·heads·K) -> y_BLD; causal: no key after the query. The fast way where it
 * fits; other masks, other lengths of keys and separate q, k, v are `scaledDotProductAttention`.
 */
export const attention = op({
  name: "attention",
  about: "y = softmax(q·kᵀ/√K)·v per head of packed q, k, v; causal: keys up to the query (Vaswani et al. 2017)",
  sig: "qkv_BLC -> y_BLD",
  attrs: { heads: 1, causal: false as boolean },
  takes: { heads: "size" },
  derive: (dims, { heads }) => headSizes(dims, heads),
  ways: {
    composed: { forward: composed.composedForward, backward: composed.composedBackward },
    fused: { forward: fused.fusedForward, backward: fused.fusedBackward },
  },
  way: ({ K }, { software }) => (software || K > fused.widest ? "composed" : "fused"),
  ref: ({ qkv }, dims, { causal }) => ({ y: weigh(mapOf(qkv, dims, causal ? upToQuery : everyKey), qkv, dims) }),
  flops: ({ B, L, D }) => 4 * B * L * L * D,
  bench: [
    { B: 8, L: 51, C: 3 * 768, attrs: { heads: 12 } }, // frame encoder, 96 heads
    { B: 16, L: 77, C: 3 * 512, attrs: { heads: 8, causal: true } }, // text encoder
    { B: 16, L: 8, C: 3 * 512, attrs: { heads: 8 } }, // temporal head
  ],
  test: {
    finite: ({ causal }): Record<string, string> =>
      causal ? { qkv: "values after the query count 0 times what they hold, or are not read" } : {},
    sizes: { B: [1, 2, 3], L: [1, 2, 3, 5, 7, 8, 9, 16, 17, 33, 51], C: [3, 6, 12, 18, 24, 36, 48, 72, 96, 144, 192] },
    where: ({ C }, { heads }) => C % (3 * heads) === 0,
    attrs: [{ heads: 1 }, { heads: 2 }, { heads: 3, causal: true }, { heads: 1, causal: true }, { heads: 12 }],
  },
});

const kept = (p: string, w: string) =>
  pass(`${p}_BHLM:f32 keep_BHLL:f32 -> ${w}_BHLM:f32`, keep, ({ B, H, L, M }, { WG }) => ceilDiv(B * H * L * M, WG), {
    label: w,
    uniforms: ({ B, H, L }) => ({ rows: B * H * L }),
    rename: { p, w },
  });

/**
 * Attention whose probabilities are multiplied by `keep` after the softmax: dropout on the map, 0 or 1/(1 − p).
 * qkv_BLC, keep_BHLL -> y_BLD; nothing is differentiated with respect to keep.
 */
export const attentionKept = op({
  name: "attentionKept",
  about: "y = (softmax(q·kᵀ/√K) ∘ keep)·v per head: attention with dropout on its map",
  sig: "qkv_BLC keep_BHLL:f32 -> y_BLD",
  derive: (dims) => headSizes(dims, dims.H),
  forward: [...composed.probabilitiesInto("p"), kept("p", "w"), composed.valuesFrom("w")],
  backward: [
    composed.slopesInto("dw"),
    kept("dw", "ds"),
    composed.throughSoftmax("p", "ds"),
    composed.valueGradient("w"),
    ...composed.queryAndKeyGradients("ds"),
  ],
  ref: ({ qkv, keep }, dims) => ({
    y: weigh(
      mapOf(qkv, dims, everyKey).map((p, i) => p * keep[i]),
      qkv,
      dims,
    ),
  }),
  flops: ({ B, L, D }) => 4 * B * L * L * D,
  bench: [{ B: 16, L: 8, C: 3 * 512, H: 8 }], // temporal head
  test: {
    sizes: { B: [1, 2], H: [1, 2, 3], L: [1, 2, 7, 8, 9], C: [3, 12, 24, 36, 72] },
    where: ({ C, H }) => C % (3 * H) === 0,
    draw: { keep: (random, _, numel) => Float64Array.from({ length: numel }, () => (random() < 0.3 ? 0 : 1.25)) },
  },
});

/** What one query attends to, for pictures: qkv_BLC -> p_BHL, row `row` of every head's softmax map. No gradient. */
export const attentionRow = op({
  name: "attentionRow",
  about: "p = softmax(q_row·kᵀ/√K) per head: the attention of one token",
  sig: "qkv_BLC -> p_BHL:f32",
  attrs: { heads: 1, row: 0, causal: false as boolean },
  takes: { heads: "size", row: "place" },
  derive(dims, { heads, row }) {
    if (!(Number.isInteger(row) && row >= 0 && row < dims.L))
      throw new ShapeError(`attentionRow: row is ${row}, expected 0 to ${dims.L - 1}`);
    const { H, K } = headSizes(dims, heads);
    return { H, K };
  },
  forward: [
    pass(
      "qkv_BLC -> p_BHL:f32",
      [numbers, panels, levels, rows, map],
      ({ B, H }, { WG, SG }) => ceilDiv(B * H, WG / SG),
      {
        uniforms: ({ L, K }, { row, causal }) => ({ visible: causal ? Number(row) + 1 : L, scale: K ** -0.5 }),
      },
    ),
  ],
  ref({ qkv }, dims, { row, causal }) {
    const { B, H, L } = dims;
    const p = mapOf(qkv, dims, causal ? upToQuery : everyKey);
    return { p: Float64Array.from({ length: B * H * L }, (_, i) => p[(Math.floor(i / L) * L + row) * L + (i % L)]) };
  },
  flops: ({ B, L, C }) => (2 * B * L * C) / 3,
  bench: [{ B: 8, L: 51, C: 3 * 768, attrs: { heads: 12, row: 50 } }],
  test: {
    sizes: { L: [3, 7, 8, 51], C: [6, 12, 36] },
    attrs: [
      { heads: 2, row: 2 },
      { heads: 1, row: 1, causal: true },
    ],
  },
});
