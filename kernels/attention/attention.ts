// Multi-head self-attention of packed queries, keys and values, plain or causal.
import { LimitError, ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/op.ts";
import * as composed from "./composed.ts";

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

/** y = softmax(q·kᵀ/√K)·v in f64 with the probabilities, row-major [B, L, D] and [B, H, L, L]. */
export function attend(qkv: Float64Array, B: number, L: number, C: number, H: number, causal: boolean) {
  const D = C / 3;
  const K = D / H;
  const y = new Float64Array(B * L * D);
  const p = new Float64Array(B * H * L * L);
  const at = (b: number, i: number, part: number, h: number) => (b * L + i) * C + part * D + h * K;
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < L; i++) {
        const row = p.subarray(((b * H + h) * L + i) * L, ((b * H + h) * L + i + 1) * L);
        const visible = causal ? i + 1 : L;
        for (let j = 0; j < visible; j++)
          for (let c = 0; c < K; c++) row[j] += (qkv[at(b, i, 0, h) + c] * qkv[at(b, j, 1, h) + c]) / Math.sqrt(K);
        const top = row.subarray(0, visible).reduce((a, v) => Math.max(a, v), -Infinity);
        for (let j = 0; j < visible; j++) row[j] = Math.exp(row[j] - top);
        const sum = row.subarray(0, visible).reduce((s, v) => s + v, 0);
        for (let j = 0; j < visible; j++) {
          row[j] /= sum;
          for (let c = 0; c < K; c++) y[(b * L + i) * D + h * K + c] += row[j] * qkv[at(b, j, 2, h) + c];
        }
      }
  return { y, p };
}

/** Self-attention of each head: qkv_BLC (columns q, k, v; C = 3·heads·K) -> y_BLD; causal: no key after the query. */
export const attention = op({
  name: "attention",
  about: "y = softmax(q·kᵀ/√K)·v per head of packed q, k, v; causal: keys up to the query (Vaswani et al. 2017)",
  sig: "qkv_BLC -> y_BLD",
  attrs: { heads: 1, causal: false as boolean },
  derive: (dims, { heads }) => headSizes(dims, heads),
  ways: {
    composed: { forward: composed.forward, backward: composed.backward },
  },
  ref: ({ qkv }, { B, L, C }, { heads, causal }) => ({ y: attend(qkv, B, L, C, heads, causal).y }),
  flops: ({ B, L, D }) => 4 * B * L * L * D,
  bench: [
    { B: 8, L: 51, C: 3 * 768, attrs: { heads: 12 } }, // frame encoder, 96 heads
    { B: 16, L: 77, C: 3 * 512, attrs: { heads: 8, causal: true } }, // text encoder
    { B: 16, L: 8, C: 3 * 512, attrs: { heads: 8 } }, // temporal head
  ],
  test: {
    sizes: { B: [1, 2, 3], L: [1, 2, 3, 5, 7, 8, 9, 16, 17, 33, 51], C: [3, 6, 12, 18, 24, 36, 48, 72, 96, 144, 192] },
    where: ({ C }, { heads }) => C % (3 * heads) === 0,
    attrs: [{ heads: 1 }, { heads: 2 }, { heads: 3, causal: true }, { heads: 1, causal: true }, { heads: 12 }],
  },
});
