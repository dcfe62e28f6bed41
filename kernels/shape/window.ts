// The launch behind pieces of an axis: slices, their gradients, the gradients of joining.
import { type Attrs, counted, type Pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { planeGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import window from "./window.wgsl";
import window4 from "./window4.wgsl";

/**
 * y[n, c, m] = x[n, c + shift, m], zero where x has no such place. `names` are the op's for x and y, `axes` the letters
 * of x's axis, of y's, and of those behind.
 */
export function windowPass(
  names: { x: string; y: string },
  [wide, short, behind]: readonly [string, string, string],
  shift: (dims: Sizes, attrs: Attrs) => number,
): Pass {
  const over = (source: readonly string[], width: number): Variant => ({
    source,
    grid: (dims, consts) => planeGrid((dims[short] * dims[behind]) / width, dims.N, consts),
    uniforms: (dims, attrs) => ({
      width: dims[wide],
      count: dims[short],
      inner: dims[behind],
      shift: shift(dims, attrs),
    }),
    rename: names,
  });
  const inVec4s = (dims: Sizes): boolean => dims[behind] % 4 === 0;
  const moved = (dims: Sizes) => 4 * dims.N * dims[behind] * (dims[short] + Math.min(dims[short], dims[wide]));
  return counted(
    passOf(
      `${names.x}_N${wide}${behind} -> ${names.y}_N${short}${behind}`,
      { any: over([flat, window], 1), vec4: { ...over([flat, window4], 4), available: (_, dims) => inVec4s(dims) } },
      (dims) => (inVec4s(dims) ? "vec4" : "any"),
    ),
    (dims) => ({ bytes: moved(dims) }),
  );
}
