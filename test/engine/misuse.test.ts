// Mistakes in the use of tensors, scopes and tapes: each gets one sentence, and what was there before goes on.
import { inspect } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  allocateGroup,
  assign,
  assignPart,
  compute,
  declare,
  free,
  GpuError,
  keep,
  later,
  parameter,
  persistent,
  Scope,
  ShapeError,
  Tape,
  type Tensor,
  tensor,
  UsageError,
} from "../../engine/index.ts";
import { add, attention, clamp, mul, permute, pow, slice, square, sum } from "../../kernels/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { refusal } from "../kit/refusal.ts";

const gpu = await sharedGpu();

type Any = (...args: unknown[]) => unknown;

/** The body is refused with an error of this class, whose sentence matches. */
function refused(body: () => unknown, kind: new (message: string) => Error, sentence: RegExp): void {
  try {
    body();
  } catch (error) {
    assert.instance(error, kind, String(error));
    assert.match((error as Error).message, sentence);
    return;
  }
  assert.unreachable(`accepted: ${body}`);
}

test("reshape takes whole sizes that hold the elements, one of which may follow from the others", () => {
  using _scope = new Scope();
  const x = tensor([1, 2, 3, 4, 5]);
  for (const shape of [[2, -1], [2, 2.5], [-1, -1], [-5, -1], [5, 0], [Number.NaN], [2 ** 31], [5, 1, -1, -1]])
    refused(() => x.reshape(shape), ShapeError, /reshape: /);
  for (const shape of [5, undefined, null, "5", ["5"], Promise.resolve([5])])
    refused(() => (x.reshape as Any).call(x, shape), ShapeError, /reshape: shape/);
  refused(() => (x.reshape as Any).call(x, [1, 5], 5), UsageError, /reshape: 2 arguments, expected 1 at most; 5 would/);
  assert.equal(x.reshape([1, -1]).shape, [1, 5]);
  assert.equal(tensor([1, 2, 3, 4]).reshape([2, -1]).shape, [2, 2]);
});

test("whatever takes a shape takes whole sizes", () => {
  using _scope = new Scope();
  const makers = { tensor, persistent, parameter } as unknown as Record<string, Any>;
  for (const shape of [[2, 1.5], [-3, -1], [0], [Number.NaN], [2 ** 31], ["3"], 3])
    for (const [name, make] of Object.entries({ ...makers, declare: (_: unknown, s: unknown) => (declare as Any)(s) }))
      refused(() => make([1, 2, 3], shape), ShapeError, new RegExp(`^${name}: shape`));
  refused(() => tensor([1, 2, 3], [2]), ShapeError, /tensor: 3 elements for shape \[2\]/);
  refused(() => allocateGroup([declare([2])], 1.5), UsageError, /moments is 1.5; expected a whole number/);
  refused(() => slice(tensor([1, 2, 3]), 0.5, 2), ShapeError, /slice: start is 0.5; expected a whole number/);
  refused(() => permute(tensor([1, 2]), [Number.NaN]), ShapeError, /permute: order\[0\] is NaN/);
});

test("a tensor has the type of the array that it was made from", async () => {
  using _scope = new Scope();
  for (const make of [tensor, persistent]) {
    assert.is(make(new Uint32Array([1, 2])).dtype, "u32");
    assert.is(make(new Int32Array([1, -2])).dtype, "i32");
    assert.is(make(new Float32Array([1, 2])).dtype, "f32");
    assert.is(make(new Float64Array([1, 2])).dtype, "f32");
    assert.is(make([1, 2]).dtype, "f32");
    assert.is(make(new Uint32Array([1, 2]), [2], "f32").dtype, "f32");
    for (const data of [new Uint8Array(2), new Int16Array(2), new Uint8ClampedArray(2)]) {
      refused(() => make(data), ShapeError, /no type for the elements of a (Uint8|Int16|Uint8Clamped)Array; say which/);
      assert.is(make(data, [2], "u32").dtype, "u32");
    }
    for (const data of [new BigInt64Array(2), [1n], ["1"], [[1, 2]], [undefined]])
      refused(() => (make as Any)(data), UsageError, /expected an array of numbers/);
  }
  assert.equal(await tensor(new Uint32Array([4e9])).data(), Uint32Array.of(4e9));
  refused(() => parameter(new Uint32Array(2)), ShapeError, /u32 has no gradient/);
});

test("a number that a type cannot hold is refused, wherever data comes in", async () => {
  using _scope = new Scope();
  refused(() => tensor([1, 1.5], [2], "u32"), ShapeError, /element 1 is 1.5; u32 holds whole numbers/);
  refused(() => tensor([Number.NaN], [1], "i32"), ShapeError, /element 0 is NaN/);
  refused(() => tensor([2 ** 32], [1], "u32"), ShapeError, /element 0 is 4294967296/);
  const p = persistent(new Uint32Array(2));
  refused(() => assign(p, [0, 0.5]), ShapeError, /assign: element 1 is 0.5/);
  assign(p, [1, -100]);
  assert.equal(await p.data(), Uint32Array.of(1, 2 ** 32 - 100));
});

test("a part is assigned at a whole place inside the tensor, and nothing else reaches the driver", async () => {
  const p = parameter([1, 2, 3, 4]);
  for (const first of [1.5, -1, Number.NaN, 2 ** 31, undefined, "1"])
    refused(() => (assignPart as Any)(p, first, new Float32Array(1)), ShapeError, /assignPart: first is/);
  refused(() => assignPart(p, 3, new Float32Array(2)), ShapeError, /elements 3 to 5 of f32 \[4\]/);
  refused(() => (assignPart as Any)(p, 0, [1]), UsageError, /data is \[1\]; expected a Float32Array/);
  refused(() => gpu.write(p.value.storage!, new Float32Array(1), 2), ShapeError, /4 bytes at 2 do not fit/);
  refused(() => gpu.write(p.value.storage!, new Float32Array(100), 16), ShapeError, /do not fit/);
  assignPart(p, 1, new Float32Array([9]));
  assert.equal(await p.data(), new Float32Array([1, 9, 3, 4]));
});

test("a promise is no tensor, and the sentence says to await it", () => {
  using _scope = new Scope();
  const x = tensor([1, 2]);
  const promised = Promise.resolve(x);
  refused(() => (add as Any)(x, promised), ShapeError, /b is a promise; await it first/);
  refused(() => (square as Any)(promised), ShapeError, /argument 1 \(x\) is a promise; await it first/);
  refused(() => (tensor as Any)(promised), UsageError, /data is a promise; await it first/);
  refused(() => `${(x as unknown as number) + 1}`, ShapeError, /a tensor is no number; write add\(x, 1\)/);
});

test("arguments that would be ignored are refused, and so are unknown names", () => {
  using _scope = new Scope();
  const x = tensor([1, 2, 3, 4], [2, 2]);
  refused(() => (sum as Any)(x, 1, true, 7), UsageError, /sum: 4 arguments, expected 3 at most; 7 would be ignored/);
  refused(() => (square as Any)(x, {}, 1), UsageError, /square: 3 arguments, expected 2 at most/);
  refused(() => (square as Any)(x, 1), UsageError, /what follows the tensors is 1; expected an object/);
  refused(() => (pow as Any)(x, { exponnt: 1 }), ShapeError, /unknown attribute exponnt; did you mean exponent\?/);
  refused(() => (clamp as Any)(x, { lo: 1 }), UsageError, /bounds has no "lo"; did you mean low\?/);
  refused(() => clamp(x, { low: Number.NaN }), UsageError, /clamp: bounds.low is NaN/);
  refused(() => clamp(x, {}), UsageError, /clamp: no bound is given/);
  refused(() => (attention as Any)(x, { heads: "2" }), ShapeError, /heads is "2"; expected a whole number/);
  assert.equal(sum(x, 1).shape, [2]);
  assert.equal([x, x].map(keep).length, 2); // the index that map passes is nobody's mistake
});

test("an error of an ended scope names it, the op that made the tensor, and what to write", async () => {
  let lost!: Tensor;
  {
    using _scope = new Scope();
    lost = square(tensor([2]));
  }
  using _outer = new Scope();
  const sentence = /was made by square in scope \d+, which has ended; write keep\(/;
  refused(() => add(tensor([1]), lost), ShapeError, sentence);
  refused(() => later(lost), ShapeError, sentence);
  refused(() => assign(lost, [1]), ShapeError, /was made by square in scope \d+, which has ended/);
  assert.match((await refusal(lost.data())).message, sentence);
});

test("the console shows a tensor by shape, type and state, and its numbers once they were read", async () => {
  const p = parameter([1, 2]);
  assert.is(inspect(p), "Tensor [2] f32, trainable, not read");
  await p.data();
  assert.is(inspect(p), "Tensor [2] f32, trainable: [1, 2]");
  assert.is(inspect(p.reshape([2, 1])), "Tensor [2,1] f32, trainable:\n[[1],\n [2]]");
  assign(p, [3, 4]);
  assert.is(inspect(p), "Tensor [2] f32, trainable, not read since memory was written");
  let x!: Tensor;
  {
    using tape = new Tape();
    x = square(p);
    assert.match(inspect(x), /^Tensor \[2\] f32, pending by square in tape \d+, not read$/);
    assert.match(inspect({ x, tape }, { breakLength: 200 }), /tape: Tape \d+, open, 1 launches pending/);
    await x.data();
    assert.match(`${x}`, /computed by square in tape \d+: \[9, 16\]$/);
    assert.match(inspect(mul(tensor(new Uint8Array(9).fill(1), [3, 3], "f32"), 2)), /^Tensor \[3,3\] f32, pending/);
  }
  assert.match(inspect(x), /gone with tape \d+$/);
  assert.is(inspect(declare([3])), "Tensor [3] f32, declared, without memory");
  assert.match(inspect(gpu), /^Gpu .*, open, \d+ MB of \d+ MB in use$/);
});

test("numbers stand in the form of their shape, and long axes show their ends", async () => {
  const shown = async (
    shape: number[],
    data = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
  ) => {
    using _scope = new Scope();
    const x = tensor(data, shape);
    await x.data();
    return inspect(x).replace(/^.*?: ?\n?/, "");
  };
  assert.is(await shown([], [1.23456789]), "1.23457");
  assert.is(await shown([9]), "[0, 1, 2, …, 6, 7, 8]");
  assert.is(await shown([2, 3], [1, -20, 3, 4, 5, NaN]), "[[  1, -20,   3],\n [  4,   5, NaN]]");
  assert.is(await shown([2, 2, 1]), "[[[0],\n  [1]],\n\n [[2],\n  [3]]]");
  const long = await shown([100, 512]);
  assert.is(long.split("\n").length, 7);
  assert.match(long, /^\[\[ {4}0, {5}1, {5}2, …, {3}509, {3}510, {3}511\],\n/);
  assert.match(long, /\n …,\n.*\n.*\n \[50688, .*, 51199\]\]$/);
  assert.match(await shown([10, 20_000]), /^\[\[ .*\n \[ .*\n \[ +…/); // the middle of what was read is not kept
  assert.is((await shown([9, 9, 9, 9])).split("\n").filter(Boolean).length, 31);
});

test("the memory of a GPU is a table for people and numbers for programs", async () => {
  const before = gpu.memory();
  const p = parameter(new Float32Array(2 ** 18));
  const during = gpu.memory();
  assert.is(during.parameters - before.parameters, 2 ** 20);
  assert.is(during.total - before.total, 2 ** 20);
  assert.ok(during.peak >= during.total && during.budget === gpu.store.budget);
  free(p);
  assert.is(gpu.memory().parameters, before.parameters);
  assert.is(gpu.memory().peak, during.peak);
  const [head, ...rows] = inspect(during).split("\n");
  assert.is(head, "GPU memory");
  const names = rows.map((row) => row.trim().split(/ +/)[0]).filter((name) => !name.startsWith("-"));
  const purposes = ["parameters", "gradients", "optimizer", "activations", "staging", "other"];
  assert.equal(names, [...purposes, "total", "peak", "budget"]);
  assert.match(String(during), /parameters +\d+\.\d [KM]B/);
});

test("tensors of another GPU are refused by name; a closed one answers with a sentence, and hides no error", async () => {
  const p = parameter([1, 2]);
  const other = await openTestGpu();
  const q = parameter([5, 6]);
  {
    using _scope = new Scope();
    refused(() => square(p), GpuError, /square: x lies on another GPU/);
    refused(() => later(p), GpuError, /lies on another GPU/);
    refused(() => assign(p, [1, 2]), GpuError, /lies on another GPU/);
    assert.match((await refusal(p.data())).message, /lies on another GPU/);
  }
  assert.equal(await compute(() => square(q)), new Float32Array([25, 36]));
  const inside = () => {
    using _scope = new Scope();
    square(q);
    other.close();
    square(q);
  };
  refused(inside, GpuError, /this GPU was closed/); // not a SuppressedError of the scope's end
  refused(() => new Scope(), GpuError, /no GPU is open; `await openGpu\(\)` first/);
});

test("the first cause is what every later error tells", async () => {
  const broken = await openTestGpu();
  const p = parameter([1, 2]);
  const read = (async () => {
    using _scope = new Scope();
    return await later(square(p));
  })();
  broken.fail(new GpuError("the first cause"));
  const step = () => {
    using _scope = new Scope();
    square(p);
  };
  refused(step, GpuError, /^the first cause$/);
  refused(step, GpuError, /^the first cause$/);
  refused(() => assign(p, [1, 2]), GpuError, /^the first cause$/);
  assert.match((await refusal(p.data())).message, /^the first cause$/);
  assert.match((await refusal(read)).message, /^the first cause$/);
  broken.close();
});

test.run();
