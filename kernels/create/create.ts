// Tensors made on the device of nothing but their shape: constants, sequences, the identity. Like `tensor`, they belong to the scope
// that is open; `keep` moves them to the one around, or makes them last where there is none.
import { bitsOf, checkHeld } from "../../engine/declare/bits.ts";
import { pass } from "../../engine/declare/pass.ts";
import { anyType, type Dtype, isWholeType, type TypeClass } from "../../engine/declare/signature.ts";
import { ShapeError } from "../../engine/errors.ts";
import { fill } from "../../engine/record/builtin.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { flatGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import arangeText from "./arange.wgsl";
import eyeText from "./eye.wgsl";
import linspaceText from "./linspace.wgsl";

/** The type of what is made; f32 unless said. */
export interface CreateOptions<D extends Dtype = Dtype> {
  readonly dtype?: D;
}

const made = '{ dtype?: "f32" | "f16" | "u32" | "i32" }';
const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

// ---- constants ---------------------------------------------------------------------------------------------------

function constant<D extends Dtype>(shape: readonly number[], value: number, dtype?: D): Tensor<TypeClass<D>> {
  return fill({ value, n: product(shape), dtype }).reshape(shape);
}

/** A tensor of one value. Errors: ShapeError where the type cannot hold it. */
export function full<D extends Dtype = "f32">(
  shape: readonly number[],
  value: number,
  options: CreateOptions<D> = {},
): Tensor<TypeClass<D>> {
  takes(`full(shape: shape, value: float, options?: ${made})`, arguments);
  return constant(shape, value, options.dtype);
}

/** A tensor of zeros. */
export function zeros<D extends Dtype = "f32">(
  shape: readonly number[],
  options: CreateOptions<D> = {},
): Tensor<TypeClass<D>> {
  takes(`zeros(shape: shape, options?: ${made})`, arguments);
  return constant(shape, 0, options.dtype);
}

/** A tensor of ones. */
export function ones<D extends Dtype = "f32">(
  shape: readonly number[],
  options: CreateOptions<D> = {},
): Tensor<TypeClass<D>> {
  takes(`ones(shape: shape, options?: ${made})`, arguments);
  return constant(shape, 1, options.dtype);
}

/** Zeros in the shape of x, and of its type unless said. */
export function zerosLike<X extends Dtype, D extends Dtype = X>(
  x: Tensor<X>,
  options: CreateOptions<D> = {},
): Tensor<TypeClass<D>> {
  takes(`zerosLike(x: tensor, options?: ${made})`, arguments);
  return constant(x.shape, 0, options.dtype ?? (x.dtype as Dtype as D));
}

/** Ones in the shape of x, and of its type unless said. */
export function onesLike<X extends Dtype, D extends Dtype = X>(
  x: Tensor<X>,
  options: CreateOptions<D> = {},
): Tensor<TypeClass<D>> {
  takes(`onesLike(x: tensor, options?: ${made})`, arguments);
  return constant(x.shape, 1, options.dtype ?? (x.dtype as Dtype as D));
}

// ---- sequences ---------------------------------------------------------------------------------------------------

const sequence = op({
  name: "arange",
  about: "y_i = start + i · step, n elements",
  sig: "-> y_N",
  storage: anyType,
  attrs: { start: 0, step: 1, n: 1, dtype: "f32" as Dtype },
  takes: { start: "number", step: "number", n: "size", dtype: '"f32" | "f16" | "u32" | "i32"' },
  derive(_, { start, step, n, dtype }) {
    checkHeld(
      (i) => `arange: ${["start", "step", "the last element"][i]}`,
      [start, step, start + (n - 1) * step],
      dtype,
    );
    return { N: n };
  },
  forward: [
    pass("-> y_N", [flat, arangeText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms(_, { start, step, dtype }) {
        const computed = isWholeType(dtype as Dtype) ? (dtype as Dtype) : "f32";
        return { firstBits: bitsOf(Number(start), computed), stepBits: bitsOf(Number(step), computed) };
      },
    }),
  ],
  ref: (_, { N }, { start, step }) => ({ y: Float64Array.from({ length: N }, (_, i) => start + i * step) }),
  flops: ({ N }) => 2 * N,
  bench: [{ attrs: { n: 2 ** 22 } }],
  test: {
    attrs: [
      {},
      { n: 1000 },
      { start: 2 ** 31 - 5000, n: 4999 },
      { start: -1.5, step: 0.1, n: 37 },
      { start: 7, step: -2, n: 5 },
    ],
  },
});

type ArangeArgs<D extends Dtype> =
  | [end: number, options?: CreateOptions<D>]
  | [start: number, end: number, options?: CreateOptions<D>]
  | [start: number, end: number, step: number, options?: CreateOptions<D>];

/**
 * Numbers from `start`, by default 0, to before `end`, `step` apart, by default 1 (PyTorch's arange): arange(3) is 0, 1, 2, and
 * arange(3, 0, -1) is 3, 2, 1. They are f32 unless `{ dtype }` says otherwise; integers are exact. Errors: ShapeError where there is none.
 */
export function arange<D extends Dtype = "f32">(...args: ArangeArgs<D>): Tensor<TypeClass<D>> {
  const options = typeof args.at(-1) === "object" ? args.at(-1) : undefined;
  const given = (options ? args.slice(0, -1) : args) as number[];
  const [start, end, step = 1, ...more] = given.length === 1 ? [0, given[0]] : given;
  takes(`arange(start: number, end: number, step?: number, options?: ${made})`, [start, end, step, options, ...more]);
  const n = Math.ceil((end - start) / step);
  if (!(n >= 1 && Number.isFinite(n)))
    throw new ShapeError(
      `arange: there is no number from ${start} to before ${end} in steps of ${step}; a tensor has one at least`,
    );
  return sequence({ start, step, n, ...(options as CreateOptions) }) as Tensor<Dtype> as Tensor<TypeClass<D>>;
}

const spaced = op({
  name: "linspace",
  about: "y_i = start + i · (end − start) / (n − 1), both ends exact",
  sig: "-> y_N",
  attrs: { start: 0, end: 1, n: 1, dtype: "f32" as Dtype },
  takes: { start: "number", end: "number", n: "size", dtype: '"f32" | "f16"' },
  derive: (_, { n }) => ({ N: n }),
  forward: [
    pass("-> y_N", [flat, linspaceText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms: ({ N }, { start, end }) => ({
        first: Number(start),
        last: Number(end),
        step: (Number(end) - Number(start)) / Math.max(N - 1, 1),
      }),
    }),
  ],
  ref: (_, { N }, { start, end }) => ({
    y: Float64Array.from({ length: N }, (_, i) => start + (i * (end - start)) / Math.max(N - 1, 1)),
  }),
  flops: ({ N }) => 2 * N,
  bench: [{ attrs: { n: 2 ** 22 } }],
  test: { attrs: [{}, { n: 2, start: -3 }, { n: 1001, start: 5, end: -7.7 }] },
});

/** n numbers from start to end, both among them, equally spaced (PyTorch's linspace); start alone where n is 1. */
export function linspace(start: number, end: number, n: number, options: { dtype?: "f32" | "f16" } = {}): Tensor {
  takes('linspace(start: number, end: number, n: size, options?: { dtype?: "f32" | "f16" })', arguments);
  return spaced({ start, end, n, ...options });
}

// ---- matrices ----------------------------------------------------------------------------------------------------

const identity = op({
  name: "eye",
  about: "y_ab = 1 where a = b, else 0",
  sig: "-> y_AB",
  storage: anyType,
  attrs: { rows: 1, columns: 1, dtype: "f32" as Dtype },
  takes: { rows: "size", columns: "size", dtype: '"f32" | "f16" | "u32" | "i32"' },
  derive: (_, { rows, columns }) => ({ A: rows, B: columns }),
  forward: [pass("-> y_AB", [flat, eyeText], ({ A, B }, consts) => flatGrid(A * B, consts))],
  ref: (_, { A, B }) => ({ y: Float64Array.from({ length: A * B }, (_, i) => Number(Math.floor(i / B) === i % B)) }),
  flops: () => 0,
  bench: [{ attrs: { rows: 2048, columns: 2048 } }],
  test: { attrs: [{}, { rows: 5, columns: 5 }, { rows: 3, columns: 70 }, { rows: 67, columns: 2 }] },
});

/** The identity matrix [rows, columns], square where no columns are given: 1 on the diagonal, 0 elsewhere. */
export function eye<D extends Dtype = "f32">(
  rows: number,
  columns = rows,
  options: CreateOptions<D> = {},
): Tensor<TypeClass<D>> {
  takes(`eye(rows: size, columns?: size, options?: ${made})`, arguments);
  return identity({ rows, columns, ...options }) as Tensor<Dtype> as Tensor<TypeClass<D>>;
}
