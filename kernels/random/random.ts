// Random numbers on the device: initial values and dropout masks. A draw is a function of seed, stream and position
// alone, so the same seed gives the same bits in any order.
import { ShapeError } from "../../engine/errors.ts";
import { type Attrs, type Pass, pass, passOf } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { flatGrid, lanesGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import boxMuller from "./box-muller.wgsl";
import dropoutText from "./dropout.wgsl";
import dropout4 from "./dropout4.wgsl";
import normal from "./normal.wgsl";
import philoxText from "./philox.wgsl";
import uniform from "./uniform.wgsl";

/** A seed below 2^53 as two words: the key's first and the counter's last. */
export const seedWords = ({ seed }: Attrs) => ({
  seedLow: Number(seed) >>> 0,
  seedHigh: Math.floor(Number(seed) / 2 ** 32) >>> 0,
});

/** Philox4x32-10 of counter [at, row, kind, seed's upper word] and key [its lower word, stream], as the kernels take it. */
export function draw(attrs: Attrs, at: number, row: number, kind = 0): number[] {
  const { seedLow, seedHigh } = seedWords(attrs);
  let [a, b, c, d] = [at, row, kind, seedHigh].map((word) => BigInt(word >>> 0));
  let [k0, k1] = [BigInt(seedLow), BigInt(Number(attrs.stream) >>> 0)];
  const low = (x: bigint) => x & 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const [first, second] = [a * 0xd2511f53n, c * 0xcd9e8d57n];
    [a, b, c, d] = [(second >> 32n) ^ b ^ k0, low(second), (first >> 32n) ^ d ^ k1, low(first)];
    [k0, k1] = [low(k0 + 0x9e3779b9n), low(k1 + 0xbb67ae85n)];
  }
  return [a, b, c, d].map(Number);
}

/** `spread` is the kernel's word for a deviation: `std` is reserved in WGSL. */
const filled = (text: string): Pass =>
  pass("p_N:f32 -> p_N:f32", [flat, philoxText, text], ({ N }, consts) => flatGrid(N, consts), {
    uniforms: (_, attrs) => ({ ...seedWords(attrs), spread: Number(attrs.std) }),
  });

/** Settings that the tests of random ops share: seeds of one word and two, streams. */
export const streams = [{}, { seed: 2022, stream: 3 }, { seed: 2 ** 52 + 1, stream: 2 ** 32 - 1 }];

/** p_N ← uniform in ±bound. Every tensor takes a stream of its own. */
export const initUniform = op({
  name: "initUniform",
  about: "p ← uniform in ±bound, in place",
  sig: "p_N:f32 -> p_N:f32",
  attrs: { seed: 0, stream: 0, bound: 1 },
  takes: { seed: "seed", stream: "word", bound: "amount" },
  forward: [filled(uniform)],
  ref: (_, { N }, attrs) => ({
    p: Float64Array.from({ length: N }, (_, i) => {
      const u = (draw(attrs, i >> 2, 0)[i & 3] + 0.5) / 2 ** 32;
      return attrs.bound * (2 * u - 1);
    }),
  }),
  flops: ({ N }) => 20 * N,
  bench: [{ N: 1 << 22 }],
  test: { attrs: [...streams, { bound: 0.02 }] },
});

/** Number k of the four normal ones that four words make, as box-muller.wgsl has it. */
export function normalOf(four: readonly number[], k: number): number {
  const [u, t] = k & 2 ? [four[2], four[3]] : [four[0], four[1]];
  const angle = (((t & 0x3fffffff) / 2 ** 30 - 0.5 + Math.floor(t / 2 ** 30)) * Math.PI) / 2;
  const radius = Math.sqrt(-2 * Math.log((u + 0.5) / 2 ** 32));
  return radius * (k & 1 ? Math.sin(angle) : Math.cos(angle));
}

/** p_N ← normal with mean 0 and deviation std. Every tensor takes a stream of its own. */
export const initNormal = op({
  name: "initNormal",
  about: "p ← normal, mean 0, deviation std, in place (Box & Muller 1958)",
  sig: "p_N:f32 -> p_N:f32",
  attrs: { seed: 0, stream: 0, std: 1 },
  takes: { seed: "seed", stream: "word", std: "amount" },
  forward: [filled(boxMuller + normal)],
  ref: (_, { N }, attrs) => ({
    p: Float64Array.from({ length: N }, (_, i) => attrs.std * normalOf(draw(attrs, i >> 2, 0), i & 3)),
  }),
  flops: ({ N }) => 40 * N,
  bench: [{ N: 1 << 22 }],
  test: {
    attrs: [...streams, { std: 0.02 }],
    // Where u is near 1 its f32 has few digits left of −ln u, and the root halves what remains: 3e-4 of a deviation.
    tolerance: 3e-4,
  },
});

const inVec4s = ({ D }: Sizes): boolean => D % 4 === 0;

function mask(x: string, y: string): Pass {
  const rename = { x, y };
  const uniforms = (_: Sizes, attrs: Attrs) => {
    const p = Number(attrs.p);
    return { ...seedWords(attrs), threshold: Math.round(p * 2 ** 32), scale: 1 / (1 - p) };
  };
  return passOf(
    `${x}_ND -> ${y}_ND`,
    {
      any: {
        source: [philoxText, dropoutText],
        grid: ({ N, D }, consts) => lanesGrid(N * Math.ceil(D / 4), consts),
        uniforms,
        rename,
      },
      vec4: {
        source: [flat, philoxText, dropout4],
        grid: ({ N, D }, consts) => flatGrid(N * D, consts),
        available: (_, dims) => inVec4s(dims),
        uniforms,
        rename,
      },
    },
    (dims) => (inVec4s(dims) ? "vec4" : "any"),
  );
}

/**
 * x_ND -> y_ND, elements zeroed with probability p and the others divided by 1 − p. The mask belongs to seed, stream,
 * column and to the row's number in the whole batch, firstRow + n.
 */
export const dropout = op({
  name: "dropout",
  about: "y = x · mask / (1 − p), mask drawn from (seed, stream, firstRow + n, d)",
  sig: "x_ND -> y_ND",
  attrs: { p: 0.1, seed: 0, stream: 0, firstRow: 0 },
  takes: { p: "rate", seed: "seed", stream: "word", firstRow: "word" },
  derive(_, { p }) {
    if (!(p >= 0 && p < 1)) throw new ShapeError(`dropout: p is ${p}, expected 0 <= p < 1`);
    return {};
  },
  forward: [mask("x", "y")],
  backward: [mask("dy", "dx")],
  ref({ x }, { N, D }, attrs) {
    const threshold = Math.round(attrs.p * 2 ** 32);
    const y = new Float64Array(N * D);
    for (let n = 0; n < N; n++)
      for (let d = 0; d < D; d++)
        y[n * D + d] =
          draw(attrs, d >> 2, attrs.firstRow + n)[d & 3] >= threshold ? x[n * D + d] / (1 - attrs.p) : 0 * x[n * D + d];
    return { y };
  },
  flops: ({ N, D }) => 15 * N * D,
  bench: [{ N: 16 * 8, D: 512 }],
  test: { attrs: [...streams, { p: 0 }, { p: 0.5, firstRow: 1000 }] },
});
