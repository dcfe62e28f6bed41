// What the text of a matrix product depends on: its form, the structure of its tile, how memory is read.
import type { MatrixSize } from "../../engine/declare/facts.ts";
import type { Activation } from "./activation.ts";

export type ProductForm = "NN" | "NT" | "TN";
export type Role = "a" | "b" | "c" | "factor" | "bias" | "pre" | "residual";

/** How a tile is computed. */
export type ProductStructure =
  | { readonly mode: "sg"; readonly rows: number }
  | { readonly mode: "wg"; readonly TX: number; readonly TY: number; readonly rows: number; readonly KT: number }
  | MatrixStructure;

/** `down` x `across` subgroups share a tile of `rows` x `cols` outputs, each a block of it in matrices of the device's size. */
export interface MatrixStructure {
  readonly mode: "mx";
  readonly rows: number;
  readonly cols: number;
  readonly down: number;
  readonly across: number;
  readonly KT: number;
}

/** The structures by name: `wg64` is 16 x 16 invocations of 4 x 4 outputs, as `wg32` is 8 x 8 of them; `mx64` has 64 x 64 in matrices. */
export const structures = {
  sg8: { mode: "sg", rows: 8 },
  sg16: { mode: "sg", rows: 16 },
  sg32: { mode: "sg", rows: 32 },
  wg32: { mode: "wg", TX: 8, TY: 8, rows: 4, KT: 8 },
  wg64: { mode: "wg", TX: 16, TY: 16, rows: 4, KT: 16 },
  wg128: { mode: "wg", TX: 16, TY: 16, rows: 8, KT: 16 },
  mx32: { mode: "mx", rows: 32, cols: 32, down: 2, across: 1, KT: 32 },
  mx64: { mode: "mx", rows: 64, cols: 64, down: 2, across: 2, KT: 32 },
  mx128: { mode: "mx", rows: 128, cols: 128, down: 2, across: 4, KT: 32 },
} as const satisfies Record<string, ProductStructure>;

export type StructureName = keyof typeof structures;

/**
 * How memory is read. `vec`: vec4 everywhere, K a multiple of 4. `padded`: vec4 everywhere, any K. `loads`: vec4 loads, any
 * K, scalar stores. `scalar`: any sizes and strides.
 */
export type Access = "vec" | "padded" | "loads" | "scalar";

/** Whether c, and what lies as it does, is written four columns at a time. */
export const inVectors = (access: Access): boolean => access === "vec" || access === "padded";

/** All that the text depends on. */
export interface EmittedKernel {
  readonly form: ProductForm;
  readonly structure: ProductStructure;
  readonly access: Access;
  readonly subgroup: number;
  /** Levels of sums of panels (levelsFor); 0 where one panel is all. */
  readonly levels: number;
  /** Fields of Dims beyond rows, cols, depth, lda, ldb, ldc, in order. */
  readonly fields: readonly string[];
  /** Element type of every tensor: T or f32. */
  readonly types: { readonly [R in Role]?: string };
  readonly activation: Activation;
  /** The matrices of a tile of matrices. */
  readonly matrix?: MatrixSize;
}

/** Columns and rows of one workgroup's tile. */
export function tileOf(structure: ProductStructure, subgroup: number): { rows: number; cols: number } {
  if (structure.mode === "sg") return { rows: structure.rows, cols: 4 * subgroup };
  if (structure.mode === "mx") return { rows: structure.rows, cols: structure.cols };
  return { rows: structure.TY * structure.rows, cols: structure.TX * 4 };
}
