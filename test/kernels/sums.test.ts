// The error of a sum does not grow with its length. Elements are of one sign and all equal, which is the worst case: a chain
// of f32 additions then rounds in one direction. 1e-6 is what panels of 16 in three levels and parts of 8192 leave of chains
// of 100 additions (measured with 400 other numbers: at most 9.5e-7); one chain of 2²³ leaves 0.1.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Tape, type Tensor, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import {
  add,
  crossEntropy,
  embedding,
  gradNorm,
  layernorm,
  linear,
  logSoftmax,
  mean,
  mul,
  normalize,
  softmax,
  sum,
} from "../../kernels/index.ts";
import { sharedGpu } from "./derive.ts";

await sharedGpu();

const v = Math.fround(1.23456);
const full = (shape: readonly number[], x = v) =>
  tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(x), shape);

/** Every element of what `make` computes is `want`, to 1e-6 of it. */
async function all(make: () => Tensor, want: number): Promise<void> {
  let read: Promise<ArrayLike<number>>;
  {
    using tape = new Tape();
    read = later(make());
    void tape;
  }
  for (const [i, got] of Array.from(await read).entries())
    assert.ok(
      Math.abs(got / want - 1) <= 1e-6,
      `[${i}] is ${got}, expected ${want}: ${(got / want - 1).toExponential(1)} off`,
    );
}

test("mean of [500000, 66] over axis 0", () => all(() => mean(full([500_000, 66]), 0), v));

for (const [shape, axis] of [
  [[2 ** 23], 0],
  [[3, 2 ** 21 + 1], 1],
  [[100, 100_003], 1],
  [[70, 2 ** 17], 1],
  [[2 ** 21, 4], 0],
  [[2 ** 23, 1], 0],
  [[1, 2 ** 23], 1],
  [[2 ** 22, 3], 0],
  [[2 ** 20 + 3, 3], 0],
  [[2, 2 ** 17, 33], 1],
  [[8190, 100], 0],
] as [number[], number][])
  test(`sum of [${shape}] over axis ${axis}`, () => all(() => sum(full(shape), axis), v * shape[axis]));

/** The gradient at `x` of f, v coming from behind everywhere, is `want` in every element. */
async function gradientIs(x: () => Tensor, f: (x: Tensor) => Tensor, want: number, most = 1e-6): Promise<void> {
  let read: Promise<ArrayLike<number>>;
  {
    using tape = new Tape();
    const at = x();
    at.value.needsGrad = true;
    const y = f(at);
    read = later(tape.vjp([y], [full(y.shape)]).get(at)!);
  }
  for (const [i, got] of Array.from(await read).entries())
    assert.ok(
      Math.abs(got / want - 1) <= most,
      `[${i}] is ${got}, expected ${want}: ${(got / want - 1).toExponential(1)} off`,
    );
}

for (const [N, D] of [
  [2 ** 21, 4],
  [2 ** 23, 1],
  [2 ** 22, 3],
  [2 ** 20 + 1, 3],
  [20_000, 64],
]) {
  test(`gradient of what ${N} rows of ${D} share`, () =>
    gradientIs(
      () => full([D]),
      (b) => add(full([N, D], 0), b),
      N * v,
    ));

  test(`gradient of a factor of ${N} rows of ${D}`, () =>
    gradientIs(
      () => full([D]),
      (b) => mul(full([N, D], 1), b),
      N * v,
    ));

  test(`gradient of a linear layer's bias over ${N} rows of ${D}`, () =>
    gradientIs(
      () => full([D]),
      (b) => linear(full([N, 1], 0), full([D, 1]), b),
      N * v,
    ));

  test(`gradient of layernorm's bias over ${N} rows of ${D}`, () =>
    gradientIs(
      () => full([D]),
      (b) => layernorm(full([N, D], 0), full([D], 1), b),
      N * v,
    ));

  test(`gradient of one embedding in ${N} places, width ${D}`, () =>
    gradientIs(
      () => full([1, D]),
      (t) => embedding(t, tensor(new Uint32Array(N), [N], "u32")),
      N * v,
    ));
}

test("crossEntropy of 2²³ rows, whose classes are ignored or not", async () => {
  const N = 2 ** 23;
  const targets = () =>
    tensor(
      Uint32Array.from({ length: N }, (_, i) => i % 2),
      [N],
      "u32",
    );
  await all(() => crossEntropy(full([N, 2]), targets()), Math.log(2));
  await all(() => crossEntropy(full([N, 2]), targets(), { ignore: 1 }), Math.log(2));
});

test("softmax, logSoftmax, crossEntropy of rows of 2²³ classes", async () => {
  const C = 2 ** 23 - 1;
  await all(() => softmax(full([1, C])), 1 / C);
  await all(() => logSoftmax(full([1, C])), -Math.log(C));
  await all(() => crossEntropy(full([1, C]), tensor(new Uint32Array(1), [1], "u32")), Math.log(C));
});

test("normalize of rows of 2²³ numbers", () => all(() => normalize(full([1, 2 ** 23])), 2 ** -11.5));

test("the norm of 2²³ gradients", () => all(() => gradNorm([full([2 ** 23])]).norm, v * 2 ** 11.5));

test.run();
