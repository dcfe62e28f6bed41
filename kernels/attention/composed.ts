// Attention composed of strided products and row kernels, with the probabilities kept: what wins on CPU rasterisers.
// Letters: B sequences, L tokens, H heads of width K, D = H·K, C = 3·D (q, k and v side by side), M = L rounded up to
// whole vec4s. The probabilities are stored as f32 rows of M columns, the last M − L of them 0.
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import { type Attrs, ceilDiv, type Pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import { parseSignature, type Sizes } from "../../engine/declare/signature.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import { type TileLayout, product, type Shape } from "../matmul/tile.ts";
import probabilities from "./probabilities.wgsl";
import probabilitiesLong from "./probabilities-long.wgsl";
import slopes from "./slopes.wgsl";
import slopesLong from "./slopes-long.wgsl";
import { emitTile, type AttentionForm, type Tile } from "./tile.ts";

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
  readonly form: AttentionForm;
  readonly sig: string;
  readonly a: string;
  readonly b: string;
  readonly c: string;
  readonly label: string;
}

/**
 * A pass with one product per sequence and head. Its variants are tiles of this folder in several heights, where the
 * rows consist of vec4s, and for any size two of matmul's structures. On GPUs this is the way of odd head sizes only.
 */
function perHead(options: HeadProduct, shapeOf: (dims: Sizes) => HeadShape): Pass {
  const { form, a, b, c } = options;
  const general = product({ ...options, shape: (dims: Sizes) => ({ ...shapeOf(dims), batch: [dims.B, dims.H] }) });
  const variants = new Map([...general.variants].filter(([name]) => ["sg8", "sg32", "wg32"].includes(name)));
  for (const rows of heights[form])
    variants.set(`rows${rows}`, {
      source: ({ device, dims }) =>
        emitTile({ form, rows, subgroup: device.subgroup, types: typesOf(options), fields: further(shapeOf(dims)) }),
      grid: (dims, { SG }) => [ceilDiv(shapeOf(dims).N / 4, SG), ceilDiv(dims.L, rows), dims.B * dims.H],
      uniforms: (dims) => fieldsOf(shapeOf(dims), dims.H),
      rename: { a, b, c },
      available: (_, { K }) => K % 4 === 0,
    });
  const pick = (dims: Sizes, { software, subgroup }: DeviceFacts) => {
    const { K, L } = dims;
    if (!software) return "wg32";
    if (shapeOf(dims).K > oneChain) return L > 24 ? "sg32" : "sg8";
    return K % 4 ? "sg8" : `rows${heightFor(form, L, subgroup)}`;
  };
  return { ...general, variants, pick };
}

/** Sums of more terms are for tiles that add in panels: one chain of additions rounds in proportion to its length. */
const oneChain = 256;

/** Rows of the tiles. 51 and 77 tokens are 2 and 3 times 26; TN tiles come in whole vec4s. */
const heights: Record<AttentionForm, readonly number[]> = { NN: [8, 26], NT: [8, 26], TN: [8, 28, 52] };

/** The height that costs least: a load of a vec4 is worth about 7 multiply-adds of vec4s on CPU rasterisers. */
function heightFor(form: AttentionForm, L: number, subgroup: number): number {
  const step = form === "TN" ? 2 : 4;
  const cost = (rows: number) => {
    const loads = step + ceilDiv(form === "TN" ? rows / 2 : rows, subgroup);
    return ceilDiv(L, rows) * (7 * loads + (step * rows) / 4);
  };
  return heights[form].reduce((best, rows) => (cost(rows) < cost(best) ? rows : best));
}

/** Element types of a, b and c. */
function typesOf({ sig, a, b, c }: HeadProduct): Tile["types"] {
  const { inputs, outputs } = parseSignature(sig);
  const type = (name: string) => [...inputs, ...outputs].find((term) => term.name === name)!.dtype;
  return { a: type(a), b: type(b), c: type(c) };
}

type HeadShape = Omit<Shape, "batch">;

/** Fields of Dims beyond the common ones. */
const further = ({ a, b, c, scale }: HeadShape): string[] => [
  ...Object.entries({ a, b, c }).flatMap(([name, { offset }]) => (offset === undefined ? [] : [`${name}Offset`])),
  ...(scale === undefined ? [] : ["scale"]),
];

/** The fields of Dims: `further` and `common` in tile.ts. */
function fieldsOf(shape: HeadShape, heads: number): Record<string, number> {
  const fields: Record<string, number> = { rows: shape.M, wide: shape.N / 4, depth: shape.K, heads };
  for (const [name, { ld, offset = 0, strideN = 0, strideH = 0 }] of Object.entries({
    a: shape.a,
    b: shape.b,
    c: shape.c,
  })) {
    fields[`ld${name}`] = ld / 4;
    fields[`${name}N`] = strideN / 4;
    fields[`${name}H`] = strideH / 4;
    fields[`${name}Offset`] = offset / 4;
  }
  return { ...fields, scale: shape.scale ?? 1 };
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
  const into = (form: AttentionForm, label: string, from: 0 | 1, to: 0 | 1) =>
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
export const mapProduct = (form: AttentionForm, a: string, b: string, c: string): Pass =>
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
