// Tensors made on the device: what they hold, in which type and scope; and random ones, by what chance would let them be.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  compute,
  type Dtype,
  EngineError,
  keep,
  free,
  parameter,
  Scope,
  Tape,
  type Tensor,
} from "../../engine/index.ts";
import {
  add,
  arange,
  eye,
  full,
  linspace,
  mul,
  ones,
  onesLike,
  rand,
  randint,
  randn,
  sum,
  zeros,
  zerosLike,
} from "../../kernels/index.ts";
import { sharedGpu } from "./derive.ts";

const gpu = await sharedGpu();
const types: readonly Dtype[] = ["f32", "u32", "i32", ...(gpu.facts.f16 ? (["f16"] as const) : [])];

const values = async (f: () => Tensor<Dtype>): Promise<number[]> => [...Array.from(await compute(f))];
const numel = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

test("constants have the shape, the value and the type asked for", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
      fc.integer({ min: 0, max: 2000 }),
      fc.constantFrom(...types),
      async (shape, value, dtype) => {
        using _scope = new Scope();
        const all = [full(shape, value, { dtype }), zeros(shape, { dtype }), ones(shape, { dtype })];
        for (const like of [zerosLike(all[0]), onesLike(all[0])]) all.push(like);
        assert.ok(all.every((each) => each.dtype === dtype && `${each.shape}` === `${shape}`));
        const found = await Promise.all(all.map((each) => each.data()));
        assert.equal(
          found.map((each) => [...new Set(each)]),
          [[value], [0], [1], [0], [1]],
        );
        assert.is(found[0].length, numel(shape));
      },
    ),
    { numRuns: 20, seed: 2022 },
  ));

test("without a type they are f32, and zerosLike may have another than its tensor", async () => {
  using _scope = new Scope();
  assert.is(ones([2]).dtype, "f32");
  assert.is(zerosLike(ones([2]), { dtype: "u32" }).dtype, "u32");
  assert.equal(await values(() => full([2], -Infinity)), [-Infinity, -Infinity]);
  assert.equal(await values(() => full([1], Number.NaN)), [Number.NaN]);
});

test("arange counts as PyTorch's does: from 0, from a start, in steps, backwards", async () => {
  assert.equal(await values(() => arange(3)), [0, 1, 2]);
  assert.equal(await values(() => arange(2, 5)), [2, 3, 4]);
  assert.equal(await values(() => arange(0, 10, 3)), [0, 3, 6, 9]);
  assert.equal(await values(() => arange(3, 0, -1)), [3, 2, 1]);
  assert.equal(await values(() => arange(0, 1, 0.25)), [0, 0.25, 0.5, 0.75]);
  assert.equal(await values(() => arange(2.5)), [0, 1, 2]);
  const i32 = () => arange(2 ** 30 + 1, -(2 ** 30), -(2 ** 29), { dtype: "i32" });
  assert.equal(await compute(i32), Int32Array.of(2 ** 30 + 1, 2 ** 29 + 1, 1, 1 - 2 ** 29, 1 - 2 ** 30));
  assert.equal(await compute(() => arange(2, { dtype: "u32" })), Uint32Array.of(0, 1));
  assert.equal(
    await compute(() => arange(2 ** 32 - 2, 2 ** 32, { dtype: "u32" })),
    Uint32Array.of(2 ** 32 - 2, 2 ** 32 - 1),
  );
});

test("linspace reaches both ends exactly, and its steps are equal within rounding", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: -(2 ** 20), max: 2 ** 20 }).map((x) => x / 1024),
      fc.integer({ min: -(2 ** 20), max: 2 ** 20 }).map((x) => x / 1024),
      fc.integer({ min: 2, max: 5000 }),
      async (start, end, n) => {
        const found = await values(() => linspace(start, end, n));
        assert.is(found[0], start + 0);
        assert.is(found[n - 1], end + 0);
        const most = Math.max(Math.abs(start), Math.abs(end));
        for (const [i, got] of found.entries())
          assert.ok(Math.abs(got - (start + (i * (end - start)) / (n - 1))) <= 4e-7 * most, `[${i}] is ${got}`);
      },
    ),
    { numRuns: 20, seed: 2022 },
  ));

test("eye is 1 where row and column are the same, also where it is not square", async () => {
  assert.equal(await values(() => eye(2)), [1, 0, 0, 1]);
  assert.equal(await values(() => eye(2, 3)), [1, 0, 0, 0, 1, 0]);
  assert.equal(await compute(() => eye(3, 1, { dtype: "i32" })), Int32Array.of(1, 0, 0));
});

test("what is made belongs to the open scope: kept, it lasts; without a scope it is refused", async () => {
  const { kept, inside } = (() => {
    using _scope = new Scope();
    const inside = ones([2]);
    return { inside, kept: keep(full([2], 5)) };
  })();
  assert.equal(await kept.data(), Float32Array.of(5, 5));
  free(kept);
  assert.throws(() => add(inside, 1), /no scope is open/);
  for (const make of [() => zeros([1]), () => arange(3), () => eye(2), () => rand([1], { seed: 1 })])
    assert.throws(make, /no scope is open; write/);
});

test("constants have no gradient, and let it pass to others", async () => {
  const x = parameter([1, 2]);
  using tape = new Tape();
  const found = tape.gradients(sum(mul(add(x, ones([2])), arange(1, 3))));
  assert.equal([...(await found.get(x).data())], [1, 2]);
});

// ---- random numbers ----------------------------------------------------------------------------------------------

const n = 1 << 18;
const meanOf = (all: readonly number[]) => all.reduce((a, b) => a + b, 0) / all.length;
/** Σ xᵖ / n about the mean. */
function moment(all: readonly number[], power: number): number {
  const mean = meanOf(all);
  return meanOf(all.map((x) => (x - mean) ** power));
}
function correlation(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [meanOf(a), meanOf(b)];
  return meanOf(a.map((x, i) => (x - ma) * (b[i] - mb))) / Math.sqrt(moment(a, 2) * moment(b, 2));
}
/** How far counts lie from equal ones, in deviations of χ². */
function unevenness(counts: readonly number[]): number {
  const expected = meanOf(counts);
  const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return (chi - (counts.length - 1)) / Math.sqrt(2 * (counts.length - 1));
}
function countsOf(all: readonly number[], bins: number): number[] {
  const counts = new Array<number>(bins).fill(0);
  for (const x of all) counts[x]++;
  return counts;
}
/** Five deviations of a mean of n numbers with this variance. */
const five = (variance: number) => 5 * Math.sqrt(variance / n);

test("rand: in [0, 1), each part of it as often, mean 1/2, variance 1/12, neighbours independent", async () => {
  const all = await values(() => rand([n], { seed: 1 }));
  assert.ok(all.every((x) => x >= 0 && x < 1));
  assert.ok(Math.abs(meanOf(all) - 1 / 2) < five(1 / 12), `mean ${meanOf(all)}`);
  assert.ok(Math.abs(moment(all, 2) - 1 / 12) < five(1 / 180), `variance ${moment(all, 2)}`);
  const counts = countsOf(
    all.map((x) => Math.floor(256 * x)),
    256,
  );
  assert.ok(Math.abs(unevenness(counts)) < 5, `256 bins: ${unevenness(counts)} deviations`);
  const low = countsOf(
    all.map((x) => (x * 2 ** 24) & 255),
    256,
  );
  assert.ok(Math.abs(unevenness(low)) < 5, `lowest bits: ${unevenness(low)} deviations`);
  for (const lag of [1, 2, 3, 4, 256])
    assert.ok(Math.abs(correlation(all.slice(lag), all.slice(0, -lag))) < 5 / Math.sqrt(n), `lag ${lag}`);
});

test("neighbouring seeds and streams, and the kinds of one seed, have nothing in common", async () => {
  const made = {
    "seed 7": () => rand([n], { seed: 7 }),
    "seed 8": () => rand([n], { seed: 8 }),
    "seed 7 + 2^32": () => rand([n], { seed: 7 + 2 ** 32 }),
    "stream 1": () => rand([n], { seed: 7, stream: 1 }),
    "stream 8, seed 0": () => rand([n], { seed: 0, stream: 7 }),
    randint: () => randint(0, 2 ** 24, [n], { seed: 7 }),
    randn: () => randn([n], { seed: 7 }),
  };
  const all = await Promise.all(Object.values(made).map((make) => values(make)));
  const names = Object.keys(made);
  for (let a = 0; a < all.length; a++)
    for (let b = 0; b < a; b++) {
      const what = `${names[a]} and ${names[b]}`;
      assert.ok(Math.abs(correlation(all[a], all[b])) < 5 / Math.sqrt(n), what);
      const same = all[a].filter((x, i) => x === all[b][i]).length;
      assert.ok(same <= 3, `${what}: ${same} of ${n} are equal`); // chance has 1/64
    }
});

test("the same seed gives the same numbers again, whatever is drawn beside it; a shorter draw is the beginning of a longer", async () => {
  const once = await values(() => randn([1000], { seed: 3, stream: 2 }));
  const [again, longer] = await compute(() => {
    rand([50], { seed: 1 });
    return [randn([10, 100], { seed: 3, stream: 2 }), randn([4000], { seed: 3, stream: 2 })];
  });
  assert.equal([...again], once);
  assert.equal([...longer.slice(0, 1000)], once);
});

test("randn: mean 0, deviation 1, no skew, the tails of a normal distribution", async () => {
  const all = await values(() => randn([n], { seed: 5 }));
  assert.ok(Math.abs(meanOf(all)) < five(1), `mean ${meanOf(all)}`);
  assert.ok(Math.abs(moment(all, 2) - 1) < five(2), `variance ${moment(all, 2)}`);
  assert.ok(Math.abs(moment(all, 3)) < five(15), `third moment ${moment(all, 3)}`);
  assert.ok(Math.abs(moment(all, 4) - 3) < five(96), `fourth moment ${moment(all, 4)}`);
  const beyond = (t: number) => all.filter((x) => Math.abs(x) > t).length;
  for (const [t, share] of [
    [1, 0.317311],
    [2, 0.0455],
    [3, 0.0027],
  ] as const)
    assert.ok(Math.abs(beyond(t) - n * share) < 5 * Math.sqrt(n * share * (1 - share)), `${beyond(t)} beyond ${t}`);
  for (const lag of [1, 2, 3]) // cosine and sine of one angle among them
    assert.ok(Math.abs(correlation(all.slice(lag), all.slice(0, -lag))) < 5 / Math.sqrt(n), `lag ${lag}`);
});

test("randint: every number of the range as often, none outside, negative ones as i32", async () => {
  const dice = await values(() => randint(1, 7, [n], { seed: 5 }));
  assert.ok(dice.every((x) => x >= 1 && x <= 6));
  assert.ok(
    Math.abs(
      unevenness(
        countsOf(
          dice.map((x) => x - 1),
          6,
        ),
      ),
    ) < 5,
  );
  const signed = await compute(() => randint(-3, 4, [n], { seed: 5, dtype: "i32" }));
  assert.instance(signed, Int32Array);
  assert.ok(signed.every((x) => x >= -3 && x <= 3));
  assert.ok(
    Math.abs(
      unevenness(
        countsOf(
          [...signed].map((x) => x + 3),
          7,
        ),
      ),
    ) < 5,
  );
  const wide = await values(() => randint(-(2 ** 31), 2 ** 31 - 1, [n], { seed: 5, dtype: "i32" }));
  assert.ok(Math.min(...wide.slice(0, 5000)) < -(2 ** 30) && Math.max(...wide.slice(0, 5000)) > 2 ** 30);
});

if (gpu.facts.f16)
  test("rand of f16 stays below 1, in steps of 2^-11", async () => {
    const all = await values(() => rand([1 << 16], { seed: 9, dtype: "f16" }));
    assert.ok(all.every((x) => x >= 0 && x < 1 && Number.isInteger(x * 2 ** 11)));
    assert.ok(Math.max(...all.slice(0, 30_000)) > 0.999);
  });

const refusals: readonly [what: string, call: () => unknown, message: RegExp][] = [
  ["a shape of nothing", () => zeros([0]), /^zeros: shape is \[0\]; expected an array of sizes/],
  ["a half as u32", () => full([2], 0.5, { dtype: "u32" }), /value is 0\.5; u32 holds whole numbers/],
  [
    "a type that is none",
    () => ones([2], { dtype: "f64" as never }),
    /^ones: options\.dtype is "f64"; expected "f32" or "f16"/,
  ],
  [
    "an option that is none",
    () => zeros([2], { type: "f32" } as never),
    /^zeros: options has no "type"; did you mean dtype/,
  ],
  ["arange of nothing", () => arange(3, 3), /^arange: there is no number from 3 to before 3 in steps of 1/],
  ["arange the wrong way", () => arange(3, 0), /^arange: there is no number from 3 to before 0/],
  ["arange in steps of 0", () => arange(0, 3, 0), /^arange: there is no number .* in steps of 0/],
  ["arange of a text", () => arange("3" as never), /^arange: end is "3"; expected a finite number/],
  [
    "arange with five arguments",
    () => (arange as (...all: unknown[]) => unknown)(1, 2, 3, 4, {}),
    /^arange: 5 arguments/,
  ],
  ["arange of halves as i32", () => arange(0, 2, 0.5, { dtype: "i32" }), /^arange: step is 0\.5; i32 holds whole/],
  [
    "arange beyond i32",
    () => arange(2 ** 31 - 1, 2 ** 31 + 5, { dtype: "i32" }),
    /^arange: the last element is 2147483652; i32/,
  ],
  [
    "linspace of whole numbers",
    () => linspace(0, 1, 3, { dtype: "u32" as never }),
    /^linspace: options\.dtype is "u32"/,
  ],
  [
    "rand without a seed",
    () => (rand as unknown as (shape: number[]) => unknown)([2]),
    /^rand: options is missing; expected an object with seed/,
  ],
  [
    "rand with half a seed",
    () => rand([2], { seed: 0.5 }),
    /^rand: options\.seed is 0\.5; expected a whole number from 0 to 2\^53/,
  ],
  [
    "randint of no range",
    () => randint(3, 3, [2], { seed: 1 }),
    /^randint: from 3 to before 3; expected two whole numbers/,
  ],
  [
    "randint below 0 as u32",
    () => randint(-1, 3, [2], { seed: 1 }),
    /^randint: from -1 to before 3.*write \{ dtype: "i32" \}/,
  ],
];

for (const [what, call, message] of refusals)
  test(`${what} is refused with a sentence`, async () => {
    const error = (await compute(call as never).catch((thrown: Error) => thrown)) as Error;
    assert.instance(error, EngineError);
    assert.match(error.message, message);
  });

test.run();
