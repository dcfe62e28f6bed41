// Reductions of whole numbers, beside those of floating point: the same kernels for u32 and for i32, exact, without gradients.
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { type Fold, foldWays, runsOf, wayOf } from "./fold.ts";

export type Whole = "u32" | "i32";

type Over = (x_NAM: Tensor) => Tensor;

export interface WholeRow {
  name: string;
  about: string;
  /** Type of the result; by default that of x. */
  to?: Whole;
  /** `writes` is left to `to`: y, with this value in terms of `state`. */
  fold: (of: Whole) => Omit<Fold, "writes" | "about" | "of">;
  value: string;
  ref: (x: Float64Array, dims: { N: number; A: number; M: number }, of: Whole) => ArrayLike<number>;
}

/** What a sum or product beyond 32 bits is: its remainder modulo 2³², read as u32 or i32. */
export const wrapped = (x: number, of: Whole): number => (of === "u32" ? x >>> 0 : x | 0);

/** Numbers of both signs where there are two, some of them equal. */
const draws: Record<Whole, (random: () => number, _: unknown, n: number) => number[]> = {
  u32: (random, _, n) => Array.from({ length: n }, () => Math.floor(9 * random())),
  i32: (random, _, n) => Array.from({ length: n }, () => Math.floor(9 * random()) - 4),
};

function over(of: Whole, { name, about, to = of, fold, value, ref }: WholeRow): Over {
  return op({
    name: `${name}${of.toUpperCase()}`,
    about: `${about}; whole numbers, without a gradient`,
    sig: `x_NAM:${of} -> y_NM:${to}` as "x_NAM:u32 -> y_NM:u32",
    derive: runsOf,
    ways: foldWays({ about, of, ...fold(of), writes: { [`y:${to}`]: value } }),
    way: wayOf,
    ref: ({ x }, dims) => ({ y: ref(x, dims, of) }),
    flops: ({ N, A, M }) => N * A * M,
    bench: [{ N: 1232, A: 1000, M: 1 }],
    test: { sizes: { A: [1, 2, 3, 5, 8, 13, 33, 67, 130, 300, 1025] }, draw: { x: draws[of] } },
  });
}

/** A reduction of tensors of any type: `floats`, and a row for whole numbers. */
export function ofAnyType(floats: Over, row: WholeRow): Over {
  const wholes = { u32: over("u32", row), i32: over("i32", row) };
  return (x) => (x.dtype === "u32" || x.dtype === "i32" ? wholes[x.dtype](x) : floats(x));
}

/** Whether results may be reduced further without another rounding: those of whole numbers may. */
export const roundingOf = ({ dtype }: Tensor) => (dtype === "u32" || dtype === "i32" ? "exact" : "rounded");
