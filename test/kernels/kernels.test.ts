// What wrappers around ops promise: shapes that broadcast, orders of axes, pieces and joints, and the health of a step.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, parameter, Scope, ShapeError, Tape, type Tensor, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import { draw } from "../../kernels/random/random.ts";
import {
  adamw,
  add,
  appendToken,
  clipFactor,
  concat,
  div,
  dropout,
  expandTo,
  first,
  gradNorm,
  initNormal,
  initUniform,
  klWeights,
  amax,
  mean,
  mul,
  permute,
  sgd,
  slice,
  snce,
  sub,
  sum,
  transpose,
} from "../../kernels/index.ts";
import { openTestGpu } from "../kit/gpu.ts";

await openTestGpu();

const numel = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const counting = (shape: readonly number[], from = 1) => Array.from({ length: numel(shape) }, (_, i) => i + from);
const made = (shape: readonly number[], from = 1) => tensor(counting(shape, from), shape);

/** Every index of a shape, in row-major order. */
function* indices(shape: readonly number[]): Generator<number[]> {
  for (let i = 0; i < numel(shape); i++) {
    let rest = i;
    yield [...shape]
      .reverse()
      .map((size) => {
        const at = rest % size;
        rest = Math.floor(rest / size);
        return at;
      })
      .reverse();
  }
}

/** Element of row-major data at an index; axes of length 1 repeat, missing ones are in front. */
function at(data: ArrayLike<number>, shape: readonly number[], index: readonly number[]): number {
  let place = 0;
  for (const [axis, size] of shape.entries())
    place = place * size + (size === 1 ? 0 : index[index.length - shape.length + axis]);
  return data[place];
}

const shapes = fc
  .array(fc.constantFrom(1, 2, 3, 4, 5), { minLength: 0, maxLength: 4 })
  .chain((full) =>
    fc.tuple(
      fc.constant(full),
      fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }),
      fc.nat(full.length),
    ),
  )
  .map(([full, kept, drop]) => [full, full.map((size, i) => (kept[i] ? size : 1)).slice(drop)] as const);

for (const [name, op, f] of [
  ["add", add, (a, b) => a + b],
  ["sub", sub, (a, b) => a - b],
  ["mul", mul, (a, b) => a * b],
  ["div", div, (a, b) => a / b],
] as [string, (a: Tensor, b: Tensor) => Tensor, (a: number, b: number) => number][])
  test(`${name}: either side broadcasts, as in NumPy`, () =>
    fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), async ([full, part], turned) => {
        const [left, right] = turned ? [part, full] : [full, part];
        const shape = [...Array(Math.max(0, full.length - part.length)).fill(1), ...part].map((size, i) =>
          size === 1 ? full[i] : size,
        );
        const got = await compute(() => {
          const y = op(made(left), made(right, 2));
          assert.equal(y.shape, shape);
          return y;
        });
        const want = [...indices(shape)].map((index) =>
          f(at(counting(left), left, index), at(counting(right, 2), right, index)),
        );
        for (const [i, value] of want.entries()) assert.ok(Math.abs(got[i] - value) <= 1e-6 * (1 + Math.abs(value)));
      }),
      { numRuns: 25, seed: 2022 },
    ));

test("add: two shapes that need both sides repeated give their outer sum, and each its own gradient", async () => {
  const [a, b] = [parameter([1, 2, 3], [3, 1]), parameter([10, 20], [1, 2])];
  let reads: Promise<ArrayLike<number>>[];
  {
    using tape = new Tape();
    const y = add(a, b);
    const found = tape.gradients(sum(mul(y, y)));
    reads = [y, found.get(a), found.get(b)].map(later);
  }
  const [y, da, db] = (await Promise.all(reads)).map((data) => Array.from(data));
  assert.equal(y, [11, 21, 12, 22, 13, 23]);
  assert.equal(da, [64, 68, 72]); // Σ over b of 2 (a + b)
  assert.equal(db, [72, 132]); // Σ over a of 2 (a + b)
});

test("add: shapes that do not broadcast are a ShapeError that names both", () => {
  using scope = new Scope();
  assert.throws(
    () => add(made([2, 3]), made([2])),
    (e: unknown) => e instanceof ShapeError && /\[2,3\] and \[2\]/.test(e.message),
  );
  assert.not.throws(() => add(made([2, 3]), made([3])));
  void scope;
});

test("a product with a number is the product with a tensor of it", async () => {
  let both: Promise<ArrayLike<number>>[];
  {
    using tape = new Tape();
    const x = tensor([1, -2, 3.5]);
    both = [later(mul(x, 2.5)), later(mul(x, tensor([2.5], [])))];
    void tape;
  }
  const [a, b] = await Promise.all(both);
  assert.equal(Array.from(a), Array.from(b));
});

test("snce: a batch of one has no loss", async () => {
  let loss: Promise<ArrayLike<number>>;
  {
    using tape = new Tape();
    loss = later(snce(tensor([17.3], [1, 1]), klWeights(tensor([1, 2, 3], [1, 3]))));
    void tape;
  }
  assert.is((await loss)[0], 0);
});

test("permute: axis i of the result is axis order[i]", () =>
  fc.assert(
    fc.asyncProperty(
      fc
        .array(fc.constantFrom(1, 2, 3, 4), { minLength: 1, maxLength: 5 })
        .chain((shape) =>
          fc.tuple(
            fc.constant(shape),
            fc.shuffledSubarray([...shape.keys()], { minLength: shape.length, maxLength: shape.length }),
          ),
        ),
      async ([shape, order]) => {
        const to = order.map((axis) => shape[axis]);
        const got = await compute(() => {
          const y = permute(made(shape), order);
          assert.equal(y.shape, to);
          return add(y, 0);
        });
        const want = [...indices(to)].map((index) => {
          const source: number[] = [];
          for (const [i, axis] of order.entries()) source[axis] = index[i];
          return at(counting(shape), shape, source);
        });
        assert.equal(Array.from(got), want);
      },
    ),
    { numRuns: 40, seed: 2022 },
  ));

test("transpose: the last two axes unless others are named; no order but of all axes", async () => {
  assert.equal(Array.from(await compute(() => transpose(made([2, 3])))), [1, 4, 2, 5, 3, 6]);
  using scope = new Scope();
  assert.equal(transpose(made([2, 3, 4, 5]), 0, 2).shape, [4, 3, 2, 5]);
  assert.throws(() => permute(made([2, 3]), [0, 0]), /order/);
  assert.throws(() => transpose(made([2, 3]), 0, 2), /no axis 2/);
  void scope;
});

test("slice, first and concat take tensors apart and together; what does not fit is refused", async () => {
  const got = await compute(() => {
    const whole = made([2, 5, 3]);
    const parts = [slice(whole, 0, 2, 1), slice(whole, 2, 3, 1), slice(whole, 3, 5, -2)];
    assert.equal(parts[2].shape, [2, 2, 3]);
    return [
      concat(parts, 1),
      first(whole),
      first(whole, 4),
      appendToken(first(whole).reshape([2, 1, 3]), first(whole)),
    ];
  });
  assert.equal(Array.from(got[0]), counting([2, 5, 3]));
  assert.equal(Array.from(got[1]), [1, 2, 3, 16, 17, 18]);
  assert.equal(Array.from(got[2]), [13, 14, 15, 28, 29, 30]);
  assert.equal(Array.from(got[3]), [1, 2, 3, 1, 2, 3, 16, 17, 18, 16, 17, 18]);
  using scope = new Scope();
  assert.throws(() => slice(made([4]), 2, 5), /slice: 3 from 2 on does not fit an axis of 4/);
  assert.not.throws(() => slice(made([4]), 2, 4));
  assert.throws(() => concat([made([2, 3]), made([3, 4])]), /differ beside axis 0/);
  assert.throws(() => expandTo(made([2, 3]), [2, 6]), /does not broadcast/);
  void scope;
});

test("sum, mean and amax reduce one axis, or everything to a scalar", async () => {
  const got = await compute(() => {
    const x = made([2, 3, 2]);
    const scalar = sum(x);
    assert.equal(scalar.shape, []);
    return [scalar, sum(x, 1), mean(x, -1), amax(x, 0), mean(made([5000]))];
  });
  assert.equal(
    got.map((data) => Array.from(data)),
    [[78], [9, 12, 27, 30], [1.5, 3.5, 5.5, 7.5, 9.5, 11.5], [7, 8, 9, 10, 11, 12], [2500.5]],
  );
});

/** A tensor of `n` elements filled by `fill`. */
async function filled(n: number, fill: (p: Tensor) => void): Promise<ArrayLike<number>> {
  const p = parameter(new Float32Array(n));
  {
    using scope = new Scope();
    fill(p);
    void scope;
  }
  return p.data();
}

const moments = (x: ArrayLike<number>) => {
  const values = Array.from(x);
  const m = (k: number) => values.reduce((total, v) => total + v ** k, 0) / values.length;
  return [m(1), m(2), m(3), m(4)];
};

test("random numbers: the known answer of Philox4x32-10", () => {
  assert.equal(draw({ seed: 0, stream: 0 }, 0, 0), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
});

test("initNormal: moments, tails and independence of neighbours are those of a normal distribution", async () => {
  const n = 1 << 17;
  const x = await filled(n, (p) => initNormal(p, { seed: 2022, stream: 5 }));
  const [m1, m2, m3, m4] = moments(x);
  // Five standard errors of each sample moment: sqrt(1, 2, 15, 96 / n).
  const error = (variance: number) => 5 * Math.sqrt(variance / n);
  assert.ok(Math.abs(m1) < error(1), `mean ${m1}`);
  assert.ok(Math.abs(m2 - 1) < error(2), `variance ${m2}`);
  assert.ok(Math.abs(m3) < error(15), `third moment ${m3}`);
  assert.ok(Math.abs(m4 - 3) < error(96), `fourth moment ${m4}`);
  const beyond = Array.from(x).filter((v) => Math.abs(v) > 3).length / n;
  assert.ok(Math.abs(beyond - 0.0027) < error(0.0027), `beyond three deviations: ${beyond}`);
  for (const step of [1, 2, 4]) {
    let product = 0;
    for (let i = step; i < n; i++) product += (x[i] * x[i - step]) / n;
    assert.ok(Math.abs(product) < error(1), `correlation at distance ${step}: ${product}`);
  }
});

test("initUniform: bound and variance are those of a uniform distribution; streams and seeds differ", async () => {
  const n = 1 << 16;
  const x = await filled(n, (p) => initUniform(p, { seed: 1, stream: 2, bound: 0.5 }));
  assert.ok(Array.from(x).every((v) => Math.abs(v) <= 0.5));
  const [m1, m2] = moments(x);
  assert.ok(Math.abs(m1) < 5 * Math.sqrt(1 / 12 / n));
  assert.ok(Math.abs(m2 - 1 / 12) < 5 * Math.sqrt(1 / 180 / n));
  const [again, stream, seed] = [
    { seed: 1, stream: 2 },
    { seed: 1, stream: 3 },
    { seed: 1 + 2 ** 32, stream: 2 },
  ].map((attrs) => filled(4, (p) => initUniform(p, { ...attrs, bound: 0.5 })));
  assert.equal(Array.from(await again), Array.from(x).slice(0, 4));
  assert.not.equal(Array.from(await stream), Array.from(x).slice(0, 4));
  assert.not.equal(Array.from(await seed), Array.from(x).slice(0, 4));
});

test("dropout: a row keeps its mask however the batch is divided, and the share dropped is p", async () => {
  const attrs = { p: 0.3, seed: 9, stream: 1 };
  const ones = (rows: number) => tensor(new Float32Array(rows * 512).fill(1), [rows, 512]);
  const [whole, tail] = await compute(() => [
    dropout(ones(64), { ...attrs, firstRow: 100 }),
    dropout(ones(24), { ...attrs, firstRow: 140 }),
  ]);
  assert.equal(Array.from(tail), Array.from(whole).slice(40 * 512));
  const dropped = Array.from(whole).filter((v) => v === 0).length / whole.length;
  assert.ok(Math.abs(dropped - 0.3) < 5 * Math.sqrt((0.3 * 0.7) / whole.length), `${dropped}`);
  using scope = new Scope();
  assert.throws(() => dropout(ones(1), { p: 1 }), /p is 1/);
  assert.not.throws(() => dropout(ones(1), { p: 0 }));
  void scope;
});

/** Norm, count and factor of gradients in two arrays. */
async function health(a: number[], b: number[], most?: number): Promise<number[]> {
  const [norm, bad, factor] = await compute(() => {
    const { norm, bad } = gradNorm([tensor(a), tensor(b)]);
    return [norm, bad, clipFactor(norm, bad, most === undefined ? {} : { most })];
  });
  return [norm[0], bad[0], factor[0]];
}

test("gradNorm: one norm over all arrays; clipping brings it to the limit and leaves small ones alone", async () => {
  const [norm, bad, factor] = await health([3, 0, 0], [0, 4], 1);
  assert.equal([norm, bad], [5, 0]);
  assert.ok(Math.abs(factor - 0.2) < 1e-6);
  assert.equal(await health([3, 0, 0], [0, 4], 10), [5, 0, 1]);
  assert.equal(await health([3, 0, 0], [0, 4]), [5, 0, 1]);
});

test("gradNorm: NaN and infinities are counted, wherever they are, and turn the factor to 0", async () => {
  const poisons = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const poison of poisons) {
    assert.equal(await health([1, poison, 2], [3, 4]), [Math.fround(Math.sqrt(30)), 1, 0]);
    assert.equal(await health([1, 2], [0, 0, 0, 0, poison]), [Math.fround(Math.sqrt(5)), 1, 0]);
  }
  assert.is((await health([1, ...poisons], [poisons[0]]))[1], 4);
  assert.is((await health([1e30, 1], [1]))[2], 0, "a norm that overflows stops the step as well");
  assert.is((await health([3e38, 1], [1]))[1], 0, "a large element is finite");
});

for (const [name, update] of [
  ["adamw", (p: Tensor, g: Tensor, m: Tensor, v: Tensor, factor: Tensor) => adamw(p, g, m, v, factor, { lr: 0.1 })],
  ["sgd", (p: Tensor, g: Tensor, m: Tensor, _: Tensor, factor: Tensor) => sgd(p, g, m, factor, { lr: 0.1 })],
] as const)
  test(`${name}: a gradient that is not finite leaves parameters and moments alone; a finite one does not`, async () => {
    for (const poisoned of [true, false]) {
      const [p, m, v] = [parameter([1, 2, 3, 4, 5]), parameter([0, 1, 2, 3, 4]), parameter([1, 1, 1, 1, 1])];
      {
        using scope = new Scope();
        const g = tensor([1, poisoned ? Number.NaN : 1, 1, 1, 1]);
        const { norm, bad } = gradNorm([g]);
        update(p, g, m, v, clipFactor(norm, bad));
        void scope;
      }
      const same =
        Array.from(await p.data()).join() === "1,2,3,4,5" && Array.from(await m.data()).join() === "0,1,2,3,4";
      assert.is(same, poisoned);
    }
  });

test.run();
