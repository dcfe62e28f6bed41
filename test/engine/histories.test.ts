// Gradients across scopes, tapes, tasks and changes of memory: each case gave a wrong number once, or nothing.
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  allocateGroup,
  assign,
  assignPart,
  compute,
  type Dtype,
  declare,
  detach,
  fill,
  keep,
  later,
  parameter,
  Scope,
  ShapeError,
  Tape,
  type Tensor,
  tensor,
} from "../../engine/index.ts";
import { add, exp, mean, mul, sgd, square, sum } from "../../kernels/index.ts";
import { AdamW } from "../../train/optimizers/adam.ts";
import { sharedGpu } from "../kernels/derive.ts";

await sharedGpu();

const numbers = async (read: Promise<ArrayLike<number>>): Promise<number[]> => [...Array.from(await read)];
const four = () => parameter([1, 2, 3, 4]);
const right = [0.75, 3, 6.75, 12];

function refused(body: () => unknown, ...parts: RegExp[]): void {
  try {
    body();
  } catch (error) {
    assert.instance(error, ShapeError);
    for (const part of parts) assert.match((error as Error).message, part);
    return;
  }
  assert.unreachable("nothing was refused");
}

for (const [name, open] of [
  ["scope", () => new Scope()],
  ["tape", () => new Tape()],
] as const) {
  test(`what an inner ${name} keeps has its history in the tape around it`, async () => {
    const w = four();
    using tape = new Tape();
    let h!: Tensor;
    {
      using _inner = open();
      h = keep(square(exp(mul(w, tensor([0, 0, 0, 0])))));
      h = keep(mul(h, square(w)));
    }
    assert.equal(
      await numbers(
        tape
          .gradients(mean(mul(h, w)))
          .get(w)
          .data(),
      ),
      right,
    );
  });

  test(`a reshaped view, kept twice through two ${name}s, with reads in the middle`, async () => {
    const w = four();
    using tape = new Tape();
    let h!: Tensor;
    {
      using _outer = open();
      {
        using _inner = open();
        const wide = square(w);
        await wide.data();
        h = keep(wide.reshape([2, 2]));
        await h.data();
      }
      h = keep(mul(h, w.reshape([2, 2])));
    }
    assert.equal(await numbers(tape.gradients(mean(h)).get(w).data()), right);
  });
}

test("gradients taken inside a scope inside the tape, or by an inner tape, see everything around", async () => {
  const w = four();
  using outer = new Tape();
  const h = square(w);
  {
    using inner = new Tape();
    const loss = mean(mul(h, w));
    assert.equal(await numbers(inner.gradients(loss).get(w).data()), right);
    assert.equal(await numbers(outer.gradients(loss).get(w).data()), right);
  }
});

test("a loss of something computed outside the tape is refused; detach and watch say what is meant", async () => {
  const w = four();
  using _scope = new Scope();
  const before = square(w);
  let kept!: Tensor;
  {
    using _tape = new Tape();
    kept = keep(square(w));
  }
  using tape = new Tape();
  for (const h of [before, kept]) {
    refused(() => tape.gradients(mean(h)), /outside this tape/, /detach\(x\)/, /tape\.watch\(x\)/);
    refused(() => tape.gradients(mean(mul(h, w))), /mul's a was computed/);
  }
  const constant = tape.gradients(mean(mul(detach(kept), w)));
  assert.equal(await numbers(constant.get(w).data()), [0.25, 1, 2.25, 4]);
  tape.watch(kept);
  const found = tape.gradients(mean(mul(kept, w)));
  assert.equal(await numbers(found.get(kept).data()), [0.25, 0.5, 0.75, 1]);
  assert.equal(await numbers(found.get(w).data()), [0.25, 1, 2.25, 4]);
});

/** Some steps of descent with reads in the middle of each; the last gradients and the parameter. */
async function train(start: number, lr: number): Promise<number[]> {
  const w = parameter([start, start + 1, start + 2, start + 3]);
  const b = parameter([0, 0, 0, 0]);
  const found: number[] = [];
  for (let step = 0; step < 4; step++) {
    using tape = new Tape();
    let h!: Tensor;
    {
      using _scope = new Scope();
      h = keep(square(w));
      await h.data();
    }
    await Promise.resolve();
    const g = tape.gradients(mean(mul(h, w))).get(w);
    found.push(...(await numbers(g.data())));
    sgd(w, g, b, tensor([1], []), { lr });
    await w.data();
  }
  return [...found, ...(await numbers(w.data()))];
}

test("two trainings at once in one process have the bits of each alone", async () => {
  const alone = [await train(1, 0.01), await train(-2, 0.02), await train(0.5, 0.005)];
  const together = await Promise.all([train(1, 0.01), train(-2, 0.02), train(0.5, 0.005)]);
  assert.equal(together, alone);
});

test("a parameter of a group that this step does not use stays, and the norm does not count it", async () => {
  const members = [declare([4]), declare([3]), declare([5])];
  const [a, b, c] = members;
  const [shard] = allocateGroup(members, 2);
  for (const member of members) assign(member, new Float32Array(member.numel).fill(1));
  const group = { name: "all", members: members.map((t, i): [string, Tensor] => [`${i}`, t]), decay: true };
  const settings = { beta1: 0.9, beta2: 0.99, eps: 1e-8, decay: 0.1, clip: 3e38 };
  const optimizer = new AdamW([group], new Map([["all", [shard]]]), settings);
  const step = (n: number, used: Tensor[]) => {
    using tape = new Tape();
    tape.gradients(used.map((t) => sum(square(t))).reduce((x, y) => add(x, y)));
    return later(optimizer.step(n, 0.01).norm);
  };
  assert.ok(Math.abs((await step(1, members))[0] - Math.sqrt(4 * 12)) < 1e-5);
  const was = await b.data();
  const [one] = await a.data();
  assert.ok(Math.abs((await step(2, [a, c]))[0] - Math.sqrt(4 * 9) * one) < 1e-5);
  assert.equal(await b.data(), was);
  assert.ok((await a.data())[0] < one && (await c.data())[4] < one);
});

test("accumulate adds to no stale gradient", async () => {
  const [p] = [declare([4])];
  const [shard] = allocateGroup([p], 0);
  assign(p, [1, 2, 3, 4]);
  shard.spend();
  for (let part = 0; part < 3; part++) {
    using tape = new Tape();
    tape.accumulate([square(p)], [tensor([1, 1, 1, 1])]);
  }
  assert.equal([...(await shard.gradients.data())].slice(0, 4), [6, 12, 18, 24]);
  shard.spend();
  {
    using tape = new Tape();
    tape.accumulate([square(p)], [tensor([1, 1, 1, 1])]);
  }
  assert.equal([...(await shard.gradients.data())].slice(0, 4), [2, 4, 6, 8]);
});

test("an output named twice, reshaped or not, counts twice; also a parameter itself, in a group or not", async () => {
  const w = parameter([3, -2]);
  using tape = new Tape();
  const y = square(w);
  const of = (outputs: Tensor[], upstream?: Tensor[]) => numbers(tape.vjp(outputs, upstream).get(w).data());
  assert.equal(await of([y, y]), [12, -8]);
  assert.equal(await of([y, y.reshape([2, 1])]), [12, -8]);
  assert.equal(await of([y, y], [tensor([1, 10]), tensor([2, 20])]), [18, -120]);
  assert.equal(await of([y, w, w]), [8, -2]);
  const member = declare([4]);
  const [shard] = allocateGroup([member], 0);
  assign(member, [1, 2, 3, 4]);
  tape.vjp([member, square(member), member]);
  assert.equal([...(await shard.gradients.data())].slice(0, 4), [4, 6, 8, 10]);
  refused(() => tape.vjp([y], []), /1 outputs, 0 upstream/);
  refused(() => tape.vjp([y], [tensor([1, 2, 3])]), /output 0 has shape \[2\]/);
});

test("gradients of two losses on one tape do not write over one another", async () => {
  const member = declare([4]);
  allocateGroup([member], 0);
  assign(member, [1, 2, 3, 4]);
  using tape = new Tape();
  const first = tape.gradients(sum(square(member)));
  const a = first.get(member);
  const second = tape.gradients(sum(member));
  const b = second.get(member);
  assert.equal(await numbers(a.data()), [2, 4, 6, 8]);
  assert.equal(await numbers(b.data()), [1, 1, 1, 1]);
  const third = tape.gradients(sum(square(member)));
  tape.gradients(sum(member));
  refused(() => third.get(member), /a later walk/);
});

for (const [name, change] of [
  ["assign", (p: Tensor) => assign(p, [100])],
  ["assignPart", (p: Tensor) => assignPart(p, 0, Float32Array.of(100))],
] as const)
  test(`${name} after ops that read the parameter leaves their values, and refuses their gradient`, async () => {
    const p = parameter([3]);
    {
      using tape = new Tape();
      const y = square(p);
      const early = later(p);
      change(p);
      assert.equal(await numbers(y.data()), [9]);
      assert.equal(await numbers(early), [3]);
      refused(() => tape.gradients(sum(y)), /square read a tensor of 1 elements that was assigned or updated/);
      assert.equal(
        await numbers(
          tape
            .gradients(sum(square(p)))
            .get(p)
            .data(),
        ),
        [200],
      );
    }
    using tape = new Tape();
    const linear = add(p, p);
    change(p);
    assert.equal(await numbers(tape.gradients(sum(linear)).get(p).data()), [2]);
  });

test("an update inside an open tape: values of before and after, in whatever scope, and no gradient of before", async () => {
  const p = parameter([3]);
  const b = parameter([0]);
  using tape = new Tape();
  const before = square(p);
  const was = later(p);
  const update = () => sgd(p, tensor([1]), b, tensor([1], []), { lr: 1, momentum: 0 });
  update();
  assert.equal(await numbers(compute(() => square(p))), [4]);
  assert.equal(await numbers(was), [3]);
  {
    using _inner = new Scope();
    update();
  }
  assert.equal(await numbers(before.data()), [9]);
  assert.equal(await numbers(p.data()), [1]);
  refused(() => tape.gradients(sum(before)), /square read a tensor/);
  assert.equal(
    await numbers(
      tape
        .gradients(sum(square(p)))
        .get(p)
        .data(),
    ),
    [2],
  );
});

test("an inner scope that updates waits for what the outer one has recorded", async () => {
  const p = parameter([3]);
  const b = parameter([0]);
  using _outer = new Scope();
  const y = square(p);
  {
    using _inner = new Scope();
    sgd(p, tensor([1]), b, tensor([1], []), { lr: 1, momentum: 0 });
  }
  assert.equal(await numbers(y.data()), [9]);
});

test("later and compute read what is pending in an outer scope", async () => {
  const p = parameter([3]);
  using _outer = new Scope();
  const y = square(p);
  assert.equal(await numbers(compute(() => y)), [9]);
  const z = square(y);
  let read!: Promise<ArrayLike<number>>;
  {
    using _inner = new Scope();
    read = later(z);
  }
  assert.equal(await numbers(read), [81]);
  let gone!: Tensor;
  {
    using _inner = new Scope();
    gone = square(p);
  }
  refused(() => later(gone), /later: the tensor was made by square in scope \d+, which has ended; write keep/);
});

test("what an outer tape records on values of an inner scope runs before they go", async () => {
  const p = parameter([3]);
  using tape = new Tape();
  {
    using _outer = new Scope();
    using _inner = new Scope();
    tape.vjp([p, p], [tensor([1]), tensor([2])]);
  }
  assert.equal(await numbers(tape.vjp([p]).get(p).data()), [1]);
});

test("a tape that has ended gives no gradients, and says so", () => {
  const p = parameter([3]);
  const tape = new Tape();
  const loss = sum(square(p));
  const found = tape.gradients(loss);
  tape[Symbol.dispose]();
  refused(() => tape.gradients(loss), /tape \d+ has ended/);
  refused(() => found.get(p), /tape \d+ has ended/);
});

test("a scope in a generator may end before those opened after it", async () => {
  const p = parameter([3]);
  function* made(): Generator<Tensor> {
    using _scope = new Scope();
    yield square(p);
  }
  const items = made();
  const y = items.next().value as Tensor;
  {
    using _inner = new Scope();
    const z = keep(square(y));
    items.return(undefined);
    assert.equal(await numbers(z.data()), [81]);
  }
  refused(() => later(y), /no scope is open/);
});

test("integers have no gradient to watch", () => {
  using tape = new Tape();
  assert.throws(
    () => tape.watch(tensor(new Uint32Array(3)) as Tensor<Dtype> as Tensor),
    /^watch: u32 has no gradient; .*cast\(x, "f32"\)/,
  );
});

test("fill holds every whole number of 32 bits, and refuses what its type cannot", async () => {
  const filled = async (value: number, dtype: "u32" | "i32") => [
    ...(await compute(() => fill({ n: 3, value, dtype }))),
  ];
  assert.equal(await filled(2 ** 32 - 1, "u32"), [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1]);
  assert.equal(await filled(-(2 ** 31) + 1, "i32"), new Array(3).fill(-(2 ** 31) + 1));
  const error = (await filled(0.5, "u32").catch((thrown: Error) => thrown)) as Error;
  assert.match(error.message, /^fill: value is 0\.5; u32 holds whole numbers from/);
});

test.run();
