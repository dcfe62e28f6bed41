// Functions of single elements that analysis has names for: rows of the table in pointwise.ts.
import { anyType } from "../engine/declare/signature.ts";
import { erf64 } from "./lib/erf.ts";
import erf4 from "./lib/erf.wgsl";
import numbers from "./lib/numbers.wgsl";
import sincos from "./lib/sincos.wgsl";
import { unary } from "./pointwise.ts";

/** y = |x|, elementwise; its gradient at 0 is 0, as in PyTorch. */
export const abs = unary({
  name: "abs",
  about: "y = |x|",
  storage: anyType,
  f: "abs(x)",
  df: "sign(x)",
  ref: Math.abs,
  flops: 1,
});

/** y = −1, 0 or 1 as x is below, at or above 0; its gradient is 0. */
export const sign = unary({
  name: "sign",
  about: "y = −1, 0 or 1, the sign of x; its gradient is 0",
  lib: [numbers],
  storage: anyType,
  f: {
    float: "nan_or4(x, sign(x))",
    whole: "vec4<Num>(x > vec4<Num>(0)) - vec4<Num>(x < vec4<Num>(0))",
  },
  df: "vec4f(0)",
  ref: Math.sign,
  flops: 1,
});

const far = (random: () => number, _: unknown, n: number) =>
  Array.from({ length: n }, (_, i) => (random() - 0.5) * (i % 3 === 0 ? 2000 : 8));

/**
 * y = sin x, elementwise, x in radians. Within 1e-6 of the true value for |x| to 1e5 (lavapipe and SwiftShader); beyond, the multiple
 * of π/2 is lost.
 */
export const sin = unary({
  name: "sin",
  about: "y = sin x, x in radians",
  lib: [numbers, sincos],
  f: "sin4(x)",
  df: "cos4(x)",
  ref: Math.sin,
  flops: 20,
  draw: far,
});

/**
 * y = cos x, elementwise, x in radians. Within 1e-6 of the true value for |x| to 1e5 (lavapipe and SwiftShader); beyond, the multiple
 * of π/2 is lost.
 */
export const cos = unary({
  name: "cos",
  about: "y = cos x, x in radians",
  lib: [numbers, sincos],
  f: "cos4(x)",
  df: "-sin4(x)",
  ref: Math.cos,
  flops: 20,
  draw: far,
});

/** y = erf x = 2/√π ∫₀ˣ exp −t² dt, elementwise. */
export const erf = unary({
  name: "erf",
  about: "y = erf x = 2/√π ∫₀ˣ exp −t² dt",
  lib: [numbers, erf4],
  f: "nan_or4(x, erf4(x))",
  df: "1.1283792 * exp(-min(x * x, vec4f(80)))",
  ref: erf64,
  flops: 20,
});

/** Rounding has no slope: its gradient is 0, as in PyTorch. */
const rounding = (name: string, about: string, ref: (x: number) => number) =>
  unary({ name, about, f: `${name}(x)`, df: "vec4f(0)", ref, flops: 1, draw: (random, _, n) => offWhole(random, n) });

/** Away from whole numbers and halves, where the slope of the reference has no meaning. */
const offWhole = (random: () => number, n: number) =>
  Array.from({ length: n }, () => Math.floor(20 * random() - 10) + 0.1 + 0.3 * random() + (random() < 0.5 ? 0.5 : 0));

/** y = ⌊x⌋, elementwise; its gradient is 0. */
export const floor = rounding("floor", "y = the largest whole number that is at most x; its gradient is 0", Math.floor);
/** y = ⌈x⌉, elementwise; its gradient is 0. */
export const ceil = rounding("ceil", "y = the smallest whole number that is at least x; its gradient is 0", Math.ceil);
/** y = x rounded to the nearest whole number, halves to the even one, as PyTorch and NumPy do; its gradient is 0. */
export const round = rounding(
  "round",
  "y = the nearest whole number, halves to the even one; its gradient is 0",
  (x) => {
    const below = Math.floor(x);
    const rest = x - below;
    return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : Number.isFinite(x) ? below + 1 : x;
  },
);
