// Sums of whole numbers and products: elements joined one after another, with nothing to carry but the total.
import type { Dtype } from "../../engine/declare/signature.ts";
import totalMerge from "./total-merge.wgsl";
import totalRun from "./total-run.wgsl";
import { wrapped, type WholeRow } from "./wholes.ts";

/** The state of a total and its kernels; `joined` is an expression of p and q. */
export function totalOf(VALUE: Dtype, joined: string) {
  const lib = [`alias VALUE = ${VALUE};`, `fn joined(p: VALUE, q: VALUE) -> VALUE { return ${joined}; }`];
  return { state: { total: VALUE }, run: [...lib, totalRun], merge: [...lib, totalMerge] };
}

/** A total of whole numbers: what goes beyond 32 bits is left out, as u32 and i32 do everywhere. */
export const total = (
  name: string,
  about: string,
  joined: string,
  of64: (a: number, b: number) => number,
): WholeRow => ({
  name,
  about,
  fold: (of) => totalOf(of, joined),
  value: "state.total",
  ref(x, { N, A, M }, of) {
    const at = (n: number, a: number, m: number) => x[(n * A + a) * M + m];
    return Float64Array.from({ length: N * M }, (_, r) => {
      const all = Array.from({ length: A }, (_, a) => at(Math.floor(r / M), a, r % M));
      return all.reduce((sum, v) => wrapped(of64(sum, v), of));
    });
  },
});
