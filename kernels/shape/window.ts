// The launch behind pieces of an axis: slices, padding, their gradients, the gradients of joining.
import { type Attrs, counted, type Pass } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { rowsPass } from "./by-rows.ts";
import text from "./window.wgsl";

/**
 * y[n, c, m] = x[n, c + shift, m], where x has no such place the element of these bits, by default 0. `names` are the op's for x and y,
 * `axes` the letters of x's axis, of y's, and of those behind.
 */
export function windowPass(
  names: { x: string; y: string },
  [wide, short, behind]: readonly [string, string, string],
  shift: (dims: Sizes, attrs: Attrs) => number,
  bits: (attrs: Attrs) => number = () => 0,
): Pass {
  const pass = rowsPass(`${names.x}_N${wide}${behind} -> ${names.y}_N${short}${behind}`, {
    text,
    of: (dims) => ({ count: dims.N, row: dims[short] * dims[behind], unit: dims[behind] }),
    uniforms: (dims, attrs, step) => ({
      wide: (dims[wide] * dims[behind]) / step,
      offset: (shift(dims, attrs) * dims[behind]) / step,
      bits: bits(attrs),
    }),
    rename: names,
  });
  const moved = (dims: Sizes) => 4 * dims.N * dims[behind] * (dims[short] + Math.min(dims[short], dims[wide]));
  return counted(pass, (dims) => ({ bytes: moved(dims) }));
}
