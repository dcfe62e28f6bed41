// Kernels whose rows are read by single numbers or by vec4s: one text, its width a parameter.
import { type Pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";

/** Numbers that one SUM of a kernel holds. */
export type Width = 1 | 4;

/** A text that says WIDE for the numbers in a SUM, and SUM for f32 or vec4f. */
export interface WideText extends Pick<Variant, "uniforms"> {
  /** Joined in order, behind what WIDE and SUM are. */
  readonly source: readonly string[];
  readonly grid: (dims: Sizes, consts: Sizes, wide: Width) => number;
  /** Length of the rows that are read SUM by SUM; whole vec4s are taken as such. */
  readonly rowOf: (dims: Sizes) => number;
}

/** One launch in two variants of one text: `vec4` where rows are whole vec4s, `any` elsewhere. */
export function widePass(sig: string, { source, grid, uniforms, rowOf }: WideText): Pass {
  const variant = (wide: Width): Variant => ({
    source: [`const WIDE = ${wide}u;\nalias SUM = ${wide === 4 ? "vec4f" : "f32"};\n`, ...source],
    grid: (dims, consts) => grid(dims, consts, wide),
    uniforms,
    available: (_, dims) => rowOf(dims) % wide === 0,
  });
  return passOf(sig, { any: variant(1), vec4: variant(4) }, (dims) => (rowOf(dims) % 4 === 0 ? "vec4" : "any"));
}
