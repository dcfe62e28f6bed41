// Reductions as a program calls them: over any axes, with and without keepdim, held against f64 at random shapes; and numbers at
// the edge of what f32 holds.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  compute,
  type Dtype,
  parameter,
  ShapeError,
  Tape,
  type Tensor,
  tensor,
  UsageError,
} from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import {
  amax,
  amin,
  argmax,
  argmin,
  logSoftmax,
  logsumexp,
  mean,
  norm,
  permute,
  prod,
  softmax,
  std,
  sum,
  variance,
} from "../../kernels/index.ts";
import { dot, gaussian, near, sharedGpu, uniform } from "./derive.ts";

const gpu = await sharedGpu();

type Axes = number | number[] | undefined;
type Reduce = (x: Tensor, axis?: number | readonly number[], keepdim?: boolean) => Tensor;
type Of64 = (all: readonly number[]) => number;

const add64: Of64 = (all) => all.reduce((s, v) => s + v, 0);
const variance64 =
  (correction: number): Of64 =>
  (all) => {
    const middle = add64(all) / all.length;
    return add64(all.map((v) => (v - middle) ** 2)) / (all.length - correction);
  };

const reductions: Record<string, [Reduce, Of64]> = {
  sum: [sum, add64],
  mean: [mean, (all) => add64(all) / all.length],
  amax: [amax, (all) => Math.max(...all)],
  amin: [amin, (all) => Math.min(...all)],
  prod: [prod, (all) => all.reduce((p, v) => p * v, 1)],
  variance: [(x, axis, keepdim) => variance(x, axis, keepdim, { correction: 0 }), variance64(0)],
  std: [(x, axis, keepdim) => std(x, axis, keepdim, { correction: 0.5 }), (all) => Math.sqrt(variance64(0.5)(all))],
  norm: [norm, (all) => Math.hypot(...all)],
  logsumexp: [logsumexp, (all) => Math.log(add64(all.map(Math.exp)))],
};

const numel = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

interface Called {
  readonly shape: number[];
  /** As given to the function: one, several in any order, or none; negative ones among them. */
  readonly axis: Axes;
  readonly keepdim: boolean;
  readonly seed: number;
}

const calls = (most = 4): fc.Arbitrary<Called> =>
  fc.array(fc.constantFrom(1, 2, 3, 4, 5), { minLength: 0, maxLength: most }).chain((shape) => {
    const rank = shape.length;
    const sign = (axis: number) => fc.constantFrom(axis, axis - rank);
    const several = fc
      .shuffledSubarray([...shape.keys()], { minLength: Math.min(1, rank) })
      .chain((axes) => fc.tuple(...axes.map(sign)));
    const axis =
      rank === 0 ? fc.constant(undefined) : fc.oneof(several, fc.nat(rank - 1).chain(sign), fc.constant(undefined));
    return fc.record({ shape: fc.constant(shape), axis, keepdim: fc.boolean(), seed: fc.nat(1e6) });
  });

const axesOf = ({ shape, axis }: Called): number[] =>
  (axis === undefined ? [...shape.keys()] : [axis].flat()).map((i) => (i < 0 ? i + shape.length : i));

const shapeOf = (called: Called): number[] =>
  called.shape.flatMap((size, i) => (!axesOf(called).includes(i) ? size : called.keepdim ? 1 : []));

/** For each element of the result, where its elements stand in x, in order. */
function membersOf(called: Called): number[][] {
  const { shape } = called;
  const axes = axesOf(called);
  const members = new Map<string, number[]>();
  for (let i = 0; i < numel(shape); i++) {
    let rest = i;
    const index = shape.map(() => 0);
    for (let k = shape.length - 1; k >= 0; k--) [index[k], rest] = [rest % shape[k], Math.floor(rest / shape[k])];
    const place = `${index.filter((_, k) => !axes.includes(k))}`;
    members.set(place, [...(members.get(place) ?? []), i]);
  }
  return [...members.values()];
}

const draw = (n: number, seed: number): Float64Array => {
  const random = uniform(seed);
  return Float64Array.from({ length: n }, () => Math.fround(gaussian(random)));
};

const values = async (f: () => Tensor<Dtype>): Promise<number[]> => Array.from(await compute(f));

for (const [name, [reduce, of64]] of Object.entries(reductions))
  test(`${name} over any axes, with and without keepdim, and its gradient`, () =>
    fc.assert(
      fc.asyncProperty(calls(), async (called) => {
        const members = membersOf(called);
        if (name === "std" && members[0].length === 1) return; // its root has no slope there
        const x = draw(numel(called.shape), called.seed);
        const f = (at: Float64Array) => members.map((places) => of64(places.map((i) => at[i])));
        const dy = draw(members.length, called.seed + 1);
        const v = draw(x.length, called.seed + 2);
        let read: Promise<ArrayLike<number>>[];
        {
          using tape = new Tape();
          const at = tensor(Float32Array.from(x), called.shape);
          at.value.needsGrad = true;
          const y = reduce(at, called.axis, called.keepdim);
          assert.equal([...y.shape], shapeOf(called));
          read = [later(y), later(tape.vjp([y], [tensor(Float32Array.from(dy), y.shape)]).get(at)!)];
        }
        const [y, dx] = await Promise.all(read);
        near(y, f(x), 2e-5, name);
        const phi = (h: number) => dot(dy, f(x.map((value, i) => value + h * v[i])));
        const slope = (phi(1e-5) - phi(-1e-5)) / 2e-5;
        const most = 1e-4 * (1 + Math.abs(slope) + Math.sqrt(dot(dx, dx)));
        assert.ok(Math.abs(dot(dx, v) - slope) <= most, `⟨dx, v⟩ is ${dot(dx, v)}, the slope ${slope}`);
      }),
      { numRuns: 60, includeErrorInReport: true } as fc.Parameters<[Called]>,
    ));

for (const dtype of ["f32", "u32", "i32"] as const)
  test(`argmax and argmin of ${dtype}: the first of equals, along an axis or of everything`, () =>
    fc.assert(
      fc.asyncProperty(calls(), async (called) => {
        if (Array.isArray(called.axis)) return;
        const axis = called.axis as number | undefined;
        const random = uniform(called.seed);
        const low = dtype === "u32" ? 0 : -2;
        const x = Array.from({ length: numel(called.shape) }, () => Math.floor(4 * random()) + low);
        for (const [find, best] of [
          [argmax, Math.max],
          [argmin, Math.min],
        ] as const) {
          const want = membersOf(called).map((at) => {
            const all = at.map((i) => x[i]);
            return all.indexOf(best(...all));
          });
          let dtypeOf = "";
          const got = await values(() => {
            const y = find(tensor(x, called.shape, dtype), axis, called.keepdim);
            assert.equal([...y.shape], shapeOf(called));
            dtypeOf = y.dtype;
            return y;
          });
          assert.is(dtypeOf, "u32");
          assert.equal(got, want);
        }
      }),
      { numRuns: 40 },
    ));

for (const dtype of ["u32", "i32"] as const)
  test(`sum, prod, amax, amin of ${dtype} over any axes are exact, and wrap`, () =>
    fc.assert(
      fc.asyncProperty(calls(), async (called) => {
        const random = uniform(called.seed);
        const wrap = (n: number) => (dtype === "u32" ? n >>> 0 : n | 0);
        const x = Array.from({ length: numel(called.shape) }, () => wrap(Math.floor(random() * 2 ** 32)));
        for (const [reduce, of64] of [
          [sum, (all) => all.reduce((s, v) => wrap(s + v))],
          [prod, (all) => all.reduce((p, v) => wrap(Math.imul(p, v)))],
          [amax, (all) => Math.max(...all)],
          [amin, (all) => Math.min(...all)],
        ] as [Reduce, Of64][]) {
          const want = membersOf(called).map((at) => of64(at.map((i) => x[i])));
          const integers = dtype === "u32" ? Uint32Array.from(x) : Int32Array.from(x);
          assert.equal(
            await values(() =>
              reduce(tensor(integers, called.shape) as Tensor<Dtype> as Tensor, called.axis, called.keepdim),
            ),
            want,
          );
        }
      }),
      { numRuns: 30 },
    ));

test("axes side by side are one launch, and give the bits of one axis of their length; axes apart those of axes brought together", async () => {
  const x = Float32Array.from(draw(3 * 70 * 6, 1));
  const one = () => tensor(x, [210, 6]);
  const several = () => tensor(x, [3, 70, 6]);
  for (const reduce of [sum, mean, variance, norm, logsumexp, prod]) {
    const want = await values(() => reduce(one(), 0));
    const { launches } = gpu.last;
    assert.equal(await values(() => reduce(several(), [0, 1])), want);
    assert.is(gpu.last.launches, launches);
    assert.equal(
      await values(() => reduce(several(), [2, 0])),
      await values(() => reduce(permute(several(), [1, 0, 2]).reshape([70, 18]), 1)),
    );
  }
});

test("softmax and logSoftmax along any axis", () =>
  fc.assert(
    fc.asyncProperty(calls(), async (called) => {
      if (typeof called.axis !== "number") return;
      const { axis } = called;
      const x = draw(numel(called.shape), called.seed);
      const want = new Float64Array(x.length);
      for (const members of membersOf(called)) {
        const total = add64(members.map((i) => Math.exp(x[i])));
        for (const i of members) want[i] = Math.exp(x[i]) / total;
      }
      const at = () => tensor(Float32Array.from(x), called.shape);
      near(await values(() => softmax(at(), axis)), want, 1e-6, "softmax");
      near(await values(() => logSoftmax(at(), axis)), want.map(Math.log), 1e-5, "logSoftmax");
    }),
    { numRuns: 40 },
  ));

async function refused(f: () => Tensor): Promise<Error> {
  const error: unknown = await compute(f).catch((thrown: unknown) => thrown);
  assert.instance(error, Error);
  return error as Error;
}

// ---- numbers at the edge ------------------------------------------------------------------------------------------

const slopes = async (f: (x: Tensor) => Tensor, x: number[]) => {
  const at = parameter(x);
  using tape = new Tape();
  const y = f(at);
  const found = tape.gradients(y);
  return { y: await y.item(), dx: [...(await found.get(at).data())] };
};

test("prod: with one zero its place alone has a gradient, with two none has", async () => {
  assert.equal(await slopes(prod, [2, 3, 4]), { y: 24, dx: [12, 8, 6] });
  assert.equal(await slopes(prod, [2, 0, 4]), { y: 0, dx: [0, 8, 0] });
  assert.equal(await slopes(prod, [2, 0, 0]), { y: 0, dx: [0, 0, 0] });
});

test("prod: the gradient of a product below what f32 holds", async () => {
  const { dx } = await slopes(prod, [1e-30, 1e-30, 1e20]);
  near(dx.slice(0, 2).map(Math.log10), [-10, -10], 1e-5, "dx");
  assert.is(dx[2], 0);
});

test("variance: a large mean costs no digits, large numbers do not overflow on the way", async () => {
  const of = (x: number[], correction = 1) => values(() => variance(tensor(x), 0, false, { correction }));
  near(await of([1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3]), [5 / 3], 1e-6, "far from 0");
  near(await of(Array.from({ length: 5000 }, (_, i) => 4e6 + (i % 2))), [1250 / 4999], 1e-6, "far from 0, long");
  assert.equal(await of([1e38, 1e38, 1e38, 1e38]), [0]);
  assert.equal(await of(Array(3000).fill(1e38)), [0]);
  assert.equal(await of([1e38, -1e38]), [Infinity]);
  assert.equal(await of([3e38, -3e38, 3e38]), [Infinity]);
  assert.equal(await of([1, Infinity]), [NaN]);
  assert.equal(await of([1, NaN]), [NaN]);
  assert.equal(await of([7], 0), [0]);
});

test("norm: squares that overflow or vanish, infinities, and the gradient at 0", async () => {
  const of = (x: number[]) => values(() => norm(tensor(x)));
  near(await of([3e37, 4e37]), [5e37], 1e-6, "large");
  near((await of([3e-30, 4e-30])).map(Math.log10), [Math.log10(5e-30)], 1e-6, "small");
  assert.equal(await of([1, -Infinity]), [Infinity]);
  assert.equal(await of([NaN, Infinity]), [NaN]);
  assert.equal(await slopes(norm, [0, 0]), { y: 0, dx: [0, 0] });
  near((await slopes(norm, [3e37, 4e37])).dx, [0.6, 0.8], 1e-6, "dx");
});

test("std: where nothing is spread its gradient is 0", async () => {
  assert.equal(await slopes((x) => std(x), [3, 3, 3]), { y: 0, dx: [0, 0, 0] });
});

test("variance of fewer elements than the correction leaves is refused, and the call with 0 works", async () => {
  const error = await refused(() => variance(tensor([1, 2], [2, 1]), 1));
  assert.instance(error, ShapeError);
  assert.is(
    error.message,
    "variance: 1 element and correction 1 leave nothing to divide by; expected more than 1, or { correction: 0 }",
  );
  assert.equal(await values(() => variance(tensor([1, 2], [2, 1]), 1, false, { correction: 0 })), [0, 0]);
  assert.instance(await refused(() => std(tensor([1, 2]), 0, false, { correction: -1 })), UsageError);
});

test("logsumexp: −∞ of nothing but −∞, ∞ of ∞, NaN of NaN, and no overflow", async () => {
  const of = (x: number[]) => values(() => logsumexp(tensor(x)));
  for (const fill of [1, 3000]) {
    const low = (n: number) => Array<number>(n).fill(-Infinity);
    assert.equal(await of(low(fill)), [-Infinity]);
    assert.equal(await of([...low(fill), 2]), [2]);
    assert.equal(await of([...low(fill), Infinity, 1e38]), [Infinity]);
    assert.equal(await of([...low(fill), Infinity, -Infinity, Infinity]), [Infinity]);
    assert.equal(await of([...low(fill), NaN]), [NaN]);
    assert.equal(await of([...low(fill), NaN, Infinity]), [NaN]);
    assert.equal(await of([...low(fill), 3e38, 1e38]), [Math.fround(3e38)]);
    assert.equal(await of([...low(fill), -3e38, -3.2e38]), [Math.fround(-3e38)]);
  }
  near(await of([1000, 1000]), [1000 + Math.LN2], 1e-6, "of 1000");
  const { dx } = await slopes(logsumexp, [1000, 1000, -Infinity]);
  near(dx, [0.5, 0.5, 0], 1e-4, "softmax");
});

test("amax and argmax: NaN wins, the first of several; −∞ alone is a maximum like any other", async () => {
  const of = (x: number[]) => values(() => amax(tensor(x)));
  const at = (x: number[]) => values(() => argmax(tensor(x)));
  const long = (x: number[]) => [...x, ...Array<number>(3000).fill(-Infinity)];
  for (const all of [(x: number[]) => x, long]) {
    assert.equal(await of(all([1, NaN, Infinity])), [NaN]);
    assert.equal(await at(all([1, NaN, NaN])), [1]);
    assert.equal(await at(all([1, Infinity, Infinity])), [1]);
    assert.equal(await of(all([-Infinity, -Infinity])), [-Infinity]);
    assert.equal(await at(all([-Infinity, -Infinity])), [0]);
    assert.equal(await of(all([-3e38, -3.2e38])), [Math.fround(-3e38)]);
  }
  assert.equal(await values(() => argmin(tensor([2, 1, 1]))), [1]);
});

test("integers of more than 24 bits are summed and found exactly", async () => {
  const big = new Uint32Array([2 ** 31, 2 ** 31, 2 ** 24 + 1]);
  assert.equal(await values(() => sum(tensor(big))), [2 ** 24 + 1]);
  assert.equal(await values(() => amax(tensor(new Uint32Array([2 ** 32 - 2, 2 ** 32 - 1])))), [2 ** 32 - 1]);
  assert.equal(await values(() => argmin(tensor(new Int32Array([2 ** 24 + 1, 2 ** 24, -(2 ** 31)])))), [2]);
  assert.equal(await values(() => prod(tensor(new Int32Array([2 ** 16 + 1, -(2 ** 16)])))), [-(2 ** 16)]);
});

test("wrong axes are refused in a sentence", async () => {
  const message = async (f: () => Tensor) => {
    const error = await refused(f);
    assert.instance(error, ShapeError);
    return error.message;
  };
  const x = () => tensor([1, 2, 3, 4], [2, 2]);
  assert.is(
    await message(() => sum(x(), [0, -2])),
    "sum: axis is [0,-2], which names axis 0 of [2,2] twice; expected once",
  );
  assert.is(
    await message(() => mean(x(), [])),
    "mean: axis is []; expected one axis or more, or undefined for all of [2,2]",
  );
  assert.is(await message(() => prod(x(), 2)), "prod: [2,2] has no axis 2");
  assert.match(await message(() => amax(x(), 0.5)), /^amax: axis is 0\.5; expected a whole number/);
  assert.match(
    await message(() => mean(tensor(new Uint32Array(2)) as never)),
    /^mean: x_NAM is u32, expected f32 or f16/,
  );
});

test.run();
