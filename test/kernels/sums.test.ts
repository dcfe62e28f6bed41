// The error of a sum does not grow with its length. Elements are of one sign and all equal, which is the worst case: a chain
// of f32 additions then rounds in one direction. 1e-6 is what panels of 16 in three levels and parts of 8192 leave of chains
// of 100 additions (measured with 400 other numbers: at most 9.5e-7); one chain of 2²³ leaves 0.1.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Tape, type Tensor, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import {
  add,
  attention,
  attentionRow,
  conv1d,
  conv2d,
  concat,
  cover,
  crossEntropy,
  embedding,
  expandTo,
  gradNorm,
  groupnorm,
  layernorm,
  linear,
  logits,
  logSoftmax,
  logsumexp,
  matmul,
  mean,
  mseLoss,
  mul,
  norm,
  normalize,
  patchEmbed,
  prompt,
  rmsnorm,
  scaledDotProductAttention,
  softmax,
  std,
  sub,
  sum,
  variance,
} from "../../kernels/index.ts";
import { sharedGpu } from "./derive.ts";

await sharedGpu();

const v = Math.fround(1.23456);
const full = (shape: readonly number[], x = v) =>
  tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(x), shape);

function near(values: ArrayLike<number>, want: number, most: number): void {
  const at = Array.from(values).findIndex((got) => !(Math.abs(got / want - 1) <= most));
  assert.ok(at < 0, `[${at}] is ${values[at]}, expected ${want}: ${(values[at] / want - 1).toExponential(1)} off`);
}

/** Every element of what `make` computes is `want`, to `most` of it. */
async function all(make: () => Tensor, want: number, most = 1e-6): Promise<void> {
  let read: Promise<ArrayLike<number>>;
  {
    using tape = new Tape();
    read = later(make());
    void tape;
  }
  near(await read, want, most);
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
  near(await read, want, most);
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

for (const [N, D] of [
  [2 ** 20 + 1, 3],
  [20_000, 64],
]) {
  test(`gradient of rmsnorm's gain over ${N} rows of ${D}`, () =>
    gradientIs(
      () => full([D]),
      (gain) => rmsnorm(full([N, D], 1), gain, { eps: 0 }),
      N * v,
    ));

  test(`gradient of groupnorm's bias over ${N} images of ${D} channels, and over as many places`, async () => {
    const normed = (shape: number[]) => (b: Tensor) => groupnorm(full(shape, 0), D, full([D], 1), b);
    await gradientIs(() => full([D]), normed([N, D]), N * v);
    await gradientIs(() => full([D]), normed([1, D, N]), N * v);
  });
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

test("gradient of what is repeated 2²³ times", async () => {
  await gradientIs(
    () => full([1]),
    (x) => expandTo(x, [2 ** 23]),
    2 ** 23 * v,
  );
  await gradientIs(
    () => full([1, 3]),
    (x) => expandTo(x, [2 ** 21, 3]),
    2 ** 21 * v,
  );
  await gradientIs(
    () => full([2, 1]),
    (x) => expandTo(x, [2, 2 ** 21]),
    2 ** 21 * v,
  );
});

/** Products add 128 terms in a chain, which rounds up to 2e-6 of them away; so does any longer product. */
const product = 3e-6;

test("products over 2²³ terms, forward and backward", async () => {
  const K = 2 ** 23;
  await all(() => matmul(full([1, K]), full([K, 1], 1)), K * v, product);
  await all(() => matmul(full([3, K / 8 + 1]), full([K / 8 + 1, 2], 1)), (K / 8 + 1) * v, product);
  await gradientIs(
    () => full([1, 1]),
    (w) => matmul(full([K, 1], 1), w),
    K * v,
    product,
  );
  await gradientIs(
    () => full([4, 4]),
    (w) => matmul(full([K / 4, 4], 1), w),
    (K / 4) * v,
    product,
  );
});

test("the scale of 2²⁰ logits", () =>
  gradientIs(
    () => full([]),
    (scale) => logits(full([2 ** 20, 4], 1), full([2, 4], 1), scale),
    2 ** 23 * v,
  ));

test("layernorm of a row of 2²² numbers: its spread, and the gradient at it, which is 0", async () => {
  for (const D of [2 ** 22, 2 ** 21 + 2]) {
    const x = () =>
      tensor(
        Float32Array.from({ length: D }, (_, i) => (i % 2 ? 3 : 1)),
        [1, D],
      );
    const normed = (x: Tensor) => layernorm(x, full([D], 1), full([D], 0), { eps: 0 });
    await all(() => mul(normed(x()), sub(x(), full([D], 2))), 1);
    await gradientIs(x, (x) => add(normed(x), x), v);
  }
});

for (const [shape, axis] of [
  [[2 ** 23], 0],
  [[2, 2 ** 21 + 2], 1],
  [[2 ** 20, 3], 0],
  [[2 ** 17, 96], 0],
  [
    [2 ** 15, 2, 128],
    [0, 1],
  ],
] as [number[], number | number[]][]) {
  const length = [axis].flat().reduce((product, i) => product * shape[i], 1);

  test(`variance and std of [${shape}] over axis ${axis}, far from 0`, async () => {
    const inner = shape.slice([axis].flat().at(-1)! + 1).reduce((a, b) => a * b, 1);
    const x = () => {
      const numbers = new Float32Array(shape.reduce((a, b) => a * b, 1));
      return tensor(
        numbers.map((_, i) => 1000 + (Math.floor(i / inner) % 2 ? 0.75 : -0.75)),
        shape,
      );
    };
    await all(() => variance(x(), axis, false, { correction: 0 }), 0.5625);
    await all(() => std(x(), axis, true), 0.75 * Math.sqrt(length / (length - 1)));
  });

  test(`norm of [${shape}] over axis ${axis}`, () => all(() => norm(full(shape), axis), v * Math.sqrt(length)));

  test(`logsumexp of [${shape}] over axis ${axis}, and its gradient`, async () => {
    await all(() => logsumexp(full(shape), axis), v + Math.log(length));
    await gradientIs(
      () => full(shape),
      (x) => logsumexp(x, axis),
      v / length,
      2e-6, // log adds 16 to v, whose last bit is 1e-6 of the exponential
    );
  });
}

test("rmsnorm and groupnorm of 2²⁰ numbers, and the gradients at them, which are 0", async () => {
  for (const D of [2 ** 20, 2 ** 19 + 2]) {
    const alternating = (low: number) => () =>
      tensor(
        Float32Array.from({ length: D }, (_, i) => (i % 2 ? 3 : low)),
        [1, D],
      );
    const rms = (x: Tensor) => rmsnorm(x, full([D], 1), { eps: 0 });
    await all(() => mul(rms(alternating(-3)()), rms(alternating(-3)())), 1);
    await gradientIs(alternating(3), (x) => add(rms(x), x), v);
    const group = (x: Tensor) => groupnorm(x, 1, full([D], 1), full([D], 0), { eps: 0 });
    await all(() => mul(group(alternating(1)()), sub(alternating(1)(), full([1, D], 2))), 1);
    await gradientIs(alternating(1), (x) => add(group(x), x), v);
  }
});

test("attention over 2¹⁸ keys, and the gradient of what 2¹⁸ queries add", async () => {
  const S = 2 ** 18;
  await all(() => scaledDotProductAttention(full([1, 1], 0), full([S, 1]), full([S, 1])), v, product);
  // Keys worth 0 and 4 with weights of a half: the bias of the first has a slope of −1 in each query.
  const L = 2 ** 18;
  await gradientIs(
    () => full([1, 1], 0),
    (bias) =>
      scaledDotProductAttention(full([L, 1], 0), full([2, 1]), tensor([0, 4], [2, 1]), {
        bias: concat([bias, full([1, 1], 0)], 1),
      }),
    -L * v,
  );
});

test("gradients of a kernel over 2²¹ places, and of one pixel under 513² taps", async () => {
  await gradientIs(
    () => full([1, 1, 1, 1]),
    (w) => conv2d(full([2, 1, 1024, 1024], 1), w),
    2 ** 21 * v,
    product,
  );
  await gradientIs(
    () => full([1, 1, 1, 1]),
    (x) => conv2d(x, full([1, 1, 513, 513], 1), undefined, { padding: 256 }),
    v,
  );
});

test("the sum of 2²³ losses", () => all(() => mseLoss(full([2 ** 23]), full([2 ** 23], 0)), v * v));

test("crossEntropy of 2²³ classes whose targets are smoothed", async () => {
  const C = 2 ** 23 - 1;
  const smoothed = () => crossEntropy(full([1, C]), tensor(new Uint32Array(1), [1], "u32"), { labelSmoothing: 0.5 });
  await all(smoothed, Math.log(C));
});

test("gradients shared by many clips: kernels, class token, positions", async () => {
  const N = 2 ** 21;
  await gradientIs(
    () => full([1, 1, 3]),
    (w) => conv1d(full([1, N + 2, 1], 1), w),
    N * v,
  );
  await gradientIs(
    () => full([1, 4]),
    (p) => prompt(full([N, 1], 1), concat([full([1, 4], 0), p])),
    N * v,
  );
  await gradientIs(
    () => full([1]),
    (cls) => patchEmbed(full([N / 2, 3, 1, 1], 0), full([1, 3, 1, 1], 0), cls, full([2, 1], 0)),
    (N / 2) * v,
  );
});

test("the subject token of 2²⁰ patches, the cover of a patch of 2²⁰ pixels", async () => {
  const P = 2 ** 20;
  await all(() => prompt(full([1, P]), full([P + 1, 4], 1)), P * v);
  await all(() => prompt(full([1, P]), full([P + 1, 3], 1)), P * v);
  await all(() => cover(full([1, 2 ** 10, 2 ** 10]), { patch: 2 ** 10 }), v);
  await all(() => cover(full([1, 1001, 1001]), { patch: 1001 }), v);
});

test("attention over 4096 equal tokens, and where the gradient of a value comes together", async () => {
  const L = 4096;
  await all(() => attention(full([1, L, 12]), { heads: 1 }), v, product);
  await all(() => attention(full([1, 1500, 9]), { heads: 1 }), v, product);
  await all(() => attentionRow(full([1, 2 ** 21, 3], 0), { heads: 1 }), 2 ** -21);
});

test("the norm of 2²³ gradients", () => all(() => gradNorm([full([2 ** 23])]).norm, v * 2 ** 11.5));

test.run();
