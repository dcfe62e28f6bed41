// rmsnorm and groupnorm as programs use them; the derived tests have their values and slopes.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, Scope, ShapeError, tensor } from "../../engine/index.ts";
import { groupnorm, layernorm, rmsnorm } from "../../kernels/index.ts";
import { agrees, drawn } from "./against.ts";
import { sharedGpu, uniform } from "./derive.ts";

await sharedGpu();

const cases = fc.record({
  B: fc.constantFrom(1, 2, 5),
  groups: fc.constantFrom(1, 2, 3),
  each: fc.constantFrom(1, 2, 4),
  places: fc.array(fc.constantFrom(1, 2, 5, 9), { maxLength: 3 }),
  eps: fc.constantFrom(1e-5, 0.1),
  seed: fc.integer({ min: 1, max: 2 ** 30 }),
});

test("groupnorm of images of any rank is its definition", () =>
  fc.assert(
    fc.asyncProperty(cases, ({ B, groups, each, places, eps, seed }) => {
      const random = uniform(seed);
      const C = groups * each;
      const M = places.reduce<number>((a, b) => a * b, 1);
      const inputs = [drawn(random, [B, C, ...places]), drawn(random, [C]), drawn(random, [C])];
      const reference = (x: Float64Array, gain: Float64Array, bias: Float64Array) => {
        const size = each * M;
        return x.map((v, i) => {
          const row = x.subarray(i - (i % size), i - (i % size) + size);
          const mu = row.reduce((a, b) => a + b, 0) / size;
          const variance = row.reduce((a, b) => a + (b - mu) ** 2, 0) / size;
          const c = Math.floor(i / M) % C;
          return (gain[c] * (v - mu)) / Math.sqrt(variance + eps) + bias[c];
        });
      };
      return agrees(inputs, (x, gain, bias) => groupnorm(x, groups, gain, bias, { eps }), reference, { seed });
    }),
    { numRuns: 40, seed: 2 },
  ));

test("one group of one place is layernorm over the channels; without a mean to take off, rmsnorm is layernorm", async () => {
  const row = [1, -1, 2, -2, 3, -3];
  const x = () => tensor(row, [1, 6]);
  const [gain, bias] = [() => tensor([1, 2, 3, 4, 5, 6]), () => tensor([0, 0, 0, 0, 0, 0])];
  const [a, b, c] = await compute(() => [
    layernorm(x(), gain(), bias(), { eps: 1e-3 }),
    groupnorm(x(), 1, gain(), bias(), { eps: 1e-3 }),
    rmsnorm(x(), gain(), { eps: 1e-3 }),
  ]);
  for (const [i, v] of a.entries()) assert.ok(Math.abs(v - b[i]) + Math.abs(v - c[i]) < 1e-5);
});

test("rows of ±1e4, of zeros, and far from 0", async () => {
  const of = async (row: number[]) => [
    ...(await compute(() => rmsnorm(tensor(row, [1, row.length]), tensor(row.map(() => 1))))),
  ];
  assert.equal(await of([1e4, -1e4]), [1, -1]);
  assert.equal(await of([0, 0]), [0, 0]);
  const far = await compute(() =>
    groupnorm(tensor([1e4 + 1, 1e4 - 1], [1, 1, 2]), 1, tensor([1]), tensor([0]), { eps: 0 }),
  );
  assert.equal([...far], [1, -1]);
});

test("what does not fit is refused by name", () => {
  using scope = new Scope();
  const of = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  const refused = (f: () => unknown, said: RegExp) =>
    assert.throws(f, (error: unknown) => error instanceof ShapeError && said.test((error as Error).message));
  refused(() => groupnorm(of(2, 4, 3), 3, of(4), of(4)), /groupnorm: 3 groups do not divide 4 channels/);
  refused(() => groupnorm(of(4), 1, of(4), of(4)), /groupnorm: x is \[4\]; expected \[B, C, \.\.\.\]/);
  refused(() => groupnorm(of(2, 4, 3), 2, of(3), of(4)), /groupnorm: gain_C:f32 has C = 3, expected 4/);
  refused(() => rmsnorm(of(2, 4), of(3)), /rmsnorm: gain_D:f32 has D = 3, expected 4/);
  void scope;
});

test.run();
