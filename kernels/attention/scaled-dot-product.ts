// Attention of separate queries, keys and values, with a mask and a bias of one's own. The map is one tensor of f32, computed in
// place from the scores; `attention` of packed q, k, v has ways without a map. Letters: N = B sequences · H heads, L queries, S keys
// of width K, V the width of a value; CDEF the axes of the mask and GIJM those of the bias, each B, H, L, S or 1.
import { ShapeError } from "../../engine/errors.ts";
import { type Pass, pass } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { tensor } from "../../engine/device/params.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { broadcastShape } from "../broadcast.ts";
import { cast } from "../cast/cast.ts";
import { lanesGrid, subgroupGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import { contract } from "../matmul/contract.ts";
import { expandTo } from "../reduce/reduce.ts";
import biasSums from "./bias-sums.wgsl";
import maskedSlopes from "./masked-slopes.wgsl";
import maskedSoftmax from "./masked-softmax.wgsl";

/** Elements from one place to the next along B, H, L and S of a tensor that has these axes or length 1 there. */
function stridesOf(sizes: readonly number[]): number[] {
  return sizes.map((size, i) => (size === 1 ? 0 : sizes.slice(i + 1).reduce((product, n) => product * n, 1)));
}

const axesOfMask = ({ C, D, E, F }: Sizes) => [C, D, E, F];
const axesOfBias = ({ G, I, J, M }: Sizes) => [G, I, J, M];

const named = (what: "mask" | "bias", strides: readonly number[]) =>
  Object.fromEntries([..."BHLS"].map((axis, i) => [`${what}${axis}`, strides[i]]));

const softmaxInPlace = pass(
  "mask_CDEF:f32 bias_GIJM:f32 p_NLS:f32 -> p_NLS:f32",
  [numbers, panels, levels, rows, maskedSoftmax],
  ({ N, L }, consts) => subgroupGrid(N * L, consts),
  {
    label: "softmax",
    uniforms: (dims, { causal }) => ({
      rows: dims.N * dims.L,
      causal: Number(causal),
      ...named("mask", stridesOf(axesOfMask(dims))),
      ...named("bias", stridesOf(axesOfBias(dims))),
    }),
  },
);

const scale = (attrs: { [name: string]: unknown }): number => Number(attrs.scale);

const backward: Pass[] = [
  contract("dy_NLV v_NSV -> dz_NLS:f32", { label: "dp" }),
  pass(
    "p_NLS:f32 dz_NLS:f32 -> dz_NLS:f32",
    [panels, levels, rows, maskedSlopes],
    ({ N, L }, consts) => subgroupGrid(N * L, consts),
    { label: "slopes", uniforms: ({ N, L }) => ({ rows: N * L }) },
  ),
  contract("dz_NLS:f32 k_NSK -> dq_NLK", { scale }),
  contract("dz_NLS:f32 q_NLK -> dk_NSK", { scale }),
  contract("p_NLS:f32 dy_NLV -> dv_NSV"),
  pass("dz_NLS:f32 -> dbias_GIJM:f32", [panels, levels, biasSums], ({ G, I, J, M }, consts) =>
    lanesGrid(G * I * J * M, consts),
  ),
];

/** The sizes that B, H, L and S have, or 1. */
function checkAxes(what: string, given: readonly number[], full: readonly number[]): void {
  if (given.some((size, i) => size !== 1 && size !== full[i]))
    throw new ShapeError(
      `scaledDotProductAttention: ${what}[${given}] does not broadcast to [${full}]\n` +
        "  expected  sequences, heads, queries, keys, or 1 for each",
    );
}

const attend = op({
  name: "scaledDotProductAttention",
  about:
    "y = softmax(scale · q·kᵀ + bias)·v over the keys that the mask shows, and causal: up to the query (Vaswani et al. 2017)",
  sig: "q_NLK k_NSK v_NSV mask_CDEF:f32 bias_GIJM:f32 -> y_NLV",
  attrs: { heads: 1, causal: false as boolean, scale: 1 },
  takes: { heads: "size", scale: "number" },
  derive(dims, { heads }) {
    if (dims.N % heads)
      throw new ShapeError(`scaledDotProductAttention: ${dims.N} heads in all, no multiple of ${heads}`);
    const full = [dims.N / heads, heads, dims.L, dims.S];
    checkAxes("mask", axesOfMask(dims), full);
    checkAxes("bias", axesOfBias(dims), full);
    return {};
  },
  forward: [
    contract("q_NLK k_NSK -> p_NLS:f32", { scale, label: "scores" }),
    softmaxInPlace,
    contract("p_NLS:f32 v_NSV -> y_NLV", { label: "values" }),
  ],
  backward,
  ref({ q, k, v, mask, bias }, dims, { heads, causal, scale }) {
    const { N, L, S, K, V } = dims;
    const [maskAt, biasAt] = [stridesOf(axesOfMask(dims)), stridesOf(axesOfBias(dims))];
    const y = new Float64Array(N * L * V);
    for (let row = 0; row < N * L; row++) {
      const [n, i] = [Math.floor(row / L), row % L];
      const at = (j: number, strides: readonly number[]) =>
        [Math.floor(n / heads), n % heads, i, j].reduce((sum, place, axis) => sum + place * strides[axis], 0);
      const z = Array.from({ length: S }, (_, j) => {
        const extra = bias[at(j, biasAt)];
        if (mask[at(j, maskAt)] === 0 || extra === -Infinity || (causal && j > i)) return undefined;
        let dot = 0;
        for (let c = 0; c < K; c++) dot += q[row * K + c] * k[(n * S + j) * K + c];
        return scale * dot + extra;
      });
      const seen = z.filter((value) => value !== undefined);
      const top = Math.max(...seen);
      const sum = seen.reduce((total, value) => total + Math.exp(value - top), 0);
      for (let j = 0; j < S; j++) {
        const p =
          z[j] === undefined ? (seen.length > 0 && Number.isNaN(sum) ? Number.NaN : 0) : Math.exp(z[j]! - top) / sum;
        for (let c = 0; c < V; c++) y[row * V + c] += p * v[(n * S + j) * V + c];
      }
    }
    return { y };
  },
  flops: ({ N, L, S, K, V }) => 2 * N * L * S * (K + V),
  bench: [
    { N: 8 * 12, L: 51, S: 51, K: 64, V: 64, C: 1, D: 1, E: 1, F: 1, G: 1, I: 1, J: 1, M: 1, attrs: { heads: 12 } },
    { N: 16 * 8, L: 77, S: 51, K: 64, V: 64, C: 16, D: 1, E: 1, F: 51, G: 1, I: 8, J: 77, M: 51, attrs: { heads: 8 } },
  ],
  test: {
    // Few, so that most draws are masks and biases that broadcast; test/kernels/scaled-dot-product.test.ts has other sizes.
    sizes: {
      N: [6],
      L: [1, 17],
      S: [5, 33],
      K: [1, 3, 8, 20],
      V: [1, 4, 7],
      ...{ C: [1, 3, 6], D: [1, 2], E: [1, 17], F: [1, 5, 33] },
      ...{ G: [1, 3, 6], I: [1, 2], J: [1, 17], M: [1, 5, 33] },
    },
    attrs: [{ scale: 0.5 }, { heads: 2 }, { heads: 2, causal: true, scale: 0.25 }],
    draw: { mask: (random, _, numel) => Array.from({ length: numel }, () => Number(random() < 0.6)) },
  },
});

/** What `scaledDotProductAttention` may be told besides q, k and v. */
export interface AttentionOptions {
  /** 1 where a query may look, 0 where it may not (PyTorch's boolean mask); broadcasts to [..., L, S]. */
  readonly mask?: Tensor;
  /** Added to the scaled scores (PyTorch's float mask); broadcasts to [..., L, S]. −∞ hides a key; it has a gradient. */
  readonly bias?: Tensor;
  /** No key after the query: key j for query i where j ≤ i, also where there are more keys than queries. */
  readonly causal?: boolean;
  /** Multiplies q·kᵀ; 1/√K by default. */
  readonly scale?: number;
}

/**
 * Attention of separate queries, keys and values (PyTorch's F.scaled_dot_product_attention): q [..., H, L, K], k [..., H, S, K],
 * v [..., H, S, V] -> [..., H, L, V], leading axes broadcast. A query that sees no key gives 0, and so are its gradients (as
 * PyTorch since 2.5). The map [..., H, L, S] of f32 is kept for the gradient: for self-attention of packed q, k, v without a mask
 * `attention` is faster and needs no map on GPUs.
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  takes(
    "scaledDotProductAttention(q: tensor, k: tensor, v: tensor, " +
      "options?: { mask?: tensor, bias?: tensor, causal?: flag, scale?: number })",
    arguments,
  );
  for (const [name, { shape }] of Object.entries({ q, k, v }))
    if (shape.length < 2)
      throw new ShapeError(`scaledDotProductAttention: ${name} is [${shape}]; expected [..., tokens, width]`);
  const { mask, bias, causal = false, scale = q.shape.at(-1)! ** -0.5 } = options;
  const lead = [k, v].reduce(
    (shape, { shape: other }) => broadcastShape(shape, other.slice(0, -2), "scaledDotProductAttention: leading axes"),
    q.shape.slice(0, -2),
  );
  const [L, S] = [q.shape.at(-2)!, k.shape.at(-2)!];
  const heads = lead.at(-1) ?? 1;
  const full = [...lead.slice(0, -1), heads, L, S];
  const [folded, ...rest] = [q, k, v].map((x) => fold(x, lead));
  const [keep, extra] = [broadcasting("mask", mask, full, 1), broadcasting("bias", bias, full, 0)];
  return attend(folded, rest[0], rest[1], keep, extra, { heads, causal, scale }).reshape([...lead, L, v.shape.at(-1)!]);
}

/** x [..., tokens, width] as [N, tokens, width]. */
function fold(x: Tensor, lead: readonly number[]): Tensor {
  const own = x.shape.slice(-2);
  return expandTo(x, [...lead, ...own]).reshape([lead.reduce((product, size) => product * size, 1), ...own]);
}

/** Mask or bias as [B or 1, H or 1, L or 1, S or 1]; what is not given is one number. */
function broadcasting(what: string, x: Tensor | undefined, full: readonly number[], otherwise: number): Tensor {
  if (!x) return tensor([otherwise], [1, 1, 1, 1]);
  if (x.dtype !== "f32" && x.dtype !== "f16")
    throw new ShapeError(`scaledDotProductAttention: ${what} is ${x.dtype}; expected f32 or f16, as comparisons give`);
  const shape = [...Array<number>(Math.max(full.length - x.shape.length, 0)).fill(1), ...x.shape];
  if (shape.length > full.length || shape.some((size, i) => size !== 1 && size !== full[i]))
    throw new ShapeError(
      `scaledDotProductAttention: ${what} is [${x.shape}], which does not broadcast to [${full}]: leading axes, queries, keys`,
    );
  const [outer, inner] = [shape.slice(0, -3), shape.slice(-3)];
  const whole = outer.every((size) => size === 1) ? outer : full.slice(0, -3);
  const wide = expandTo(cast(x, "f32"), [...whole, ...inner]);
  return wide.reshape([whole.reduce((product, size) => product * size, 1), ...inner]);
}
