// Attention of separate queries, keys and values: shapes that broadcast, masks, biases, rows that see nothing.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, parameter, Scope, ShapeError, Tape, tensor, UsageError } from "../../engine/index.ts";
import { attention, concat, lt, permute, scaledDotProductAttention, sum, tanh } from "../../kernels/index.ts";
import { agrees, drawn, type Given } from "./against.ts";
import { sharedGpu, uniform } from "./derive.ts";

const gpu = await sharedGpu();

interface Case {
  readonly lead: readonly number[];
  readonly L: number;
  readonly S: number;
  readonly K: number;
  readonly V: number;
  /** Which axes the mask, the bias and the keys have; 1 elsewhere. */
  readonly mask: readonly boolean[] | undefined;
  readonly bias: readonly boolean[] | undefined;
  readonly keys: readonly boolean[];
  readonly causal: boolean;
  readonly seed: number;
}

const size = fc.constantFrom(1, 2, 3, 5, 8, 17, 70);
const axes = fc.array(fc.boolean(), { minLength: 5, maxLength: 5 });
const cases: fc.Arbitrary<Case> = fc.record({
  lead: fc.array(fc.constantFrom(1, 2, 3), { maxLength: 3 }),
  L: size,
  S: size,
  K: fc.constantFrom(1, 3, 4, 16),
  V: fc.constantFrom(1, 4, 6),
  mask: fc.option(axes, { nil: undefined }),
  bias: fc.option(axes, { nil: undefined }),
  keys: axes,
  causal: fc.boolean(),
  seed: fc.integer({ min: 1, max: 2 ** 30 }),
});

/** The last sizes of `full`, 1 where `has` says so. */
const partOf = (full: readonly number[], has: readonly boolean[]) => full.map((size, i) => (has[i] ? size : 1));

/** The element of x[shape] at a place of `full`, with broadcasting. */
function at(x: Float64Array, shape: readonly number[], place: readonly number[]): number {
  const own = place.slice(place.length - shape.length);
  return x[shape.reduce((index, size, i) => index * size + (size === 1 ? 0 : own[i]), 0)];
}

/** softmax(scale · q·kᵀ + bias) v, written from the definition. */
function reference(shapes: Record<string, readonly number[]>, { lead, L, S, K, V, causal }: Case) {
  return (...given: Float64Array[]) => {
    const x = Object.fromEntries(Object.keys(shapes).map((name, i) => [name, given[i]]));
    const y: number[] = [];
    const places = lead.reduce<number[][]>(
      (all, size) => all.flatMap((head) => Array.from({ length: size }, (_, i) => [...head, i])),
      [[]],
    );
    for (const head of places)
      for (let i = 0; i < L; i++) {
        const weights = Array.from({ length: S }, (_, j) => {
          const hidden = (causal && j > i) || (x.mask && at(x.mask, shapes.mask, [...head, i, j]) === 0);
          if (hidden) return 0;
          let z = x.bias ? at(x.bias, shapes.bias, [...head, i, j]) : 0;
          for (let c = 0; c < K; c++)
            z += (at(x.q, shapes.q, [...head, i, c]) * at(x.k, shapes.k, [...head, j, c])) / Math.sqrt(K);
          return Math.exp(z);
        });
        const total = weights.reduce((a, b) => a + b, 0);
        for (let c = 0; c < V; c++)
          y.push(
            total === 0 ? 0 : weights.reduce((s, w, j) => s + (w / total) * at(x.v, shapes.v, [...head, j, c]), 0),
          );
      }
    return y;
  };
}

async function holds(c: Case): Promise<void> {
  const { lead, L, S, K, V, mask, bias, keys, causal, seed } = c;
  const random = uniform(seed);
  const full = [...lead, L, S];
  const inputs: Record<string, Given> = {
    q: drawn(random, [...lead, L, K]),
    k: drawn(random, [...partOf(lead, keys), S, K]),
    v: drawn(random, [...partOf(lead, keys), S, V]),
  };
  if (mask) inputs.mask = { ...drawn(random, partOf(full, mask), (r) => Number(r() < 0.6)), fixed: true };
  if (bias) inputs.bias = drawn(random, partOf(full, bias));
  const names = Object.keys(inputs);
  await agrees(
    Object.values(inputs),
    (q, k, v, ...rest) => {
      const options = Object.fromEntries(rest.map((x, i) => [names[i + 3], x]));
      return scaledDotProductAttention(q, k, v, { ...options, causal });
    },
    reference(Object.fromEntries(names.map((name) => [name, inputs[name].shape])), c),
    { seed },
  );
}

test("values and gradients are those of the definition, whatever broadcasts", () =>
  fc.assert(fc.asyncProperty(cases, holds), { numRuns: 60, seed: 5 }));

const values = async (f: Parameters<typeof compute>[0]) => [...((await compute(f as never)) as Float32Array)];
const some = (shape: readonly number[], seed = 1) => {
  const { data } = drawn(uniform(seed), shape);
  return () => tensor(data, shape);
};

test("it is `attention` of the same heads, packed", async () => {
  const [L, heads, K] = [9, 2, 8];
  const [q, k, v] = [1, 2, 3].map((seed) => some([heads, L, K], seed));
  for (const causal of [false, true]) {
    const packed = () =>
      concat(
        [q(), k(), v()].map((x) => permute(x, [1, 0, 2]).reshape([1, L, heads * K])),
        2,
      );
    const [a, b] = await compute(() => [
      attention(packed(), { heads, causal }),
      permute(scaledDotProductAttention(q(), k(), v(), { causal }), [1, 0, 2]),
    ]);
    a.forEach((value: number, i: number) => void assert.ok(Math.abs(value - b[i]) < 2e-6));
  }
});

test("causal with more keys than queries counts from the first key, as in PyTorch", async () => {
  const [q, k] = [some([2, 4]), some([3, 4], 2)];
  const v = () => tensor([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
  const map = await values(() => scaledDotProductAttention(q(), k(), v(), { causal: true }));
  assert.equal(map.slice(0, 3), [1, 0, 0]);
  assert.is(map[5], 0);
  assert.ok(map[4] > 0);
});

test("a query that sees no key gives 0, by mask, by bias and by both, and takes no gradient anywhere", async () => {
  const [q, k, v] = [some([2, 3, 4]), some([2, 5, 4], 2), some([2, 5, 4], 3)];
  const seen = (row: number) => Float32Array.from({ length: 15 }, (_, i) => Number(Math.floor(i / 5) !== row));
  const mask = () => tensor(seen(1), [3, 5]);
  const bias = () =>
    tensor(
      Float32Array.from(seen(2), (s) => (s ? 0.5 : -Infinity)),
      [3, 5],
    );
  const y = await values(() => scaledDotProductAttention(q(), k(), v(), { mask: mask(), bias: bias() }));
  for (const head of [0, 12]) {
    assert.ok(y.slice(head, head + 4).every((value) => Number.isFinite(value) && value !== 0));
    assert.equal(y.slice(head + 4, head + 12), Array(8).fill(0));
  }
  const queries = parameter([...(await values(q))], [2, 3, 4]);
  using tape = new Tape();
  const added = bias();
  tape.watch(added);
  const found = tape.gradients(sum(tanh(scaledDotProductAttention(queries, k(), v(), { mask: mask(), bias: added }))));
  const dq = [...(await found.get(queries).data())];
  assert.equal(dq.slice(4, 12), Array(8).fill(0));
  assert.ok(dq.every(Number.isFinite));
  assert.ok([...(await found.get(added).data())].every(Number.isFinite));
});

test("scores of ±1e4 choose one key, and the map is its row", async () => {
  const q = () => tensor([100, -100], [2, 1]);
  const k = () => tensor([-100, 0, 100], [3, 1]);
  const v = () => tensor([1, 2, 3], [3, 1]);
  assert.equal(await values(() => scaledDotProductAttention(q(), k(), v(), { scale: 1 })), [3, 1]);
});

test("what a key holds that no query may see does not matter, where it is finite", async () => {
  const [q, v] = [some([1, 2, 4]), some([1, 3, 4], 3)];
  const keys = (last: number) => () =>
    tensor(
      Float32Array.from({ length: 12 }, (_, i) => (i < 8 ? 0.1 * i : last)),
      [1, 3, 4],
    );
  const mask = () => lt(tensor([0, 1, 2], [1, 1, 3]), 2);
  const of = (last: number) => values(() => scaledDotProductAttention(q(), keys(last)(), v(), { mask: mask() }));
  assert.equal(await of(1), await of(-3e4));
});

if (gpu.facts.f16)
  test("f16 queries meet scores beyond 65504 without infinities", async () => {
    const x = () => tensor([200, 200, 200, 200, -200, 200, 0, 0], [2, 4], "f16");
    const y = await values(() =>
      scaledDotProductAttention(x(), x(), x(), { scale: 1, mask: tensor([1, 0, 0, 1], [2, 2]) }),
    );
    assert.equal(y, [200, 200, 200, 200, -200, 200, 0, 0]);
  });

test("what does not fit is refused by name", () => {
  using scope = new Scope();
  const of = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  const refused = (f: () => unknown, said: RegExp, kind: new (text: string) => Error = ShapeError) =>
    assert.throws(f, (error: unknown) => error instanceof kind && said.test((error as Error).message));
  const call = scaledDotProductAttention;
  refused(() => call(of(4), of(2, 4), of(2, 4)), /q is \[4\]; expected \[\.\.\., tokens, width\]/);
  refused(() => call(of(2, 4), of(3, 5), of(3, 4)), /k_NSK has K = 5, expected 4/);
  refused(() => call(of(2, 4), of(3, 4), of(2, 4)), /v_NSV has S = 2, expected 3/);
  refused(() => call(of(3, 2, 4), of(2, 3, 4), of(2, 3, 4)), /leading axes: \[3\] and \[2\] do not broadcast/);
  refused(
    () => call(of(2, 4), of(3, 4), of(3, 4), { mask: of(2, 2) }),
    /mask is \[2,2\], which does not broadcast to \[1,2,3\]/,
  );
  const whole = tensor([1, 1, 0], [1, 3], "u32");
  refused(() => call(of(2, 4), of(3, 4), of(3, 4), { mask: whole as never }), /mask is u32; expected f32 or f16/);
  refused(() => call(of(2, 4), of(3, 4), of(3, 4), { masks: of(2, 3) } as never), /did you mean mask\?/, UsageError);
  void scope;
});

test.run();
