// Elements joined one after another, with nothing to carry but the total: products, and sums of whole numbers.
import { op } from "../../engine/record/op.ts";
import { foldWays, runsOf, wayOf } from "./fold.ts";
import totalMerge from "./total-merge.wgsl";
import totalRun from "./total-run.wgsl";

/** The state of a total and its kernels; `joined` is an expression of p and q. */
export function totalOf(VALUE: "f32" | "Num", joined: string) {
  const lib = [`alias VALUE = ${VALUE};`, `fn joined(p: VALUE, q: VALUE) -> VALUE { return ${joined}; }`];
  return { state: { total: VALUE }, run: [...lib, totalRun], merge: [...lib, totalMerge] };
}

/** The op of a total of whole numbers, modulo 2³²; `of32` is `joined` of 32-bit integers. */
export const wholeTotal = (name: string, about: string, joined: string, of32: (p: number, q: number) => number) =>
  op({
    name,
    about,
    sig: "x_NAM -> y_NM",
    storage: ["i32", "u32"], // the reference is of the first
    derive: runsOf,
    ways: foldWays({ about, ...totalOf("Num", joined), writes: { y: "T(state.total)" } }),
    way: wayOf,
    ref({ x }, { N, A, M }) {
      const row = (r: number) => Array.from({ length: A }, (_, a) => x[(Math.floor(r / M) * A + a) * M + (r % M)]);
      return { y: Float64Array.from({ length: N * M }, (_, r) => row(r).reduce(of32)) };
    },
    flops: ({ N, A, M }) => N * A * M,
    bench: [{ N: 1232, A: 1000, M: 1 }],
    test: { sizes: { A: [1, 2, 3, 5, 8, 13, 33, 67, 130, 300, 1025] } },
  });
