// Tensors of random numbers. Each is a function of seed, stream and shape alone: the same call gives the same numbers again, in any
// order of work (on one device: normal ones differ between devices by the rounding of their logarithm, the others nowhere). The
// kinds draw from different counters: rand, randn, randint and dropout of one seed have nothing in common.
import { type Attrs, pass } from "../../engine/declare/pass.ts";
import { type Dtype, wholes } from "../../engine/declare/signature.ts";
import { ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { flatGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import boxMuller from "./box-muller.wgsl";
import philox from "./philox.wgsl";
import randText from "./rand.wgsl";
import randintText from "./randint.wgsl";
import randnText from "./randn.wgsl";
import { draw, normalOf, seedWords, streams } from "./random.ts";

/** Which numbers: a whole seed below 2^53, and a stream of it, by default 0, for tensors that are drawn beside each other. */
export interface RandomOptions<D extends Dtype = "f32" | "f16"> {
  readonly seed: number;
  readonly stream?: number;
  /** f32 unless said. */
  readonly dtype?: D;
}

const floatOptions = '{ seed: seed, stream?: word, dtype?: "f32" | "f16" }';
const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Word i of a kind's stream. */
const word = (attrs: Attrs, i: number, kind: 1 | 2 | 3): number => draw(attrs, i >> 2, 0, kind)[i & 3];

/** Bits of a word that a number below 1 of the type holds: with more, the largest would round to 1. */
const bitsIn = ({ dtype }: Attrs): number => (dtype === "f16" ? 11 : 24);

const uniform = op({
  name: "rand",
  about: "y_i uniform in [0, 1), by seed, stream and place",
  sig: "-> y_N",
  attrs: { n: 1, seed: 0, stream: 0, dtype: "f32" as Dtype },
  takes: { n: "size", seed: "seed", stream: "word", dtype: '"f32" | "f16"' },
  derive: (_, { n }) => ({ N: n }),
  forward: [
    pass("-> y_N", [flat, philox, randText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms: (_, attrs) => ({ ...seedWords(attrs), shift: 32 - bitsIn(attrs), unit: 2 ** -bitsIn(attrs) }),
    }),
  ],
  ref: (_, { N }, attrs) => ({
    y: Float64Array.from({ length: N }, (_, i) => (word(attrs, i, 1) >>> (32 - bitsIn(attrs))) / 2 ** bitsIn(attrs)),
  }),
  flops: ({ N }) => 20 * N,
  bench: [{ attrs: { n: 2 ** 22 } }],
  test: { attrs: streams.map((each) => ({ n: 1003, ...each })) },
});

const normal = op({
  name: "randn",
  about: "y_i normal, mean 0, deviation 1, by seed, stream and place (Box & Muller 1958)",
  sig: "-> y_N",
  attrs: { n: 1, seed: 0, stream: 0, dtype: "f32" as Dtype },
  takes: { n: "size", seed: "seed", stream: "word", dtype: '"f32" | "f16"' },
  derive: (_, { n }) => ({ N: n }),
  forward: [
    pass("-> y_N", [flat, philox, boxMuller, randnText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms: (_, attrs) => seedWords(attrs),
    }),
  ],
  ref: (_, { N }, attrs) => ({
    y: Float64Array.from({ length: N }, (_, i) => normalOf(draw(attrs, i >> 2, 0, 2), i & 3)),
  }),
  flops: ({ N }) => 40 * N,
  bench: [{ attrs: { n: 2 ** 22 } }],
  test: {
    attrs: streams.map((each) => ({ n: 1003, ...each })),
    tolerance: 3e-4, // as initNormal's
  },
});

const ranges = { u32: [0, 2 ** 32], i32: [-(2 ** 31), 2 ** 31] } as const;

function checkRange(low: number, high: number, dtype: "u32" | "i32"): void {
  const [least, most] = ranges[dtype];
  const isRange = Number.isInteger(low) && Number.isInteger(high) && low < high && high - low < 2 ** 32;
  if (!isRange || low < least || high > most)
    throw new ShapeError(
      `randint: from ${low} to before ${high}; expected two whole numbers, the first below the second, and ${dtype} holds those ` +
        `from ${least} to ${most - 1}${dtype === "u32" ? '; write { dtype: "i32" } for negative ones' : ""}`,
    );
}

const whole = op({
  name: "randint",
  about: "y_i uniform among the whole numbers from low to before high, by seed, stream and place",
  sig: "-> y_N",
  storage: wholes,
  attrs: { n: 1, low: 0, high: 2, seed: 0, stream: 0, dtype: "u32" as Dtype },
  takes: { n: "size", low: "number", high: "number", seed: "seed", stream: "word", dtype: '"u32" | "i32"' },
  derive(_, { n, low, high, dtype }) {
    checkRange(low, high, dtype as "u32" | "i32");
    return { N: n };
  },
  forward: [
    pass("-> y_N", [flat, philox, randintText], ({ N }, consts) => flatGrid(N, consts), {
      uniforms: (_, { low, high, ...attrs }) => ({
        ...seedWords(attrs),
        lowBits: Number(low) >>> 0,
        range: Number(high) - Number(low),
      }),
    }),
  ],
  ref: (_, { N }, attrs) => ({
    y: Float64Array.from({ length: N }, (_, i) => {
      const range = BigInt(attrs.high - attrs.low);
      return attrs.low + Number((BigInt(word(attrs, i, 3)) * range) >> 32n);
    }),
  }),
  flops: ({ N }) => 25 * N,
  bench: [{ attrs: { n: 2 ** 22, high: 50_257 } }],
  test: { attrs: streams.map((each, i) => ({ n: 1003, low: 7 * i, high: [10, 50_000, 2 ** 31][i], ...each })) },
});

/** Uniform numbers in [0, 1), multiples of 2^-24 (of 2^-11 as f16). The same seed, stream and shape give the same numbers on every device. */
export function rand(shape: readonly number[], options: RandomOptions): Tensor {
  takes(`rand(shape: shape, options: ${floatOptions})`, arguments);
  return uniform({ ...options, n: product(shape) }).reshape(shape);
}

/** Normal numbers, mean 0 and deviation 1. The same seed, stream and shape give the same numbers on one device. */
export function randn(shape: readonly number[], options: RandomOptions): Tensor {
  takes(`randn(shape: shape, options: ${floatOptions})`, arguments);
  return normal({ ...options, n: product(shape) }).reshape(shape);
}

/**
 * Whole numbers from `low` to before `high`, each as likely (PyTorch's randint): u32 as ids are, unless said. Of a range that does not
 * divide 2^32 some are likelier by one part in 2^32 / (high − low). Errors: ShapeError for a range that is empty or that the type cannot hold.
 */
export function randint<D extends "u32" | "i32" = "u32">(
  low: number,
  high: number,
  shape: readonly number[],
  options: RandomOptions<D>,
): Tensor<D> {
  takes(
    'randint(low: number, high: number, shape: shape, options: { seed: seed, stream?: word, dtype?: "u32" | "i32" })',
    arguments,
  );
  return whole<D>({ ...options, low, high, n: product(shape) }).reshape(shape);
}
