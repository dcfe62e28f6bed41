// Integers: what programs write of them against BigInt at random numbers and shapes; what is refused; casts; remainders of floats.
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
import * as k from "../../kernels/index.ts";
import { sharedGpu } from "./derive.ts";

const gpu = await sharedGpu();

const values = async (f: () => Tensor<Dtype>): Promise<number[]> => Array.from(await compute(f));

async function refusal(f: () => Tensor<Dtype>): Promise<Error> {
  const error = await compute(f).then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  assert.ok(error, "it was accepted");
  return error!;
}

type Whole = "u32" | "i32";
const wrap = (x: bigint, dtype: Whole): number =>
  Number(dtype === "u32" ? BigInt.asUintN(32, x) : BigInt.asIntN(32, x));

/** ⌊a / b⌋ of integers; by 0 it is a, as the ops document. */
function floorDivide(a: bigint, b: bigint): bigint {
  if (b === 0n) return a;
  return a / b - (a % b !== 0n && a < 0n !== b < 0n ? 1n : 0n);
}

const remainder = (a: bigint, b: bigint): bigint => (b === 0n ? 0n : a - b * floorDivide(a, b));
const bit = (holds: boolean): bigint => BigInt(holds);

type Op = (a: Tensor<Whole>, b: Tensor<Whole> | number) => Tensor<Dtype>;
const ops: Record<string, [Op, (a: bigint, b: bigint) => bigint]> = {
  add: [k.add, (a, b) => a + b],
  sub: [k.sub, (a, b) => a - b],
  mul: [k.mul, (a, b) => a * b],
  floorDivide: [k.floorDivide, floorDivide],
  remainder: [k.remainder, remainder],
  minimum: [k.minimum, (a, b) => (a < b ? a : b)],
  eq: [k.eq, (a, b) => bit(a === b)],
  ne: [k.ne, (a, b) => bit(a !== b)],
  lt: [k.lt, (a, b) => bit(a < b)],
  le: [k.le, (a, b) => bit(a <= b)],
  gt: [k.gt, (a, b) => bit(a > b)],
  ge: [k.ge, (a, b) => bit(a >= b)],
  bitwiseAnd: [k.bitwiseAnd, (a, b) => a & b],
  bitwiseOr: [k.bitwiseOr, (a, b) => a | b],
  bitwiseXor: [k.bitwiseXor, (a, b) => a ^ b],
  bitwiseLeftShift: [k.bitwiseLeftShift, (a, b) => (b < 0n || b > 31n ? 0n : a << b)],
  bitwiseRightShift: [k.bitwiseRightShift, (a, b) => (b < 0n || b > 31n ? (a < 0n ? -1n : 0n) : a >> b)],
};

const limits = { u32: [0, 2 ** 32 - 1], i32: [-(2 ** 31), 2 ** 31 - 1] } as const;

const numberOf = (dtype: Whole): fc.Arbitrary<number> => {
  const [min, max] = limits[dtype];
  return fc.oneof(
    fc.integer({ min: Math.max(min, -40), max: 40 }),
    fc.double({ min, max, noNaN: true }).map(Math.trunc),
    fc.constantFrom(min, max, min + 1, max - 1, 2 ** 24 + 1),
  );
};

/** Shapes that broadcast: some axes of either side are 1, leading ones may be missing. */
const shapes = fc
  .array(fc.record({ size: fc.constantFrom(1, 2, 3, 4, 8), a: fc.boolean(), b: fc.boolean() }), { maxLength: 3 })
  .chain((axes) =>
    fc.nat(axes.length).map((missing) => ({
      full: axes.map(({ size, a, b }, i) => ((i < missing || !b) && !a ? 1 : size)),
      a: axes.map(({ size, a }) => (a ? size : 1)),
      b: axes.slice(missing).map(({ size, b }) => (b ? size : 1)),
    })),
  );

const numel = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** The element of `of` that meets element i of the full shape. */
function at(i: number, full: readonly number[], of: readonly number[]): number {
  let place = 0;
  let [rest, stride] = [i, 1];
  for (let axis = 1; axis <= full.length; axis++) {
    const size = full[full.length - axis];
    const own = of[of.length - axis] ?? 1;
    if (own > 1) place += (rest % size) * stride;
    stride *= own;
    rest = Math.floor(rest / size);
  }
  return place;
}

const cases = fc.constantFrom<Whole>("u32", "i32").chain((dtype) =>
  shapes.chain((shape) =>
    fc.record({
      dtype: fc.constant(dtype),
      shape: fc.constant(shape),
      a: fc.array(numberOf(dtype), { minLength: numel(shape.a), maxLength: numel(shape.a) }),
      b: fc.array(numberOf(dtype), { minLength: numel(shape.b), maxLength: numel(shape.b) }),
      number: fc.boolean(),
    }),
  ),
);

for (const [name, [op, want]] of Object.entries(ops))
  test(`${name} of integers is exact modulo 2^32, whatever broadcasts`, () =>
    fc.assert(
      fc.asyncProperty(cases, async ({ dtype, shape, a, b, number }) => {
        const other = () => (number ? b[0] : tensor(b, shape.b, dtype));
        const y = await values(() => op(tensor(a, shape.a, dtype), other()));
        const full = number ? shape.a : shape.full;
        const isMask = name.length === 2;
        const expected = Array.from({ length: numel(full) }, (_, i) => {
          const [left, right] = [a[at(i, full, shape.a)], number ? b[0] : b[at(i, full, shape.b)]];
          return wrap(want(BigInt(left), BigInt(right)), isMask ? "u32" : dtype);
        });
        assert.equal(y, expected);
      }),
      { numRuns: 25, seed: 2022 },
    ));

const steps = fc.array(
  fc.record({ op: fc.constantFrom(...Object.keys(ops)), a: fc.nat(99), b: fc.nat(99), number: fc.boolean() }),
  {
    minLength: 1,
    maxLength: 12,
  },
);

test("programs of integers are what BigInt makes of them, step by step", () =>
  fc.assert(
    fc.asyncProperty(fc.constantFrom<Whole>("u32", "i32"), steps, fc.nat(1000), async (dtype, program, seed) => {
      const width = 5;
      const drawn = fc.sample(fc.array(numberOf(dtype), { minLength: width, maxLength: width }), { numRuns: 2, seed });
      const pool = drawn.map((data) => data.map(BigInt));
      const all = await compute(() => {
        const tensors: Tensor<Whole>[] = drawn.map((data) => tensor(data, [width], dtype));
        for (const { op, a, b, number } of program) {
          const [left, right] = [a % pool.length, b % pool.length];
          const [call, want] = ops[op];
          const y = call(tensors[left], number ? Number(pool[right][0]) : tensors[right]);
          tensors.push(k.cast(y, dtype)); // masks are floats
          pool.push(pool[left].map((v, i) => BigInt(wrap(want(v, pool[right][number ? 0 : i]), dtype))));
        }
        return tensors;
      });
      for (const [i, got] of all.entries()) assert.equal(Array.from(got, BigInt), pool[i], `value ${i}`);
    }),
    { numRuns: 150, seed: 2022 },
  ));

test("neg, abs, sign, bitwiseNot and clamp of integers", async () => {
  const whole = (data: number[], dtype: Whole) => () => tensor(data, [data.length], dtype);
  const signed = whole([-(2 ** 31), -5, 0, 7, 2 ** 31 - 1], "i32");
  const plain = whole([0, 7, 2 ** 31, 2 ** 32 - 1], "u32");
  assert.equal(await values(() => k.neg(signed())), [-(2 ** 31), 5, 0, -7, -(2 ** 31) + 1]);
  assert.equal(await values(() => k.neg(plain())), [0, 2 ** 32 - 7, 2 ** 31, 1]);
  assert.equal(await values(() => k.abs(signed())), [-(2 ** 31), 5, 0, 7, 2 ** 31 - 1]);
  assert.equal(await values(() => k.sign(signed())), [-1, -1, 0, 1, 1]);
  assert.equal(await values(() => k.sign(plain())), [0, 1, 1, 1]);
  assert.equal(await values(() => k.bitwiseNot(plain())), [2 ** 32 - 1, 2 ** 32 - 8, 2 ** 31 - 1, 0]);
  assert.equal(await values(() => k.clamp(signed(), { low: -4, high: 2 ** 24 + 1 })), [-4, -4, 0, 7, 2 ** 24 + 1]);
  assert.equal(await values(() => k.clamp(plain(), { low: 2 ** 31 + 1 })), [
    2147483649,
    2147483649,
    2147483649,
    2 ** 32 - 1,
  ]);
  assert.equal(await values(() => k.maximum(signed(), tensor([1], [], "i32"))), [1, 1, 1, 7, 2 ** 31 - 1]);
  assert.equal(await values(() => k.where(k.gt(plain(), 7), plain(), 9)), [9, 9, 2 ** 31, 2 ** 32 - 1]);
  assert.equal(await values(() => k.where(k.eq(plain(), -1), 0, plain())), [0, 7, 2 ** 31, 0]);
  assert.equal(await values(() => k.logicalAnd(signed(), 1)), [1, 1, 0, 1, 1]);
});

test("the type of a result is that of its operands", async () => {
  assert.instance(await compute(() => k.add(tensor(new Uint32Array([1])), 1)), Uint32Array);
  assert.instance(await compute(() => k.mul(tensor(new Int32Array([1])), 1)), Int32Array);
  assert.instance(await compute(() => k.lt(tensor(new Int32Array([1])), 1)), Float32Array);
});

test("what would lose something is refused with what to write", async () => {
  const ids = () => tensor(new Uint32Array([1, 2]));
  const signed = () => tensor(new Int32Array([1, 2]));
  const cases: [() => Tensor<Dtype>, RegExp][] = [
    [
      () => k.add(ids(), tensor([1, 2]) as never),
      /^add: a is u32 and b is f32; expected one type: cast\(a, "f32"\) converts$/,
    ],
    [
      () => k.mul(tensor([1, 2]), ids() as never),
      /^mul: a is f32 and b is u32; expected one type: cast\(b, "f32"\) converts$/,
    ],
    [() => k.lt(ids(), signed() as never), /^lt: a is u32 and b is i32; expected one type: cast\(b, "u32"\) converts$/],
    [() => k.where<Dtype>(k.gt(ids(), 1), ids(), tensor([1, 2])), /^where: a is u32 and b is f32; .*cast\(a, "f32"\)/],
    [() => k.add(ids(), 1.5), /^add: 1.5 meets a tensor of u32, which holds whole numbers .*cast\(x, "f32"\)/],
    [() => k.lt(ids(), -1), /^lt: -1 meets a tensor of u32, .* from 0 to 4294967295; cast\(x, "i32"\)/],
    [() => k.minimum(ids(), Infinity), /^minimum: Infinity meets a tensor of u32/],
    [() => k.clamp(signed(), { high: 2 ** 31 }), /^clamp: 2147483648 meets a tensor of i32/],
    [() => k.div(ids() as never, 2), /^div: a is u32, .*floorDivide\(a, b\) rounds down, div\(cast\(a, "f32"\)/],
    [
      () => k.bitwiseAnd(tensor([1]) as never, 1),
      /^bitwiseAnd: a_N is f32, expected u32 or i32; cast\(a, "u32"\) converts/,
    ],
    [() => k.exp(ids() as never), /^exp: x_N is u32, expected f32 or f16; cast\(x, "f32"\) converts/],
  ];
  for (const [body, sentence] of cases) {
    const error = await refusal(body);
    assert.instance(error, ShapeError);
    assert.match(error.message, sentence);
  }
  assert.instance(await refusal(() => k.clamp(ids(), {})), UsageError);
});

// ---- casts -------------------------------------------------------------------------------------------------------

const half: readonly Dtype[] = gpu.facts.f16 ? ["f16"] : [];

test("a cast of every type to every other, there and back, keeps what both can hold", async () => {
  const all: Dtype[] = ["f32", "u32", "i32", ...half];
  for (const from of all)
    for (const to of all)
      assert.equal(
        await values(() => k.cast(k.cast(tensor([0, 1, 100, 2047], [4], from), to), from)),
        [0, 1, 100, 2047],
      );
});

test("casts truncate, saturate, and wrap between integers", async () => {
  const odd = () => tensor([1.9, -1.9, 3e9, -3e9, 1e10, Infinity, -Infinity, NaN]);
  const [most, least] = [2 ** 31 - 1, -(2 ** 31)];
  assert.equal(await values(() => k.cast(odd(), "i32")), [1, -1, most, least, most, most, least, 0]);
  assert.equal(await values(() => k.cast(odd(), "u32")), [1, 0, 3e9, 0, 2 ** 32 - 1, 2 ** 32 - 1, 0, 0]);
  assert.equal(await values(() => k.cast(tensor([-1, 5], [2], "i32"), "u32")), [2 ** 32 - 1, 5]);
  assert.equal(await values(() => k.cast(tensor([2 ** 32 - 1], [1], "u32"), "i32")), [-1]);
  assert.equal(await values(() => k.cast(tensor([2 ** 24 + 1], [1], "u32"), "f32")), [2 ** 24]);
  if (half.length > 0)
    assert.equal(await values(() => k.cast(tensor([70000, -70000], [2], "i32"), "f16")), [65504, -65504]);
});

// ---- remainders of floats ----------------------------------------------------------------------------------------

test("remainder and floorDivide of floats are exact, as JavaScript's % is", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.float({ noNaN: true }), fc.float({ noNaN: true })), { minLength: 1, maxLength: 40 }),
      async (pairs) => {
        // below 2^−126 devices may take numbers for 0; quotients beyond 2^22 have no room for their last digits
        const kept = pairs.filter(([a, b]) => Math.min(Math.abs(a), Math.abs(b)) > 1e-30 && Math.abs(a) < 1e30);
        if (kept.length === 0) return;
        const [a, b] = [kept.map(([x]) => x), kept.map(([, x]) => x)];
        const rest = kept.map(([x, y]) => x % y);
        const isAbove = kept.map(([, y], i) => rest[i] !== 0 && rest[i] < 0 !== y < 0);
        const left = await values(() => k.remainder(tensor(a), tensor(b)));
        const quotient = await values(() => k.floorDivide(tensor(a), tensor(b)));
        for (const [i, [x, y]] of kept.entries()) {
          const expected = isAbove[i] ? Math.fround(rest[i] + y) : rest[i];
          if (Math.abs(rest[i]) > 1e-30) assert.is(left[i], expected, `${x} % ${y}`);
          const whole = Math.round((x - rest[i]) / y) - Number(isAbove[i]);
          if (Math.abs(whole) < 2 ** 22) assert.is(quotient[i] + 0, whole + 0, `⌊${x} / ${y}⌋`);
        }
      },
    ),
    { numRuns: 60, seed: 2022 },
  ));

test("remainder has the sign of b, and its gradient goes to both; floorDivide has none", async () => {
  assert.equal(await values(() => k.remainder(tensor([-7, 7, -7, 6.5]), tensor([2, -2, -2, 2]))), [1, -1, -1, 0.5]);
  assert.equal(await values(() => k.floorDivide(tensor([-7, 7, 1, 5]), tensor([2, -2, 0.1, 0]))), [
    -4,
    -4,
    9,
    Infinity,
  ]);
  const [a, b] = [parameter([-7, 7.5]), parameter([2])];
  using tape = new Tape();
  const found = tape.gradients(k.sum(k.add(k.remainder(a, b), k.floorDivide(a, b))));
  assert.equal([...(await found.get(a).data())], [1, 1]);
  assert.equal([...(await found.get(b).data())], [1]); // 4 − 3
});

test.run();
