// Integers as 32 bits, element by element; shapes broadcast, and b may be a number.
import { wholes } from "../engine/declare/signature.ts";
import { op } from "../engine/record/op.ts";
import type { Tensor } from "../engine/record/tensor.ts";
import { takes } from "../engine/takes.ts";
import { aligned } from "./compare.ts";
import { operand } from "./operands.ts";
import { flatPass } from "./pointwise.ts";

type Whole = "u32" | "i32";

interface Row {
  readonly name: string;
  readonly about: string;
  readonly f: string;
  readonly ref: (a: number, b: number) => number;
  readonly draw?: { b: (random: () => number, _: unknown, n: number) => number[] };
}

function bitwise({ name, about, f, ref, draw }: Row) {
  const of = op({
    name,
    about,
    sig: "a_N b_N -> y_N",
    storage: wholes,
    forward: [flatPass({ about, reads: ["a", "b"], writes: { y: f } })],
    ref: ({ a, b }) => ({ y: a.map((v, i) => ref(v, b[i])) }),
    flops: ({ N }) => N,
    bench: [{ N: 2 ** 22 }],
    test: { draw },
  });
  const broadcast = aligned<<D extends Whole>(a: Tensor<D>, b: Tensor<D>) => Tensor<D>>(name, of);
  const signature = `${name}(a: tensor, b: tensor | real)`;
  return function <D extends Whole>(a: Tensor<D>, b: Tensor<NoInfer<D>> | number): Tensor<D> {
    takes(signature, arguments);
    return broadcast(a, operand(name, b, a, true));
  };
}

/** The bits that both have. u32 or i32; b may be a number; shapes broadcast. */
export const bitwiseAnd = bitwise({
  name: "bitwiseAnd",
  about: "y = the bits that both a and b have",
  f: "a & b",
  ref: (a, b) => a & b,
});
/** The bits that one of the two has, or both. u32 or i32; b may be a number; shapes broadcast. */
export const bitwiseOr = bitwise({
  name: "bitwiseOr",
  about: "y = the bits that a or b has",
  f: "a | b",
  ref: (a, b) => a | b,
});
/** The bits in which the two differ. u32 or i32; b may be a number; shapes broadcast. */
export const bitwiseXor = bitwise({
  name: "bitwiseXor",
  about: "y = the bits in which a and b differ",
  f: "a ^ b",
  ref: (a, b) => a ^ b,
});

/** Places to move by, some beyond the 32 that there are. */
const draw = {
  b: (random: () => number, _: unknown, n: number) => Array.from({ length: n }, () => Math.floor(40 * random())),
};

/** a moved b places to the left, that is a · 2^b modulo 2^32; 0 beyond 31 places. u32 or i32; b may be a number; shapes broadcast. */
export const bitwiseLeftShift = bitwise({
  name: "bitwiseLeftShift",
  about: "y = a · 2^b modulo 2³²",
  f: "select(a << min(vec4u(b), vec4u(31)), vec4<Num>(0), vec4u(b) > vec4u(31))",
  ref: (a, b) => (b > 31 ? 0 : (a << b) >>> 0),
  draw,
});
/**
 * a moved b places to the right, that is ⌊a / 2^b⌋: the sign of i32 comes in from the left, 0 of u32; also beyond 31 places. b may be a
 * number; shapes broadcast.
 */
export const bitwiseRightShift = bitwise({
  name: "bitwiseRightShift",
  about: "y = ⌊a / 2^b⌋",
  f: "(a >> min(vec4u(b), vec4u(31))) >> select(vec4u(0), vec4u(1), vec4u(b) > vec4u(31))",
  ref: (a, b) => Math.floor(a / 2 ** b),
  draw,
});

/** The bits that x does not have: −x − 1. u32 or i32. */
export function bitwiseNot<D extends Whole>(x: Tensor<D>): Tensor<D> {
  takes("bitwiseNot(x: tensor)", arguments);
  return bitwiseXor(x, -1);
}
