// A matrix product as one pass: where the operands lie, what happens to a sum before it is stored, and the variants
// (structures of the inner tile) of which table.ts names one. Ops of this folder and attention are built from it.
import { KernelError, LimitError } from "../../engine/errors.ts";
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import {
  type Attrs,
  ceilDiv,
  counted,
  type Pass,
  passOf,
  type SourceContext,
  type Variant,
} from "../../engine/declare/pass.ts";
import { type Dims, type Dtype, parseSignature, type Sizes } from "../../engine/declare/signature.ts";
import type { Activation } from "./activation.ts";
import { emit } from "./emit.ts";
import { levelsFor } from "./parts.ts";
import {
  type Access,
  type EmittedKernel,
  type ProductForm,
  type ProductStructure,
  type Role,
  structures,
  tileOf,
} from "./structures.ts";
import { runsTile, matrixChoice, matrixFor } from "./matrices.ts";
import { chooseStructure, productsOf } from "./table.ts";

/** Where one operand lies: element (n, h, row, column) is at offset + n·strideN + h·strideH + row·ld + column. */
export interface TileLayout {
  /** Elements from one stored row to the next. */
  readonly ld: number;
  readonly offset?: number;
  readonly strideN?: number;
  readonly strideH?: number;
}

/**
 * c[M, N] = a·b, summed over K. `batch` is [n] or [n, h]: one product for each pair, the operands found by their strides.
 * `split` cuts K into that many parts, a multiple of 4 long, whose sums lie c.strideN apart in c.
 * Which fields are present must not depend on the sizes.
 */
export interface Shape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly a: TileLayout;
  readonly b: TileLayout;
  readonly c: TileLayout;
  readonly batch?: readonly [n: number, h?: number];
  readonly split?: number;
  /** The sums are multiplied by this number. */
  readonly scale?: number;
}

/** A product as `product` takes it: tensors by role, named as in the signature. */
export interface ProductOptions<S extends string> {
  /** What is stored: NN a[M, K] b[K, N]; NT a[M, K] b[N, K]; TN a[K, M] b[K, N]. Always c[M, N]. */
  readonly form: ProductForm;
  readonly sig: S;
  readonly a: string;
  readonly b: string;
  readonly c: string;
  readonly shape: (dims: Dims<S> & Sizes, attrs: Attrs) => Shape;
  /** A 0-d f32 tensor that multiplies the sums. */
  readonly factor?: string;
  /** A vector [N], added to each row. */
  readonly bias?: string;
  /** A further output that lies as c does: the value before the activation, for the backward. */
  readonly pre?: string;
  readonly activation?: (attrs: Attrs) => Activation;
  /** Added last; lies as c does. */
  readonly residual?: string;
  readonly label?: string;
  /**
   * Structures of the inner tile in place of those of structures.ts, candidates at every size. Made for many small products: where
   * one panel is the whole sum, the text has no loop over panels (a quarter of 8 x 8 x 64 on lavapipe).
   */
  readonly tiles?: Readonly<Record<string, ProductStructure>>;
}

/**
 * One pass that computes scale · factor · a·b, + bias, activation, + residual, in this order, sums in f32 over k in
 * order. Every structure of the inner tile is a variant; the engine takes the one that table.ts names.
 * Strided example, the scores of packed qkv_NL3HK, per (n, h):
 *   product({ form: "NT", sig: "qkv_NLW -> s_NHLP", a: "qkv", b: "qkv", c: "s", shape: ({ N, H, L, K, W, P }) => ({
 *     M: L, N: L, K, batch: [N, H], a: { ld: W, strideN: L * W, strideH: K },
 *     b: { ld: W, offset: H * K, strideN: L * W, strideH: K }, c: { ld: P, strideN: H * L * P, strideH: L * P } }) })
 */
export function product<const S extends string>(options: ProductOptions<S>): Pass {
  const shapeOf = options.shape as (dims: Sizes, attrs: Attrs) => Shape;
  const variants: Record<string, Variant> = {};
  for (const [name, structure] of Object.entries(options.tiles ?? structures)) {
    variants[name] = {
      source: (context) => emit(kernelOf(options as ProductOptions<string>, structure, context)),
      grid: (dims, consts, attrs) => gridOf(shapeOf(dims, attrs), structure, consts.SG),
      uniforms: (dims, attrs) => fieldsOf(shapeOf(dims, attrs)),
      rename: renames(options as ProductOptions<string>),
      available: (device, dims, attrs, T) =>
        (options.tiles !== undefined || offered(structure, shapeOf(dims, attrs), device)) &&
        (structure.mode !== "mx" || isOfHalves(options as ProductOptions<string>, T)) &&
        !(options.activation && unrolls(structure, device)),
    };
  }
  const pick = (dims: Sizes, device: DeviceFacts, attrs: Attrs, T: Dtype) => {
    const extent = shapeOf(dims, attrs);
    const matrices = isOfHalves(options as ProductOptions<string>, T) ? matrixChoice(extent, device) : undefined;
    const chosen = matrices ?? chooseStructure(options.form, extent, device);
    return options.activation && unrolls(structures[chosen], device) ? "wg32" : chosen;
  };
  const flops = ({ M, N, K, batch: [n, h = 1] = [1] }: Shape) => 2 * M * N * K * n * h;
  return counted(passOf(options.sig, variants, pick, options.label), (dims, attrs) => ({
    flops: flops(shapeOf(dims, attrs)),
  }));
}

/** Memory is read as vec4s where every row of every operand starts at a multiple of 4. */
function accessOf({ a, b, c, K, N }: Shape): Access {
  const quads = ({ ld, offset = 0, strideN = 0, strideH = 0 }: TileLayout) =>
    (ld | offset | strideN | strideH) % 4 === 0;
  if (!quads(a) || !quads(b)) return "scalar";
  if (!quads(c) || N % 4 !== 0) return "loads";
  return K % 4 === 0 ? "vec" : "padded";
}

/** Whether both operands are stored in half precision. */
function isOfHalves({ sig, a, b }: ProductOptions<string>, T: Dtype): boolean {
  const { inputs } = parseSignature(sig);
  return [a, b].every((name) => {
    const dtype = inputs.find((term) => term.name === name)?.dtype;
    return (dtype === "T" ? T : dtype) === "f16";
  });
}

const roles: readonly Role[] = ["a", "b", "c", "factor", "bias", "pre", "residual"];

/** What the kernel's text depends on; its bindings carry the names of roles, so that ops share pipelines. */
function kernelOf(
  options: ProductOptions<string>,
  structure: ProductStructure,
  { dims, attrs, device }: SourceContext,
): EmittedKernel {
  const shape = (options.shape as (dims: Sizes, attrs: Attrs) => Shape)(dims, attrs);
  const { inputs, outputs } = parseSignature(options.sig);
  const types: { [R in Role]?: string } = {};
  for (const role of roles) {
    const name = options[role as keyof ProductOptions<string>];
    if (!name) continue;
    const term = [...inputs, ...outputs].find((candidate) => candidate.name === name);
    if (!term) throw new KernelError(`product "${options.sig}": ${role} is ${name}, which the signature does not have`);
    types[role] = term.dtype;
  }
  return {
    form: options.form,
    structure,
    access: accessOf(shape),
    subgroup: device.subgroup,
    levels: Math.max(
      options.tiles ? 0 : 1,
      levelsFor(shape.split === undefined ? shape.K : chunkOf(shape.K, shape.split)),
    ),
    fields: Object.keys(fieldsOf(shape)).slice(6),
    types,
    activation: options.activation?.(attrs) ?? "none",
    ...(structure.mode === "mx" && { matrix: matrixFor(structure, device) }),
  };
}

function renames(options: ProductOptions<string>): Record<string, string> {
  const named = roles.filter((role) => options[role as keyof ProductOptions<string>]);
  return Object.fromEntries(named.map((role) => [role, options[role as keyof ProductOptions<string>] as string]));
}

/** The fields of Dims: six always, the others where the product has them. */
function fieldsOf(shape: Shape): Record<string, number> {
  const { M, N, K, a, b, c, batch, split, scale } = shape;
  const fields: Record<string, number> = { rows: M, cols: N, depth: K, lda: a.ld, ldb: b.ld, ldc: c.ld };
  if (batch?.[1] !== undefined) fields.heads = batch[1];
  for (const [name, { offset, strideN = 0, strideH = 0 }] of Object.entries({ a, b, c })) {
    if (offset !== undefined) fields[`${name}Offset`] = offset;
    if (batch) fields[`${name}N`] = strideN;
    if (batch?.[1] !== undefined) fields[`${name}H`] = strideH;
  }
  if (split !== undefined) Object.assign(fields, { cN: c.strideN ?? 0, chunk: chunkOf(K, split) });
  if (!batch && split === undefined) fields.rowsFirst = Number(rowsFirst(shape));
  if (scale !== undefined) fields.scale = scale;
  return fields;
}

/** Length of a part of K: a multiple of 4, so that parts start where vec4s do. */
const chunkOf = (K: number, split: number): number => 4 * ceilDiv(ceilDiv(K, 4), split);

/**
 * Which tiles follow one another: those of one column where b is large, else those of one row. The columns of b lie a row
 * apart, hard to prefetch: a tile's share of them should stay in the core's cache for the rows that follow. Where all of b
 * stays there anyway, a is better read once. On lavapipe the wrong order costs a quarter at 408x2304x768 (NN, TN; rows
 * first is right) and at 4608x192x64 (columns first is).
 */
const rowsFirst = ({ M, N, K }: Shape): boolean => N * K > 2 ** 17 || M > 8 * most;

/** x and y count tiles in the order of `rowsFirst`, z batches or parts of K; with neither, further rows. */
function gridOf(shape: Shape, structure: ProductStructure, subgroup: number): readonly number[] {
  const tile = tileOf(structure, subgroup);
  const [rows, cols] = [ceilDiv(shape.M, tile.rows), ceilDiv(shape.N, tile.cols)];
  const count = productsOf(shape);
  const flat = !shape.batch && shape.split === undefined && rowsFirst(shape);
  const grid = flat ? [Math.min(rows, most), cols, ceilDiv(rows, most)] : [cols, rows, count];
  if (Math.max(...grid) > most)
    throw new LimitError(`${count} products of ${shape.M} x ${shape.N}: at most ${most} and ${most} tiles a side`);
  return grid;
}

/** Workgroups of one dimension that every adapter allows. */
const most = 65535;

/**
 * Which structures are candidates. CPU rasterisers pay for compiling: there the tall ones only for products where they
 * could win, and of the workgroup tiles, which cannot win, the smallest as a witness of the others.
 */
function offered(structure: ProductStructure, { M, N, K }: Shape, device: DeviceFacts): boolean {
  if (structure.mode === "sg") return !device.software || structure.rows <= 8 || M * N * K >= structure.rows * 2 ** 14;
  if (structure.mode === "mx") return runsTile(structure, device);
  const threads = structure.TX * structure.TY;
  return threads <= device.workgroupSize && (!device.software || threads <= 64 || M * N * K >= 2 ** 18);
}

/** Whether an activation would be unrolled over so many rows that a CPU rasteriser compiles it for seconds. */
const unrolls = (structure: ProductStructure, device: DeviceFacts): boolean =>
  device.software && structure.mode === "sg";
