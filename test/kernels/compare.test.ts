// Masks, choices and running sums as a program uses them: broadcast, with numbers, along axes.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, parameter, ShapeError, Tape, tensor } from "../../engine/index.ts";
import {
  amax,
  cumsum,
  eq,
  ge,
  gather,
  gt,
  logicalAnd,
  logicalNot,
  lt,
  maximum,
  mean,
  minimum,
  mul,
  ne,
  scatterAdd,
  sum,
  where,
} from "../../kernels/index.ts";
import { sharedGpu } from "./derive.ts";

const gpu = await sharedGpu();

const values = async (f: Parameters<typeof compute>[0]) => [...((await compute(f as never)) as Float32Array)];

test("a comparison is a mask of 0 and 1, whose mean is a share; shapes broadcast, and b may be a number", async () => {
  const x = () => tensor([1, 2, 3, 4], [2, 2]);
  assert.equal(await values(() => gt(x(), 2)), [0, 0, 1, 1]);
  assert.equal(await values(() => lt(x(), tensor([2, 3]))), [1, 1, 0, 0]);
  assert.equal(await values(() => ge(tensor([2], [1, 1]), x())), [1, 1, 0, 0]);
  assert.equal(await values(() => mean(eq(x(), tensor([1, 2, 3, 5], [2, 2])))), [0.75]);
  assert.equal(await values(() => logicalAnd(gt(x(), 1), logicalNot(gt(x(), 3)))), [0, 1, 1, 0]);
});

test("NaN is unequal to everything, and neither above nor below", async () => {
  const x = () => tensor([Number.NaN, 1]);
  assert.equal(await values(() => eq(x(), x())), [0, 1]);
  assert.equal(await values(() => ne(x(), x())), [1, 0]);
  assert.equal(await values(() => lt(x(), Infinity)), [0, 1]);
  assert.equal(await values(() => ge(x(), -Infinity)), [0, 1]);
});

test("where takes the gradient to the side that was chosen, summed where it was broadcast", async () => {
  const [a, b] = [parameter([1, 2]), parameter([10])];
  using tape = new Tape();
  const chosen = where(tensor([1, 0, 0, 1], [2, 2]), a, b);
  const found = tape.gradients(sum(mul(chosen, tensor([1, 2, 3, 4], [2, 2]))));
  assert.equal([...(await chosen.data())], [1, 10, 10, 2]);
  assert.equal([...(await found.get(a).data())], [1, 4]);
  assert.equal([...(await found.get(b).data())], [5]);
});

test("where masks with a number, as a causal mask does; what is not chosen may be infinite", async () => {
  const scores = () => tensor([1, 2, 3, 4], [2, 2]);
  const past = () => tensor([1, 0, 1, 1], [2, 2]);
  assert.equal(await values(() => where(past(), scores(), -Infinity)), [1, -Infinity, 3, 4]);
});

test("minimum and maximum keep NaN, and equals share the gradient", async () => {
  const [a, b] = [parameter([1, 5, 3]), parameter([2, 4, 3])];
  using tape = new Tape();
  const larger = maximum(a, b);
  const found = tape.gradients(sum(larger));
  assert.equal([...(await larger.data())], [2, 5, 3]);
  assert.equal([...(await found.get(a).data())], [0, 1, 0.5]);
  assert.equal([...(await found.get(b).data())], [1, 0, 0.5]);
  assert.equal(await values(() => minimum(tensor([Number.NaN, 3]), 1)), [Number.NaN, 1]);
});

test("maximum with an axis is amax, as it was before version 0.2", async () => {
  const x = () => tensor([1, 4, 3, 2], [2, 2]);
  const warn = console.warn;
  const said: string[] = [];
  console.warn = (line: string) => void said.push(line);
  try {
    assert.equal(await values(() => maximum(x(), 1)), await values(() => amax(x(), 1)));
    assert.equal(await values(() => maximum(x())), [4]);
  } finally {
    console.warn = warn;
  }
  assert.equal(said, ["maximum(x, axis) is amax(x, axis); from version 0.3 on maximum compares two tensors only"]);
});

test("gather and scatterAdd are each other's gradient, along any axis", async () => {
  const x = parameter([1, 2, 3, 4, 5, 6], [2, 3]);
  using tape = new Tape();
  const ids = tensor(new Uint32Array([2, 0, 2, 1, 1, 1, 0, 2]), [2, 4]);
  const chosen = gather(x, 1, ids);
  const found = tape.gradients(sum(mul(chosen, tensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]))));
  assert.equal([...(await chosen.data())], [3, 1, 3, 2, 5, 5, 4, 6]);
  assert.equal([...(await found.get(x).data())], [2, 4, 4, 7, 11, 8]);
  const rows = () => tensor(new Uint32Array([1, 1, 1]), [1, 3]);
  assert.equal(
    await values(() => scatterAdd(tensor([1, 1, 1, 1, 1, 1], [2, 3]), 0, rows(), tensor([5, 6, 7], [1, 3]))),
    [1, 1, 1, 6, 7, 8],
  );
});

test("ids and x that differ beside the axis are refused by name", async () => {
  const call = () => gather(tensor([1, 2, 3, 4], [2, 2]), 1, tensor(new Uint32Array(3), [3, 1]));
  const error = await compute(call).then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  assert.instance(error, ShapeError);
  assert.match(error!.message, /^gather: x is \[2,2\] and the ids \[3,1\]; they may differ in axis 1 only/);
});

test("ids of the host beyond the axis are refused by name, of gather and of scatterAdd", async () => {
  const beyond = () => tensor(new Uint32Array([0, 3]), [2]);
  const said = async (f: () => unknown) => (await compute(f as never).catch((error: Error) => error)) as Error;
  for (const error of [
    await said(() => gather(tensor([1, 2, 3]), 0, beyond())),
    await said(() => scatterAdd(tensor([1, 2, 3]), 0, beyond(), tensor([1, 1]))),
  ]) {
    assert.instance(error, ShapeError);
    assert.match(error.message, /ids\[1\] is 3, which is no place along the axis\n {2}expected {2}0 to 2/);
  }
});

if (gpu.facts.f16)
  test("a number beside an f16 tensor is one of its type", async () => {
    const half = () => tensor([1, 2, 3], [3], "f16");
    assert.equal(await values(() => gt(half(), 1.5)), [0, 1, 1]);
    assert.equal(await values(() => minimum(half(), 2)), [1, 2, 2]);
    assert.equal(await values(() => where(gt(half(), 1.5), half(), 0)), [0, 2, 3]);
  });

test("the error of a running sum does not grow with its length", async () => {
  const n = 1 << 20;
  const all = await values(() => cumsum(tensor(new Float32Array(n).fill(1.23456))));
  const one = Math.fround(1.23456);
  for (const at of [0, 999, n >> 1, n - 1])
    assert.ok(Math.abs(all[at] / (one * (at + 1)) - 1) < 1e-6, `${at}: ${all[at]}`);
});

test.run();
