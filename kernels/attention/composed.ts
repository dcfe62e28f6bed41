// Attention composed of strided products and row kernels, with the probabilities kept: what wins on CPU rasterisers.
// Letters: B sequences, L tokens, H heads of width K, D = H·K, C = 3·D (q, k and v side by side), M = L rounded up to
// whole vec4s. The probabilities are stored as f32 rows of M columns, the last M − L of them 0.
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import { type Attrs, ceilDiv, type Pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import { type ProductForm, type ProductStructure, structures } from "../matmul/structures.ts";
import { type TileLayout, product, type Shape } from "../matmul/tile.ts";
import probabilities from "./probabilities.wgsl";
import probabilitiesLong from "./probabilities-long.wgsl";
import slopes from "./slopes.wgsl";
import slopesLong from "./slopes-long.wgsl";

/** q, k or v inside qkv_BLC. */
const packed = (part: 0 | 1 | 2, { L, C, D, K }: Sizes): TileLayout => ({
  ld: C,
  offset: part ? part * D : undefined,
  strideN: L * C,
  strideH: K,
});
/** A head's columns of y_BLD. */
const joined = ({ L, D, K }: Sizes): TileLayout => ({ ld: D, strideN: L * D, strideH: K });
/** A head's matrix of p_BHLM. */
const square = ({ L, H, M }: Sizes): TileLayout => ({ ld: M, strideN: H * L * M, strideH: L * M });

/** A product in each head: tensors by role, named as in the signature. */
interface HeadProduct {
  readonly form: ProductForm;
  readonly sig: string;
  readonly a: string;
  readonly b: string;
  readonly c: string;
  readonly label: string;
}

type HeadShape = Omit<Shape, "batch">;

/**
 * A pass with one product per sequence and head, on matmul's tiles in the heights that fit attention. On GPUs this is the way of the
 * subject's maps, and of heads too wide for the fused one.
 */
function perHead(options: HeadProduct, shapeOf: (dims: Sizes) => HeadShape): Pass {
  const { form } = options;
  const pick = ({ L, K }: Sizes, { software, subgroup }: DeviceFacts) =>
    software ? `sg${K % 4 ? shortest : heightFor(form, L, subgroup)}` : "wg32";
  const tiles = {
    ...Object.fromEntries(heights[form].map((rows) => [`sg${rows}`, tall(rows)])),
    wg32: structures.wg32,
  };
  return { ...product({ ...options, tiles, shape: (dims) => ({ ...shapeOf(dims), batch: [dims.B, dims.H] }) }), pick };
}

const tall = (rows: number): ProductStructure => ({ mode: "sg", rows });

/** The height of odd head sizes: numbers that are loaded one by one take long to compile. */
const shortest = 8;

/** Rows of the tiles: 51 and 77 tokens are 2 and 3 times 26; TN tiles come in whole vec4s. */
const heights: Record<ProductForm, readonly number[]> = { NN: [8, 26], NT: [8, 26], TN: [8, 28] };

/** The height that costs least: a load of a vec4 is worth about 7 multiply-adds of vec4s on CPU rasterisers. */
function heightFor(form: ProductForm, L: number, subgroup: number): number {
  const cost = (rows: number) => ceilDiv(L, rows) * (7 * (4 + ceilDiv(rows, subgroup)) + rows);
  return heights[form].reduce((best, rows) => (cost(rows) < cost(best) ? rows : best));
}

/** A pass over rows of M columns, which stay in registers where a subgroup can hold them (HELD = 4 in the kernels). */
function rowPass(
  sig: string,
  [short, long]: readonly [string, string],
  label: string,
  rename: Record<string, string>,
  uniforms: (dims: Sizes, attrs: Attrs) => Record<string, number>,
): Pass {
  const variant = (...source: string[]): Variant => ({
    source: [numbers, rows, ...source],
    grid: perRow,
    uniforms,
    rename,
  });
  const fits = ({ M }: Sizes, { subgroup }: DeviceFacts) => M <= 16 * subgroup;
  return passOf(
    sig,
    {
      short: { ...variant(short), available: (device, dims) => fits(dims, device) },
      long: variant(panels, levels, long),
    },
    (dims, device) => (fits(dims, device) ? "short" : "long"),
    label,
  );
}

/** Rows of all maps. */
export const countRows = ({ B, H, L }: Sizes): number => B * H * L;

/** A subgroup for each row of each head. */
export const perRow = ({ B, H, L }: Sizes, { WG, SG }: Readonly<Record<string, number>>) => ceilDiv(B * H * L, WG / SG);

/** z = q·kᵀ/√K. The padded columns hold anything. */
export const scoresInto = (z: string): Pass =>
  perHead({ form: "NT", sig: `qkv_BLC -> ${z}_BHLM:f32`, a: "qkv", b: "qkv", c: z, label: "scores" }, (s) => ({
    M: s.L,
    N: s.M,
    K: s.K,
    a: packed(0, s),
    b: packed(1, s),
    c: square(s),
    scale: s.K ** -0.5,
  }));

/** y = p·v. */
export const valuesFrom = (p: string): Pass =>
  perHead({ form: "NN", sig: `${p}_BHLM:f32 qkv_BLC -> y_BLD`, a: p, b: "qkv", c: "y", label: "values" }, (s) => ({
    M: s.L,
    N: s.K,
    K: s.L,
    a: square(s),
    b: packed(2, s),
    c: joined(s),
  }));

/** dp = dy·vᵀ. The padded columns hold anything. */
export const slopesInto = (dp: string): Pass =>
  perHead({ form: "NT", sig: `dy_BLD qkv_BLC -> ${dp}_BHLM:f32`, a: "dy", b: "qkv", c: dp, label: dp }, (s) => ({
    M: s.L,
    N: s.M,
    K: s.K,
    a: joined(s),
    b: packed(2, s),
    c: square(s),
  }));

/** dv = pᵀ·dy, the first to write into dqkv. */
export const valueGradient = (p: string): Pass =>
  perHead({ form: "TN", sig: `${p}_BHLM:f32 dy_BLD -> dqkv_BLC`, a: p, b: "dy", c: "dqkv", label: "dv" }, (s) => ({
    M: s.L,
    N: s.K,
    K: s.L,
    a: square(s),
    b: joined(s),
    c: packed(2, s),
  }));

/** dq = ds·k and dk = dsᵀ·q, with ds the gradient of the unscaled scores. */
export function queryAndKeyGradients(ds: string): Pass[] {
  const sig = `${ds}_BHLM:f32 qkv_BLC dqkv_BLC -> dqkv_BLC`;
  const into = (form: ProductForm, label: string, from: 0 | 1, to: 0 | 1) =>
    perHead({ form, sig, a: ds, b: "qkv", c: "dqkv", label }, (s) => ({
      M: s.L,
      N: s.K,
      K: s.L,
      a: square(s),
      b: packed(from, s),
      c: packed(to, s),
    }));
  return [into("NN", "dq", 1, 0), into("TN", "dk", 0, 1)];
}

/** Products of maps: c = a·b, a·bᵀ or aᵀ·b, all of them [B, H, L, M]. */
export const mapProduct = (form: ProductForm, a: string, b: string, c: string): Pass =>
  perHead({ form, sig: `${a}_BHLM:f32 ${b}_BHLM:f32 -> ${c}_BHLM:f32`, a, b, c, label: c }, (s) => ({
    M: s.L,
    N: s.M,
    K: s.L,
    a: square(s),
    b: square(s),
    c: square(s),
  }));

/** p = softmax(q·kᵀ/√K): the scores become probabilities in place. */
export const probabilitiesInto = (p: string): Pass[] => [
  scoresInto(p),
  rowPass(
    `${p}_BHLM:f32 -> ${p}_BHLM:f32`,
    [probabilities, probabilitiesLong],
    "softmax",
    { p },
    (dims, { causal }) => ({
      rows: countRows(dims),
      causal: causal ? 1 : 0,
    }),
  ),
];

/** ds = p (ds − Σ p ds)/√K: dp becomes the gradient of the unscaled scores in place. */
export const throughSoftmax = (p: string, ds: string): Pass =>
  rowPass(`${p}_BHLM:f32 ${ds}_BHLM:f32 -> ${ds}_BHLM:f32`, [slopes, slopesLong], "ds", { p, ds }, (dims) => ({
    rows: countRows(dims),
    scale: dims.K ** -0.5,
  }));

/** The probabilities weigh the values. */
export const composedForward: readonly Pass[] = [...probabilitiesInto("p"), valuesFrom("p")];

/** Backward through the stored probabilities. */
export const composedBackward: readonly Pass[] = [
  slopesInto("ds"),
  throughSoftmax("p", "ds"),
  valueGradient("p"),
  ...queryAndKeyGradients("ds"),
];
