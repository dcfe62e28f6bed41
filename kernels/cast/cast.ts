// Between element types. Sums and statistics are f32 everywhere; f16 halves the bytes of what is stored; integers are exact.
import { ceilDiv, type Dtype, op, type Pass, pass, type Tensor } from "../../engine/index.ts";
import { isWholeType, type TypeClass, wholes } from "../../engine/declare/signature.ts";
import { takes } from "../../engine/takes.ts";
import numbers from "../lib/numbers.wgsl";
import { isFloat } from "../operands.ts";
import { type Expression, flatPass } from "../pointwise.ts";
import text from "./cast.wgsl";

// ---- to floats ---------------------------------------------------------------------------------------------------

/** vec4s per workgroup: a contiguous chunk, at most 1024 workgroups. */
const chunk = (N: number): number => Math.max(256, ceilDiv(ceilDiv(N, 4), 1024));

/** What becomes of finite numbers beyond ±65504: the largest there are, or, where somebody looks for them, infinities. */
const limited = "fn held(v: vec4f) -> vec4f { return clamp(v, vec4f(-65504.0), vec4f(65504.0)); }";
const infinite = "fn held(v: vec4f) -> vec4f { return select(v, v * 3e38, abs(v) > vec4f(65504.0)); }";

const convert = (sig: string, x: string, y: string, from: Dtype | "T", to: Dtype, held = limited): Pass =>
  pass(sig, [`alias From = ${from};`, `alias To = ${to};`, held, text], ({ N }) => ceilDiv(ceilDiv(N, 4), chunk(N)), {
    uniforms: ({ N }) => ({ chunk: chunk(N) }),
    rename: { x, y },
  });

const bench = [{ N: 2 ** 22 }];
const sizes = { N: [1, 2, 3, 4, 5, 7, 1023, 1025] };

const toF16 = op({
  name: "toF16",
  about: "y = x rounded to half precision, within ±65504",
  sig: "x_N:f32 -> y_N:f16",
  forward: [convert("x_N:f32 -> y_N:f16", "x", "y", "f32", "f16")],
  backward: [convert("dy_N:f16 -> dx_N:f32", "dy", "dx", "f16", "f32")],
  ref: ({ x }) => ({ y: x.slice() }),
  flops: () => 0,
  bench,
  test: { sizes, tolerance: 1e-3, gradient: 1e-3 }, // 11 bits: 2^-11 = 5e-4
});

const toF32 = op({
  name: "toF32",
  about: "y = x in single precision",
  sig: "x_N:f16 -> y_N:f32",
  forward: [convert("x_N:f16 -> y_N:f32", "x", "y", "f16", "f32")],
  backward: [convert("dy_N:f32 -> dx_N:f16", "dy", "dx", "f32", "f16", infinite)],
  ref: ({ x }) => ({ y: x.slice() }),
  flops: () => 0,
  bench,
  test: { sizes, gradient: 1e-3 }, // the gradient is stored in 11 bits
});

/**
 * y ← x rounded to half precision in place, x_N f32 and y_N f16: parameters for a step whose masters are f32. Beyond ±65504 it is
 * infinite, so that a step with such a parameter is seen to be no good.
 */
export const halve = op({
  name: "halve",
  about: "y ← x rounded to half precision in place; infinite beyond ±65504",
  sig: "x_N:f32 y_N:f16 -> y_N:f16",
  forward: [convert("x_N:f32 y_N:f16 -> y_N:f16", "x", "y", "f32", "f16", infinite)],
  ref: ({ x }) => ({ y: x.map((v) => (Math.abs(v) > 65504 ? v * Number.POSITIVE_INFINITY : v)) }),
  flops: () => 0,
  bench,
  test: { sizes, tolerance: 1e-3 }, // 11 bits
});

const wholeToF32 = op({
  name: "wholeToF32",
  about: "y = the integer x in single precision: exact to 2²⁴, beyond the nearest there is",
  sig: "x_N -> y_N:f32",
  storage: wholes,
  // by halves, which are exact, so that one sum rounds: drivers round a whole conversion as they like
  forward: [
    flatPass({
      about: "y = x in single precision",
      reads: ["x"],
      writes: { "y:f32": "vec4f(x >> vec4u(16)) * 65536.0 + vec4f(x & vec4<Num>(0xffff))" },
    }),
  ],
  ref: ({ x }) => ({ y: x.map(Math.fround) }),
  flops: () => 0,
  bench,
});

const wholeToF16 = op({
  name: "wholeToF16",
  about: "y = the integer x in half precision, within ±65504: exact to 2¹¹, beyond the nearest there is",
  sig: "x_N -> y_N:f16",
  storage: wholes,
  forward: [convert("x_N -> y_N:f16", "x", "y", "T", "f16")],
  ref: ({ x }) => ({ y: x.map((v) => Math.max(-65504, Math.min(65504, v))) }),
  flops: () => 0,
  bench,
  test: { tolerance: 1e-3 }, // 11 bits
});

// ---- to integers -------------------------------------------------------------------------------------------------

/** Numbers of all sizes, with fractions, some beyond both types. */
const draw = (random: () => number, _: unknown, n: number) =>
  Array.from({ length: n }, (_, i) => (random() - 0.5) * 10 ** (i % 12));

/** Towards 0, and the nearest that there is beyond the type; NaN becomes 0. */
function integer64(x: number, dtype: "u32" | "i32"): number {
  const [least, most] = dtype === "u32" ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
  return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), least), most);
}

function toWhole(name: string, dtype: "u32" | "i32", y: Expression) {
  const about = "y = x without its fraction, within what there is, NaN as 0; other integers modulo 2³²";
  return op({
    name,
    about,
    sig: `x_N -> y_N:${dtype}` as "x_N -> y_N:u32",
    storage: ["f32", "f16", dtype === "u32" ? "i32" : "u32"],
    forward: [flatPass({ about, lib: [numbers], reads: ["x"], writes: { [`y:${dtype}`]: y } })],
    ref: ({ x }, _, __, T) => ({ y: isWholeType(T) ? x : x.map((v) => integer64(v, dtype)) }),
    flops: () => 0,
    bench,
    test: { draw: { x: draw }, tolerance: 0 },
  });
}

const toU32 = toWhole("toU32", "u32", {
  float: "select(select(vec4u(max(x, vec4f(0))), vec4u(4294967295), x >= vec4f(4294967296)), vec4u(0), is_nan4(x))",
  whole: "vec4u(x)",
});

const held = "select(vec4i(x), vec4i(2147483647), x >= vec4f(2147483648))";
const toI32 = toWhole("toI32", "i32", {
  float: `select(select(${held}, vec4i(-2147483647 - 1), x < vec4f(-2147483648)), vec4i(0), is_nan4(x))`,
  whole: "vec4i(x)",
});

/**
 * x as elements of another type; x itself where it is of that type. To f16: rounded, within ±65504. From integers to f32: exact up to
 * 2^24, beyond it the nearest there is. From floats to integers: without the fraction (1.9 and −1.9 are 1 and −1); what the type cannot
 * hold becomes the nearest that it can, −1 as u32 is 0, and NaN becomes 0 (PyTorch leaves both undefined). Between u32 and i32: modulo
 * 2^32, so −1 is 4294967295. Gradients flow between floats; one that goes back into f16 is infinite beyond ±65504.
 */
export function cast<D extends Dtype>(x: Tensor<Dtype>, dtype: D): Tensor<TypeClass<D>> {
  takes('cast(x: tensor, dtype: "f32" | "f16" | "u32" | "i32")', arguments);
  return castTo(x, dtype) as Tensor<Dtype> as Tensor<TypeClass<D>>;
}

function castTo(x: Tensor<Dtype>, dtype: Dtype): Tensor<Dtype> {
  if (x.dtype === dtype) return x;
  if (isWholeType(dtype)) return (dtype === "u32" ? toU32 : toI32)(x as Tensor);
  if (isFloat(x)) return (dtype === "f16" ? toF16 : toF32)(x as Tensor);
  return (dtype === "f16" ? wholeToF16 : wholeToF32)(x as Tensor<"u32" | "i32">);
}
