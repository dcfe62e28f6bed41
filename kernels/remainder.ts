// Division that stays whole: ⌊a / b⌋ and what it leaves, of floats and of integers; shapes broadcast. Remainders have the sign of b, as
// in PyTorch and Python, so that a remainder by n is a place from 0 to n − 1.
import { anyType, type Dtype } from "../engine/declare/signature.ts";
import type { Tensor } from "../engine/record/tensor.ts";
import { takes } from "../engine/takes.ts";
import type { Binary } from "./broadcast.ts";
import { aligned } from "./compare.ts";
import numbers from "./lib/numbers.wgsl";
import remainders from "./lib/remainder.wgsl";
import { operand } from "./operands.ts";
import { sameShape } from "./pointwise.ts";

/** a with the sign of its remainder by b on b's side; 0 of integers by 0. */
function remainder64(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

function floorDivide64(a: number, b: number): number {
  if (b === 0) return a / b;
  const rest = a % b;
  return Math.round((a - rest) / b) - (rest !== 0 && rest < 0 !== b < 0 ? 1 : 0);
}

/** Halves, ones and twos of either sign, and numbers in the middle between their multiples: there a quotient has a slope. */
const draw = {
  a: (random: () => number, _: unknown, n: number) =>
    Array.from({ length: n }, () => Math.floor(20 * random() - 10) / 2 + 0.1 + 0.3 * random()),
  b: (random: () => number, _: unknown, n: number) =>
    Array.from({ length: n }, () => [0.5, 1, 2, -0.5, -1, -2][Math.floor(6 * random())]),
};

const isBelow = "((a % b) != vec4<Num>(0)) & ((a < vec4<Num>(0)) != (b < vec4<Num>(0)))";

const divided = sameShape({
  name: "floorDivide",
  about: "y = ⌊a / b⌋; its gradient is 0. Of integers by 0 it is a",
  storage: anyType,
  lib: [numbers, remainders],
  f: { float: "floor_divide4(a, b)", whole: `a / b - select(vec4<Num>(0), vec4<Num>(1), ${isBelow})` },
  da: "vec4f(0)",
  db: "vec4f(0)",
  ref: floorDivide64,
  wholeRef: (a, b) => (b === 0 ? a : floorDivide64(a, b)),
  draw,
});

const left = sameShape({
  name: "remainder",
  about: "y = a − b ⌊a / b⌋, between 0 and b. Of integers by 0 it is 0",
  storage: anyType,
  lib: [numbers, remainders],
  f: { float: "remainder4(a, b)", whole: `a % b + select(vec4<Num>(0), b, ${isBelow})` },
  da: "vec4f(1)",
  db: "-floor_divide4(a, b)",
  ref: remainder64,
  wholeRef: (a, b) => (b === 0 ? 0 : remainder64(a, b)),
  draw,
});

const quotient = aligned<Binary>("floorDivide", divided);
const rest = aligned<Binary>("remainder", left);

/**
 * ⌊a / b⌋ (PyTorch's floor_divide): rounded down, so −7 by 2 is −4; exact for integers, and of floats without the rounding of a / b. b may
 * be a number; shapes broadcast. By 0 floats give ±∞ or NaN; integers give a, as WGSL defines it (PyTorch raises an error). Its
 * gradient is 0. Errors: ShapeError for tensors of two types.
 */
export function floorDivide<D extends Dtype>(a: Tensor<D>, b: Tensor<NoInfer<D>> | number): Tensor<D> {
  takes("floorDivide(a: tensor, b: tensor | real)", arguments);
  return quotient(a, operand("floorDivide", b, a));
}

/**
 * What floorDivide leaves, exactly: a − b ⌊a / b⌋, with the sign of b, so −7 by 2 leaves 1 (PyTorch's remainder, Python's %). b may be a
 * number; shapes broadcast. By 0 floats give NaN; integers give 0, as WGSL defines it (PyTorch raises an error). Gradients: dy to
 * a, −⌊a / b⌋ dy to b. Errors: ShapeError for tensors of two types.
 */
export function remainder<D extends Dtype>(a: Tensor<D>, b: Tensor<NoInfer<D>> | number): Tensor<D> {
  takes("remainder(a: tensor, b: tensor | real)", arguments);
  return rest(a, operand("remainder", b, a));
}
