// The launch of ops that put elements in their places row by row: how rows are shared out among invocations, and in which width
// elements are moved. What is put where is the op's `fn put(n: u32, q: u32)`: element q of row n, of `dim.N` rows of `dim.row`.
import { type Attrs, type Pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { lanesGrid, planeGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import lanesText from "./lanes.wgsl";
import rowsText from "./rows.wgsl";

/** RowsPut shorter than this have no workgroup to themselves. */
const short = 64;

/** What an op has to say of its rows, in elements. */
export interface RowsPut {
  /** The kernel but for its `main`; as a function of the numbers in an element where it differs. */
  readonly text: string | ((step: 1 | 4) => string);
  /** Their number and length; elements move as vec4s where `unit`, which divides the length, is a multiple of four. */
  readonly of: (dims: Sizes) => { count: number; row: number; unit: number };
  /** Fields of `Dims`, where an element is `step` numbers. */
  readonly uniforms: (dims: Sizes, attrs: Attrs, step: number) => Record<string, number>;
  readonly rename: Record<string, string>;
}

/** One launch with the signature `sig`; kernels know an `Element`. */
export function rowsPass(sig: string, { text, of, uniforms, rename }: RowsPut): Pass {
  const own = (step: 1 | 4) => (typeof text === "string" ? text : text(step));
  const over = (element: string, step: 1 | 4, isShort: boolean): Variant => ({
    source: isShort
      ? [`alias Element = ${element};`, own(step), lanesText]
      : [flat, `alias Element = ${element};`, own(step), rowsText],
    grid(dims, consts) {
      const { count, row } = of(dims);
      return isShort ? lanesGrid((count * row) / step, consts) : planeGrid(row / step, count, consts);
    },
    uniforms: (dims, attrs) => {
      const { count, row } = of(dims);
      return { N: count, row: row / step, ...uniforms(dims, attrs, step) };
    },
    available: (_, dims) => of(dims).unit % step === 0,
    rename,
  });
  const variants = {
    rows: over("T", 1, false),
    rows4: over("vec4<T>", 4, false),
    lanes: over("T", 1, true),
    lanes4: over("vec4<T>", 4, true),
  };
  return passOf(sig, variants, (dims) => {
    const { row, unit } = of(dims);
    if (unit % 4 === 0) return row / 4 < short ? "lanes4" : "rows4";
    return row < short ? "lanes" : "rows";
  });
}
