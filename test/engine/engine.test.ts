import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import {
  accumulate,
  allocateGroup,
  assign,
  assignPart,
  ceilDiv,
  compute,
  copy,
  declare,
  fill,
  free,
  keep,
  KernelError,
  later,
  LimitError,
  nearest,
  op,
  parameter,
  parseSignature,
  pass,
  persistent,
  planOnly,
  Scope,
  ShapeError,
  Tape,
  type Tensor,
  tensor,
  type TypedArray,
} from "../../engine/index.ts";
import { mostPlans } from "../../engine/device/planner.ts";
import { fromHalf, toHalf } from "../../engine/half.ts";
import { useRunner } from "../../engine/record/runner.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { failure } from "../kit/refusal.ts";

const gpu = await sharedGpu();

const throwsWith = (error: unknown, kind: new (message: string) => Error, ...parts: RegExp[]) => {
  assert.instance(error, kind as never);
  for (const part of parts) assert.match((error as Error).message, part);
};

const caught = (body: () => unknown): unknown => {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
};

test("nothing runs until something is read or the scope ends", async () => {
  const before = gpu.dispatched;
  const read = (() => {
    using scope = new Scope();
    const x = accumulate(tensor([1, 2, 3]), tensor([4, 5, 6]));
    assert.is(gpu.dispatched, before);
    assert.is(scope.pending, 1);
    return later(x);
  })();
  assert.is(gpu.dispatched, before + 1);
  assert.equal(await read, new Float32Array([5, 7, 9]));
});

test("a tensor read in mid-scope stays usable, and so does what was made before it", async () => {
  using scope = new Scope();
  const a = tensor([1, 2]);
  const b = accumulate(a, a);
  assert.equal(await b.data(), new Float32Array([2, 4]));
  assert.equal(await accumulate(a, b).data(), new Float32Array([3, 6]));
  void scope;
});

test("keep moves a tensor to the enclosing scope; without it the tensor ends with its scope", async () => {
  using outer = new Scope();
  let kept!: Tensor;
  let lost!: Tensor;
  {
    using inner = new Scope();
    kept = keep(accumulate(tensor([1]), tensor([2])));
    lost = accumulate(tensor([1]), tensor([2]));
    void inner;
  }
  assert.equal(await accumulate(kept, kept).data(), new Float32Array([6]));
  throwsWith(
    caught(() => accumulate(lost, lost)),
    ShapeError,
    /a was made by accumulate in scope \d+, which has ended/,
    /keep\(a\)/,
  );
  void outer;
});

test("an op outside all scopes says how to open one", () => {
  throwsWith(
    caught(() => fill({ n: 3 })),
    ShapeError,
    /no scope is open/,
    /using scope = new Scope\(\)/,
  );
});

test("a chain of ops needs memory for two tensors, however long it is", () => {
  const n = 4096;
  const report = planOnly(gpu.facts, 2 ** 27, () => {
    using scope = new Scope();
    let x = fill({ n, value: 1 });
    for (let i = 0; i < 20; i++) x = accumulate(x, x);
    void later(x);
    void scope;
  });
  assert.is(report.slots, 2 * n * 4);
  assert.is(report.launches, 21);
});

test("values that live at the same time never share memory", () => {
  const steps = fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { minLength: 1, maxLength: 30 });
  return fc.assert(
    fc.asyncProperty(steps, async (pairs) => {
      const reads: Promise<ArrayLike<number>>[] = [];
      const want: number[] = [];
      {
        using scope = new Scope();
        const values = [tensor([1, 1, 1, 1, 1]), tensor([2, 2, 2, 2, 2])];
        const mirror = [1, 2];
        for (const [i, j] of pairs) {
          const [a, b] = [i % values.length, j % values.length];
          values.push(accumulate(values[a], values[b]));
          mirror.push(Math.fround(mirror[a] + mirror[b]));
        }
        for (let k = 0; k < values.length; k += 3) {
          reads.push(later(values[k]));
          want.push(mirror[k]);
        }
        void scope;
      }
      const got = await Promise.all(reads);
      for (const [k, data] of got.entries()) assert.equal([...(data as Float32Array)], new Array(5).fill(want[k]));
    }),
    { numRuns: 30, seed: 7 },
  );
});

test("a step of known structure creates no buffer, bind group, pipeline or plan", async () => {
  const x = parameter([1, 2, 3, 4, 5]);
  const step = async (value: number) => {
    let read!: Promise<TypedArray>;
    {
      using tape = new Tape();
      const y = accumulate(copy(x), fill({ n: 5, value }));
      read = later(accumulate(y, tensor([value, 1, 1, 1, 1])));
      void tape;
    }
    return [...(await read)];
  };
  assert.equal(await step(1), [3, 4, 5, 6, 7]);
  await step(2);
  const before = { ...gpu.counters };
  const live = gpu.store.total;
  assert.equal(await step(10), [21, 13, 14, 15, 16]);
  for (let i = 0; i < 50; i++) await step(i);
  assert.equal({ ...gpu.counters }, before);
  assert.is(gpu.store.total, live);
});

test("plans beyond a bound are forgotten, the least recently wanted first, and what is wanted again is right", async () => {
  const other = await openTestGpu();
  try {
    for (let n = 1; n <= mostPlans + 40; n++) {
      await compute(() => fill({ n, value: n }));
      if (n % 8 === 0) await compute(() => fill({ n: 1, value: 1 }));
    }
    assert.ok(other.planner.known <= mostPlans);
    const made = other.planner.made;
    assert.equal(await compute(() => fill({ n: 1, value: 3 })), Float32Array.of(3));
    assert.is(other.planner.made, made, "this one was wanted all the time");
    assert.equal(await compute(() => fill({ n: 2, value: 5 })), Float32Array.of(5, 5));
    assert.is(other.planner.made, made + 1, "and this one was not");
  } finally {
    other.close();
    useRunner(gpu);
  }
});

test("a freed group gives its bytes back, its plans are forgotten, and other plans stay", async () => {
  const other = await openTestGpu();
  try {
    await compute(() => fill({ n: 4, value: 1 }));
    const before = { ...other.store.live, staging: 0, plans: other.planner.known };
    const member = declare([100_000]);
    const [shard] = allocateGroup([member], 1);
    await compute(() => accumulate(member, member));
    assert.ok(other.store.live.parameters >= 400_000 && other.planner.known === before.plans + 1);
    shard.free();
    assert.equal({ ...other.store.live, staging: 0, plans: other.planner.known }, before);
    throwsWith(
      caught(() => {
        using _scope = new Scope();
        accumulate(member, member);
      }),
      ShapeError,
      /accumulate: the memory of a was freed/,
    );
    assert.equal(await compute(() => fill({ n: 4, value: 2 })), Float32Array.of(2, 2, 2, 2));
  } finally {
    other.close();
    useRunner(gpu);
  }
});

test("five hundred persistent tensors are freed, and the next five hundred take their memory", async () => {
  const other = await openTestGpu();
  try {
    await compute(() => fill({ n: 4, value: 1 }));
    const before = { ...other.store.live, staging: 0, plans: other.planner.known };
    for (let round = 0; round < 2; round++) {
      const all = Array.from({ length: 500 }, (_, i) =>
        (i % 2 ? persistent : parameter)(new Float32Array(1000).fill(i)),
      );
      for (let i = 0; i < 500; i += 100)
        assert.equal((await compute(() => accumulate(all[i], all[i + 1])))[0], 2 * i + 1);
      free(...all);
      assert.equal({ ...other.store.live, staging: 0, plans: other.planner.known }, before);
    }
  } finally {
    other.close();
    useRunner(gpu);
  }
});

test("a tensor kept where no scope is around is freed for the next one", async () => {
  const kept = () => {
    using scope = new Scope();
    void scope;
    return keep(accumulate(tensor([1, 2]), tensor([3, 4])));
  };
  const first = kept();
  assert.equal(await first.data(), Float32Array.of(4, 6));
  free(first);
  const live = gpu.store.live.activations;
  for (let i = 0; i < 20; i++) free(kept());
  assert.is(gpu.store.live.activations, live);
});

test("what was recorded with a tensor that is then freed still has its contents", async () => {
  const t = persistent([1, 2]);
  const read = (() => {
    using scope = new Scope();
    void scope;
    const y = accumulate(t, t);
    free(t);
    return later(y);
  })();
  assert.equal(await read, Float32Array.of(2, 4));
});

test("a tensor that is used or freed after it was freed, or is not its own, is one clear error", async () => {
  const t = persistent([1, 2]);
  const beside = persistent([1, 2]);
  free(t);
  const refused = async (body: () => unknown, part: RegExp) =>
    throwsWith(
      await Promise.resolve()
        .then(body)
        .catch((error: unknown) => error),
      ShapeError,
      part,
    );
  await refused(() => free(beside, t), /free: the memory of this tensor was freed before/);
  assert.equal(await beside.data(), Float32Array.of(1, 2), "none is freed where one is refused");
  await refused(() => t.data(), /data: this tensor's memory was freed/);
  await refused(() => compute(() => accumulate(t, t)), /accumulate: the memory of a was freed/);
  await refused(() => compute(() => t), /later: the memory of the tensor was freed/);
  await refused(() => assign(t, [1, 2]), /assign: the memory of this tensor was freed/);
  await refused(() => assignPart(t, 0, Float32Array.of(1)), /assignPart: the memory of this tensor was freed/);
  const member = declare([4]);
  await refused(() => free(member), /free: this tensor has no memory/);
  const [shard] = allocateGroup([member], 0);
  for (const part of [member, shard.parameters, shard.gradients]) await refused(() => free(part), /lies in a group/);
  shard.free();
  using scope = new Scope();
  await refused(() => free(tensor([1])), /made in a scope/);
  void scope;
});

test("numbers are data: a replayed plan sees the new ones", async () => {
  const values: number[] = [];
  for (const value of [1, -2, 0.5]) values.push((await compute(() => fill({ n: 1, value })))[0]);
  assert.equal(values, [1, -2, 0.5]);
});

test("planned bytes are the bytes that a fresh device allocates", async () => {
  const n = 50_000;
  const body = () => {
    const a = fill({ n, value: 1 });
    const b = accumulate(a, fill({ n, value: 2 }));
    return accumulate(accumulate(b, a), b);
  };
  const planned = planOnly(gpu.facts, 2 ** 27, () => {
    using scope = new Scope();
    void later(body());
    void scope;
  });
  const other = await openTestGpu();
  try {
    await compute(body);
    assert.ok(Math.abs(other.store.live.activations - planned.slots) <= 0.01 * planned.slots);
  } finally {
    other.close();
    useRunner(gpu);
  }
});

test("a budget is checked before allocating, and the error says what fits", async () => {
  const other = await openTestGpu({ memory: 2 ** 20 });
  try {
    const error = await compute(() => fill({ n: 2 ** 20, value: 1 })).catch((e: unknown) => e);
    throwsWith(error, LimitError, /4\.0 MB more for activations would pass the budget of 1\.0 MB/, /1\.0 MB would fit/);
    assert.is((await compute(() => fill({ n: 1000, value: 1 }))).length, 1000);
  } finally {
    other.close();
    useRunner(gpu);
  }
});

test("a plan is checked against the budget as a whole, before its first buffer", async () => {
  const n = 2 ** 24; // 64 MB each, three of them: more than one binding, which they need not share
  const other = await openTestGpu({ memory: 2 ** 26 });
  try {
    const error = await compute(() => accumulate(fill({ n, value: 1 }), fill({ n, value: 2 }))).catch(
      (e: unknown) => e,
    );
    throwsWith(error, LimitError, /192\.0 MB more for activations would pass the budget of 64\.0 MB/);
    assert.is(other.store.total, 0);
  } finally {
    other.close();
    useRunner(gpu);
  }
});

test("a tensor larger than one binding is refused by name", () => {
  const plan = (n: number) =>
    caught(() =>
      planOnly(gpu.facts, 2 ** 20, () => {
        using scope = new Scope();
        void later(fill({ n }));
        void scope;
      }),
    );
  throwsWith(plan(2 ** 18 + 4), LimitError, /fill: y_N needs a binding of 2 MB; this adapter allows 1 MB/);
  assert.is(plan(2 ** 18), undefined);
});

test("contributions to one gradient add up", async () => {
  const x = parameter([1, 2, 3, 4]);
  const gradient = (uses: number) => {
    using tape = new Tape();
    let y = accumulate(x, x);
    for (let i = 2; i < uses; i++) y = accumulate(y, x);
    return later(tape.vjp([y], [tensor([1, 10, 100, 1000])]).get(x));
  };
  for (const uses of [2, 3, 5])
    assert.equal(await gradient(uses), Float32Array.of(uses, 10 * uses, 100 * uses, 1000 * uses));
});

test("parameters in a flat group receive their gradients in place, whatever their sizes", async () => {
  const members = [declare([3]), declare([4]), declare([1]), declare([7])];
  const [shard] = allocateGroup(members, 2);
  for (const [i, member] of members.entries()) assign(member, new Float32Array(member.numel).fill(i + 1));
  assign(shard.gradients, new Float32Array(shard.numel).fill(9));
  {
    using tape = new Tape();
    const outputs = members.map((member) => accumulate(member, member));
    const found = tape.vjp(outputs);
    for (const member of members) found.get(member);
  }
  const gradients = await shard.gradients.data();
  const at = (i: number, k: number) => gradients[i * 64 + k];
  members.forEach((member, i) => {
    for (let k = 0; k < member.numel; k++) assert.is(at(i, k), 2);
    for (let k = member.numel; k < 64; k++) assert.is(at(i, k), 9, "the padding between members stays as it was");
  });
});

test("a read that is awaited inside its own open scope is refused once nothing else is left to do", async () => {
  using scope = new Scope();
  const read = failure(later(copy(fill({ n: 3, value: 1 }))));
  process.emit("beforeExit", 0); // as Node says that nothing is left
  assert.match((await read).message, /^later: .*never come; await it behind the brace of the scope/);
  assert.equal(Array.from(await fill({ n: 2, value: 1 }).data()).length, 2, "the scope goes on");
  void scope;
});

test("a loss that depends on nothing trainable is refused", () => {
  using tape = new Tape();
  throwsWith(
    caught(() => tape.gradients(fill({ n: 1 }))),
    ShapeError,
    /does not depend on any trainable tensor/,
  );
  throwsWith(
    caught(() => tape.gradients(accumulate(parameter([1, 2]), tensor([1, 2])))),
    ShapeError,
    /expected a scalar/,
  );
});

test("a kernel that does not compile is a KernelError with file, line and caret", async () => {
  const code =
    "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n@compute @workgroup_size(1) fn main() {\n  y[0] = topp;\n}";
  const broken = op({
    name: "broken",
    about: "does not compile",
    sig: "-> y",
    forward: [pass("-> y", code, () => 1)],
    ref: () => ({ y: [0] }),
    flops: () => 0,
    bench: [],
  });
  const other = await openTestGpu();
  try {
    const error = await compute(() => broken()).catch((e: unknown) => e);
    throwsWith(error, KernelError, /^broken forward:\d+:\d+ unresolved value 'topp'/, /y\[0\] = topp;/, /\n +\^/);
    throwsWith(
      caught(() => {
        using scope = new Scope();
        fill({ n: 1 });
        scope.flush(true);
      }),
      KernelError,
      /topp/,
    );
  } finally {
    other.close();
    useRunner(gpu);
  }
});

test("a kernel whose bindings are not the pass's tensors is named", async () => {
  const code =
    "@group(0) @binding(0) var<storage, read_write> z: array<f32>;\n@compute @workgroup_size(1) fn main() { z[0] = 1; }";
  const mismatched = op({
    name: "mismatched",
    about: "binds z",
    sig: "-> y",
    forward: [pass("-> y", code, () => 1)],
    ref: () => ({ y: [1] }),
    flops: () => 0,
    bench: [],
  });
  throwsWith(
    await compute(() => mismatched()).catch((e: unknown) => e),
    KernelError,
    /the kernel binds z, the pass has y/,
  );
});

test("a temporary of two shapes under one name is refused at the declaration", () => {
  const declareIt = (name: string, second: string) =>
    op({
      name,
      about: "two passes share a temporary",
      sig: "x_NK -> y_NK",
      forward: [pass("x_NK -> sums_N", "", () => 1), pass(`x_NK ${second} -> y_NK`, "", () => 1)],
      ref: ({ x }) => ({ y: x }),
      flops: () => 0,
      bench: [],
    });
  throwsWith(
    caught(() => declareIt("twoShapes", "sums_K")),
    KernelError,
    /twoShapes: sums is sums_N in one place and sums_K in another/,
  );
  assert.is(declareIt("oneShape", "sums_N").name, "oneShape");
});

test("a lost device is one error that every later call repeats", async () => {
  const other = await openTestGpu();
  try {
    const waiting = compute(() => fill({ n: 4, value: 1 }));
    await waiting;
    other.fail(new LimitError("stand-in for a loss"));
    throwsWith(await compute(() => fill({ n: 4 })).catch((e: unknown) => e), LimitError, /stand-in/);
  } finally {
    other.close();
    useRunner(gpu);
  }
});

test("compute gives a list for a list and names for names", async () => {
  const [a, b] = await compute(() => [copy(tensor([1, 2])), copy(tensor(new Uint32Array([3])))]);
  assert.equal([a, b], [new Float32Array([1, 2]), new Uint32Array([3])]);
  const { loss, y } = await compute(() => ({ loss: accumulate(tensor([1]), tensor([2])), y: copy(tensor([4])) }));
  assert.equal([loss, y], [new Float32Array([3]), new Float32Array([4])]);
  const refused = (body: () => unknown) => compute(body as () => Tensor).catch((error) => error);
  throwsWith(
    await refused(() => ({ loss: 7 })),
    ShapeError,
    /compute: what the function returns as loss is 7; expected a tensor/,
  );
  throwsWith(
    await refused(() => 7),
    ShapeError,
    /compute: what the function returns is 7; expected a tensor or an array/,
  );
});

test("an op has the storage types it is declared for; others are refused with the cast that helps", async () => {
  const numbers = new Uint32Array([2 ** 32 - 1, 2 ** 24 + 1]);
  assert.equal(await compute(() => copy(tensor(numbers))), numbers);
  throwsWith(
    await compute(() => accumulate(tensor([1], [1], "i32") as never, tensor([1], [1], "i32") as never)).catch(
      (error) => error,
    ),
    ShapeError,
    /^accumulate: a_N is i32, expected f32 or f16; cast\(a, "f32"\) converts/,
  );
});

test("signatures are read, and what is wrong with one is said", () => {
  const sig = parseSignature("x_N3SS tokens_NW:u32 s -> y_ND");
  assert.equal(
    sig.inputs.map(({ name, axes, folds, dtype }) => [name, axes.join(""), folds, dtype]),
    [
      ["x", "N3SS", true, "T"],
      ["tokens", "NW", true, "u32"],
      ["s", "", false, "T"],
    ],
  );
  throwsWith(
    caught(() => parseSignature("x_nd -> y")),
    ShapeError,
    /cannot read "x_nd"/,
  );
  throwsWith(
    caught(() => parseSignature("x_ND")),
    ShapeError,
    /expected one "->"/,
  );
});

test("wrong arguments are ShapeErrors in the engine's form", () => {
  using scope = new Scope();
  throwsWith(
    caught(() => accumulate(tensor([1]), tensor([1, 2]))),
    ShapeError,
    /accumulate: b_N has N = 2, expected 1/,
    /expected {2}a_N {2}b_N/,
    /received {2}a\[1\] {2}b\[2\]/,
  );
  throwsWith(
    caught(() => (accumulate as (...args: unknown[]) => unknown)(tensor([1]))),
    ShapeError,
    /argument 2 \(b\) is missing/,
  );
  throwsWith(
    caught(() => (fill as (...args: unknown[]) => unknown)({ n: 1, size: 2 })),
    ShapeError,
    /unknown attribute size; it has value, n/,
  );
  throwsWith(
    caught(() => accumulate(tensor([1]), tensor([1], [1], "u32") as never)),
    ShapeError,
    /b_N is u32, expected f32/,
  );
  throwsWith(
    caught(() => tensor([1, 2], [3])),
    ShapeError,
    /2 elements for shape \[3\]/,
  );
  throwsWith(
    caught(() => tensor([1, 2]).reshape([3])),
    ShapeError,
    /\[2\] has 2 elements/,
  );
  assert.equal(tensor([1, 2, 3, 4, 5, 6]).reshape([2, -1]).shape, [2, 3]);
  void scope;
});

test("half precision rounds to nearest even, both ways, over all halves", () => {
  for (let bits = 0; bits < 0x7c00; bits++) assert.is(toHalf(fromHalf(bits)), bits);
  assert.is(toHalf(65520), 0x7c00);
  assert.is(toHalf(65519), 0x7bff);
  assert.is(fromHalf(toHalf(1 + 2 ** -11)), 1);
  assert.is(fromHalf(toHalf(1 + 3 * 2 ** -11)), 1 + 2 ** -9);
  assert.is(fromHalf(toHalf(-(2 ** -24))), -(2 ** -24));
  assert.ok(Number.isNaN(fromHalf(toHalf(Number.NaN))));
});

test("integers and scalars come back as they went", async () => {
  assert.equal(await persistent([1, 2, 4e9], [3], "u32").data(), Uint32Array.of(1, 2, 4e9));
  assert.equal(await persistent([-1, 2], [2], "i32").data(), Int32Array.of(-1, 2));
  assert.is(await persistent([2.5], []).item(), 2.5);
});

test("a text is compiled once, however many scopes, shapes and tensors ask for it", async () => {
  const asked: string[] = [];
  const own = await openTestGpu();
  const { device } = own;
  const { createShaderModule } = device;
  device.createShaderModule = (descriptor) => {
    asked.push(descriptor.code);
    return createShaderModule.call(device, descriptor);
  };
  try {
    for (const n of [4, 4, 5, 8, 1024, 5]) {
      using scope = new Scope();
      const x = accumulate(tensor(new Float32Array(n).fill(1)), tensor(new Float32Array(n).fill(2)));
      assert.equal(await accumulate(x, x).data(), new Float32Array(n).fill(6));
      void scope;
    }
  } finally {
    own.close();
    useRunner(gpu);
  }
  assert.ok(asked.length > 0);
  assert.is(new Set(asked).size, asked.length);
  assert.is(own.counters.pipelines, asked.length);
});

test("the nearest known name is suggested, a far one is not", () => {
  assert.is(nearest("trian", ["train", "eval"]), "train");
  assert.is(nearest("xyzzy", ["train", "eval"]), undefined);
  assert.is(ceilDiv(7, 3), 3);
});

test.run();
