// Losses against their definitions: every reduction over random shapes, extreme values, what is ignored, what is refused.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, parameter, Scope, ShapeError, Tape, type Tensor, tensor, UsageError } from "../../engine/index.ts";
import {
  bce,
  bceWithLogits,
  crossEntropy,
  huberLoss,
  l1Loss,
  logSoftmax,
  mseLoss,
  nllLoss,
  type Reduction,
  smoothL1Loss,
} from "../../kernels/index.ts";
import { agrees, drawn } from "./against.ts";
import { gaussian, sharedGpu, uniform } from "./derive.ts";

await sharedGpu();

const reductions: fc.Arbitrary<Reduction> = fc.constantFrom("mean", "sum", "none");
const shapes = fc.array(fc.constantFrom(1, 2, 3, 7, 40), { minLength: 0, maxLength: 3 });
const seeds = fc.integer({ min: 1, max: 2 ** 30 });

const reduced = (terms: readonly number[], reduction: Reduction, count = terms.length): number[] => {
  if (reduction === "none") return [...terms];
  const total = terms.reduce((sum, term) => sum + term, 0);
  return [reduction === "sum" ? total : total / count];
};

type Loss = (prediction: Tensor, target: Tensor, options: { reduction: Reduction }) => Tensor;
const up = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const huber = (x: number, delta: number) => (Math.abs(x) < delta ? x ** 2 / 2 : delta * (Math.abs(x) - delta / 2));

/** Each loss, its term, and the predictions it takes. */
const pairs: Record<string, [Loss, (x: number, t: number) => number, ((random: () => number) => number)?]> = {
  mseLoss: [mseLoss, (x, t) => (x - t) ** 2],
  l1Loss: [l1Loss, (x, t) => Math.abs(x - t)],
  huberLoss: [(x, t, options) => huberLoss(x, t, { delta: 0.7, ...options }), (x, t) => huber(x - t, 0.7)],
  smoothL1Loss: [(x, t, options) => smoothL1Loss(x, t, { beta: 0.5, ...options }), (x, t) => huber(x - t, 0.5) / 0.5],
  "smoothL1Loss of beta 0": [(x, t, o) => smoothL1Loss(x, t, { beta: 0, ...o }), (x, t) => Math.abs(x - t)],
  bceWithLogits: [bceWithLogits, (x, t) => t * up(-x) + (1 - t) * up(x), (random) => 6 * gaussian(random)],
  bce: [bce, (x, t) => -t * Math.log(x) - (1 - t) * Math.log1p(-x), (random) => 0.02 + 0.96 * random()],
};

for (const [name, [loss, term, draw]] of Object.entries(pairs))
  test(`${name} is its definition, with gradients to both sides`, () =>
    fc.assert(
      fc.asyncProperty(shapes, reductions, seeds, (shape, reduction, seed) => {
        const random = uniform(seed);
        const inputs = [drawn(random, shape, draw), drawn(random, shape, (r) => r())];
        const reference = (x: Float64Array, t: Float64Array) =>
          reduced(
            [...x].map((v, i) => term(v, t[i])),
            reduction,
          );
        return agrees(inputs, (x, t) => loss(x, t, { reduction }), reference, { seed });
      }),
      { numRuns: 15, seed: 4 },
    ));

/** The term of a row, as PyTorch defines it. */
function rowTerm(row: Float64Array, target: number, smoothing: number): number {
  const top = Math.max(...row);
  const logs = [...row].map((v) => v - top - Math.log(row.reduce((sum, other) => sum + Math.exp(other - top), 0)));
  return -(1 - smoothing) * logs[target] - (smoothing * logs.reduce((a, b) => a + b, 0)) / row.length;
}

const classes = fc.record({
  lead: fc.array(fc.constantFrom(1, 2, 5, 9), { minLength: 1, maxLength: 2 }),
  C: fc.constantFrom(1, 2, 5, 33, 130),
  smoothing: fc.constantFrom(0, 0.1, 1),
  ignore: fc.constantFrom(undefined, -100, 0),
  reduction: reductions,
  seed: seeds,
});

test("crossEntropy and nllLoss of logSoftmax are their definition: smoothing, ignored rows, reductions", () =>
  fc.assert(
    fc.asyncProperty(classes, async ({ lead, C, smoothing, ignore, reduction, seed }) => {
      const random = uniform(seed);
      const logits = drawn(random, [...lead, C], (r) => 4 * gaussian(r));
      const N = logits.data.length / C;
      const ids = Uint32Array.from({ length: N }, (_, n) => {
        const own = n === 0 ? C - 1 : Math.floor(random() * C);
        return ignore === -100 && n > 0 && random() < 0.3 ? 2 ** 32 - 100 : own;
      });
      const isKept = (n: number) => ids[n] !== (ignore === undefined ? -1 : ignore >>> 0);
      const kept = [...ids.keys()].filter(isKept).length;
      const reference = (smoothed: number) => (x: Float64Array) =>
        reduced(
          [...ids].map((id, n) => (isKept(n) ? rowTerm(x.subarray(n * C, n * C + C), id, smoothed) : 0)),
          reduction,
          kept,
        );
      if (kept === 0) return;
      const targets = () => tensor(ids, lead, "u32");
      const options = { ignore, reduction };
      const smooth = (x: Tensor) => crossEntropy(x, targets(), { ...options, labelSmoothing: smoothing });
      await agrees([logits], smooth, reference(smoothing), { seed });
      await agrees([logits], (x) => nllLoss(logSoftmax(x), targets(), options), reference(0), { seed });
    }),
    { numRuns: 40, seed: 6 },
  ));

const value = async (f: () => Tensor) => [...((await compute(f)) as Float32Array)];

/** Value and slope of a loss at one row of numbers. */
async function slopes(x: readonly number[], f: (x: Tensor) => Tensor, shape: readonly number[] = [x.length]) {
  const at = parameter([...x], shape);
  using tape = new Tape();
  const y = f(at);
  const found = tape.gradients(y);
  return { y: [...(await y.data())], dx: [...(await found.get(at).data())] };
}

const near = (got: readonly number[], want: readonly number[], most = 1e-6) =>
  got.forEach((v, i) => void assert.ok(Math.abs(v - want[i]) <= most * Math.abs(want[i]), `${v}, expected ${want[i]}`));

test("logits of ±1e4 cost what they are wrong by, and have slopes of 0 and 1", async () => {
  const { y, dx } = await slopes([1e4, -1e4, 1e4, -1e4], (x) =>
    bceWithLogits(x, tensor([1, 0, 0, 1]), { reduction: "sum" }),
  );
  assert.equal([y, dx.slice(2)], [[2e4], [1, -1]]);
  assert.ok(dx.slice(0, 2).every((slope) => Math.abs(slope) < 1e-34)); // exp(-80), where its argument is held
  const rows = await slopes([1e4, -1e4, 0, -1e4, 1e4, 0], (x) => crossEntropy(x, tensor([0, 0], [2], "u32")), [2, 3]);
  assert.equal([rows.y, rows.dx], [[1e4], [0, 0, 0, -0.5, 0.5, 0]]);
  const smooth = await slopes(
    [1e4, -1e4],
    (x) => crossEntropy(x, tensor([0], [1], "u32"), { labelSmoothing: 0.5 }),
    [1, 2],
  );
  near(smooth.y, [5e3]);
  near(smooth.dx, [0.25, -0.25]);
});

test("confident logits keep their small losses and slopes", async () => {
  const { y, dx } = await slopes([20], (x) => bceWithLogits(x, tensor([1])));
  near([...y, ...dx], [Math.log1p(Math.exp(-20)), -1 / (1 + Math.exp(20))]);
  near(await value(() => bce(tensor([1e-6, 0.999999]), tensor([0, 1]))), [
    (-Math.log1p(-Math.fround(1e-6)) - Math.log(Math.fround(0.999999))) / 2,
  ]);
});

test("bce at 0 and 1 has logarithms of −100, as PyTorch, and of what is no probability NaN", async () => {
  const terms = (x: number[], t: number[]) => value(() => bce(tensor(x), tensor(t), { reduction: "none" }));
  assert.equal(await terms([0, 1, 0, 1], [0, 1, 1, 0]), [0, 0, 100, 100]);
  assert.equal(await terms([-0.1, 1.1, Number.NaN], [0, 1, 1]), [Number.NaN, Number.NaN, Number.NaN]);
  assert.ok((await slopes([-0.1, 1.1], (x) => bce(x, tensor([0, 1])))).dx.every(Number.isNaN));
});

test("rows that are ignored are 0 without a reduction, and leave the mean", async () => {
  const logits = () => tensor([1, 2, 3, 3, 2, 1], [2, 3]);
  const targets = () => tensor([2 ** 32 - 100, 1], [2], "u32");
  const one = Math.log(Math.exp(1) + 1 + Math.exp(-1));
  const of = (reduction: Reduction) => value(() => crossEntropy(logits(), targets(), { ignore: -100, reduction }));
  near((await of("none")).slice(1), [one]);
  assert.is((await of("none"))[0], 0);
  near([...(await of("mean")), ...(await of("sum"))], [one, one]);
  const all = () => tensor([0, 0], [2], "u32");
  assert.equal(await value(() => nllLoss(logits(), all(), { ignore: 0 })), [Number.NaN]);
  assert.equal(await value(() => nllLoss(logits(), all(), { ignore: 0, reduction: "sum" })), [0]);
});

test("a computed target that is no class makes nllLoss and its row NaN, and no other", async () => {
  const loss = (x: Tensor) => {
    const targets = tensor([1, 5], [2], "u32");
    targets.value.host = undefined; // as if an op had computed it
    return nllLoss(x, targets, { reduction: "sum" });
  };
  const { y, dx } = await slopes([1, 2, 3, 4], loss, [2, 2]);
  assert.equal([y, dx], [[Number.NaN], [0, -1, Number.NaN, Number.NaN]]);
});

test("what does not fit is refused by name", () => {
  using scope = new Scope();
  const refused = (f: () => unknown, said: RegExp, kind: new (text: string) => Error = ShapeError) =>
    assert.throws(f, (error: unknown) => error instanceof kind && said.test((error as Error).message));
  const column = () => tensor([1, 2, 3], [3, 1]);
  for (const [name, loss] of Object.entries({ mseLoss, l1Loss, huberLoss, smoothL1Loss, bce, bceWithLogits }))
    refused(
      () => loss(column(), tensor([1, 2, 3])),
      new RegExp(`^${name}: the prediction is \\[3,1\\] and the target \\[3\\]`),
    );
  const targets = () => tensor([0, 3], [2], "u32");
  refused(() => nllLoss(tensor([1, 2, 3, 4], [2, 2]), targets()), /^nllLoss: targets\[1\] is 3, which is no class/);
  refused(() => nllLoss(tensor([1, 2, 3, 4], [2, 2]), targets(), { ignore: 0.5 }), /^nllLoss: ignore is 0.5/);
  refused(() => mseLoss(column(), column(), { reduction: "average" as never }), /reduction is "average"/, UsageError);
  refused(
    () => huberLoss(column(), column(), { delta: 0 }),
    /delta is 0; expected a finite number above 0/,
    UsageError,
  );
  refused(
    () => crossEntropy(tensor([1, 2], [1, 2]), tensor([0], [1], "u32"), { labelSmoothing: 1.5 }),
    /labelSmoothing is 1.5; expected a number from 0 to 1/,
    UsageError,
  );
  void scope;
});

test.run();
