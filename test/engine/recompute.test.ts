// recompute: the same bits in less memory; every way in which a program may put it around its computations.
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  allocateGroup,
  assign,
  declare,
  keep,
  later,
  parameter,
  planOnly,
  recompute,
  Scope,
  ShapeError,
  Tape,
  type Tensor,
  tensor,
} from "../../engine/index.ts";
import { add, dropout, exp, layernorm, linear, mean, mul, square, sum, tanh } from "../../kernels/index.ts";
import { gaussian, sharedGpu, uniform } from "../kernels/derive.ts";

const gpu = await sharedGpu();

const draw = (n: number, seed: number): Float32Array => {
  const random = uniform(seed);
  return Float32Array.from({ length: n }, () => gaussian(random));
};
const rows = 96;
const width = 64;
const layers = 6;

type Around = (body: () => Tensor) => Tensor;
const plainly: Around = (body) => body();
const again: Around = (body) => recompute(body);

/** A small residual network in one flat group, with dropout. */
const network = Array.from({ length: layers }, () => ({
  gain: declare([width]),
  bias: declare([width]),
  up: declare([4 * width, width]),
  down: declare([width, 4 * width]),
  zeros: declare([4 * width]),
}));
const parameters = network.flatMap((layer) => Object.values(layer));
const [shard] = allocateGroup(parameters, 0);
for (const [i, t] of parameters.entries())
  assign(
    t,
    draw(t.numel, i).map((v) => 0.1 * v),
  );

function forward(x: Tensor, around: Around, inner: Around = plainly): Tensor {
  let y = x;
  for (const [i, { gain, bias, up, down, zeros }] of network.entries())
    y = around(() => {
      const h = inner(() => tanh(linear(layernorm(y, gain, bias), up, zeros)));
      const dropped = dropout(h, { p: 0.25, seed: 5, stream: i });
      return add(linear(dropped, down, bias), y);
    });
  return y;
}

/** Loss and gradients of all parameters, the launches of the step and the bytes that its slots took. */
async function step(around: Around, inner?: Around, begin?: () => void) {
  begin?.();
  let loss: Promise<ArrayLike<number>>;
  {
    using tape = new Tape();
    const y = forward(tensor(draw(rows * width, 99), [rows, width]), around, inner);
    const scalar = mean(square(y));
    loss = later(scalar);
    tape.gradients(scalar);
  }
  const [value] = Array.from(await loss);
  const gradients = await Promise.all(parameters.map((_, i) => shard.part(shard.gradients, i).data()));
  shard.spend();
  return { value, gradients, launches: gpu.last.launches };
}

const plan = (around: Around, inner?: Around) =>
  planOnly(gpu.facts, gpu.maxBinding, () => {
    using tape = new Tape();
    const y = forward(tensor(draw(rows * width, 99), [rows, width]), around, inner);
    tape.gradients(mean(square(y)));
  });

test("loss and every gradient have the bits of a step that keeps everything, nested too", async () => {
  const kept = await step(plainly);
  for (const [around, inner] of [
    [again],
    [again, again],
    [(f: () => Tensor) => again(() => again(f))],
    [plainly, again],
  ]) {
    const { value, gradients } = await step(around, inner);
    assert.is(value, kept.value);
    for (const [i, gradient] of gradients.entries()) assert.equal(gradient, kept.gradients[i], `parameter ${i}`);
  }
});

test("a block's results are gone before the gradient: the planned peak falls, and what the device holds with it", async () => {
  const [kept, made] = [plan(plainly), plan(again)];
  const one = rows * width * 4 * 11; // bytes that a layer keeps: h, its tanh, what was dropped, and smaller ones
  assert.ok(kept.peak - made.peak > (layers - 2) * one, `${kept.peak} -> ${made.peak}`);
  assert.ok(made.slots < 0.55 * kept.slots, `${kept.slots} -> ${made.slots}`);
  const held = async (around: Around) => {
    gpu.store.trim(new Set());
    const before = gpu.store.live.activations;
    await step(around);
    return gpu.store.live.activations - before;
  };
  const measured = await held(again);
  assert.ok(measured <= made.slots + 2 ** 16, `planned ${made.slots}, held ${measured}`);
  assert.ok((await held(plainly)) > 1.8 * measured);
});

test("what no gradient reads is not made again: the last product, and results that are returned", () => {
  const [kept, made] = [plan(plainly), plan(again)];
  assert.is(made.launches - kept.launches, layers * 4, "layernorm, linear, tanh, dropout of each layer");
  const twice = plan(again, again);
  assert.is(twice.launches - kept.launches, layers * (4 + 1), "and the layernorm once more for the inner stretch");
  const product = 2 * rows * width * 4 * width;
  const more = made.flops - kept.flops;
  assert.ok(more > layers * product && more < 1.3 * layers * product, `${more} flops more`);
});

test("the body runs once: what it reads later is read once, what it counts is counted once", async () => {
  const w = parameter([1, 2, 3, 4]);
  let runs = 0;
  const reads: Promise<ArrayLike<number>>[] = [];
  {
    using tape = new Tape();
    const y = recompute(() => {
      runs++;
      const h = exp(mul(w, tensor([0, 0, 0, 0])));
      reads.push(later(h));
      return mul(square(w), h);
    });
    reads.push(later(tape.gradients(mean(y)).get(w)));
  }
  const [h, dw] = await Promise.all(reads);
  assert.is(runs, 1);
  assert.equal([...Array.from(h)], [1, 1, 1, 1]);
  assert.equal([...Array.from(dw)], [0.5, 1, 1.5, 2]);
});

test("lists and objects of tensors, one of them used twice, one used outside though it was not returned", async () => {
  const w = parameter([1, 2, 3, 4]);
  using tape = new Tape();
  let inside!: Tensor;
  const [a, b] = recompute(() => {
    inside = square(w);
    return [square(inside), mul(w, inside)];
  });
  const { c, d } = recompute(() => ({ c: mul(a, b), d: mul(a, a) }));
  const loss = sum(add(add(c, d), square(inside))); // w⁷ + w⁸ + w⁴
  const got = await tape.gradients(loss).get(w).data();
  const want = [1, 2, 3, 4].map((x) => 7 * x ** 6 + 8 * x ** 7 + 4 * x ** 3);
  for (const [i, v] of want.entries()) assert.ok(Math.abs(got[i] - v) <= 1e-5 * v, `${got[i]}, expected ${v}`);
});

test("scopes inside, tapes inside and around: what they end with is made again from what still lives", async () => {
  const w = parameter([1, 2, 3, 4]);
  using outer = new Tape();
  let y!: Tensor;
  {
    using _scope = new Scope();
    const x = square(w);
    y = keep(
      recompute(() => {
        using inner = new Tape();
        const constant = exp(tensor([0, 0, 0, 0])); // of an upload that ends with the inner tape
        const h = mul(x, constant);
        const slope = inner.gradients(sum(square(h))).get(w); // 4 w³, a constant from here on
        return keep(mul(keep(square(h)), keep(slope)));
      }),
    );
  }
  const got = await outer.gradients(sum(y)).get(w).data(); // 4 w³ · d w⁴
  assert.equal(
    [...got],
    [1, 2, 3, 4].map((x) => 16 * x ** 6),
  );
});

test("watched tensors and parts that add up have their gradients", async () => {
  using scope = new Scope();
  void scope;
  const x = keep(square(tensor([1, 2, 3, 4])));
  using tape = new Tape();
  tape.watch(x);
  const y = recompute(() => square(square(x)));
  assert.equal([...(await tape.gradients(sum(y)).get(x).data())], [4, 256, 2916, 16384]);

  const grouped = declare([4]);
  const [places] = allocateGroup([grouped], 0);
  assign(grouped, [1, 2, 3, 4]);
  for (let part = 0; part < 3; part++) {
    using each = new Tape();
    each.accumulate([sum(recompute(() => square(square(grouped))))], [tensor([1], [])]);
  }
  assert.equal([...(await places.part(places.gradients, 0).data())], [12, 96, 324, 768]);
  places.free();
});

test("memory that changed since it was read is refused; a change before, or after the gradients, is not", () => {
  const w = parameter([1, 2, 3, 4]);
  {
    using tape = new Tape();
    const y = recompute(() => square(add(w, tensor([1, 1, 1, 1])))); // without recompute, add would not read w again
    assign(w, [4, 3, 2, 1]);
    assert.throws(
      () => tape.gradients(sum(y)),
      (error: unknown) =>
        error instanceof ShapeError && /add inside recompute read .* assigned or updated since/.test(error.message),
    );
  }
  using tape = new Tape();
  assign(w, [1, 2, 3, 4]);
  const y = recompute(() => {
    assign(w, [1, 1, 1, 1]);
    return square(square(w));
  });
  tape.gradients(sum(y));
  assign(w, [1, 2, 3, 4]);
});

test("without a tape it is the body alone; what is no tensor is refused, a promise by name", () => {
  using scope = new Scope();
  const x = tensor([1, 2]);
  const before = scope.pending;
  recompute(() => square(x));
  assert.is(scope.pending, before + 1);
  using _tape = new Tape();
  for (const [body, sentence] of [
    [() => undefined, /recompute: what the function returns/],
    [() => [x, 3], /recompute: what the function returns/],
    [async () => x, /recompute: what the function returns.*promise/],
  ] as [() => never, RegExp][])
    assert.throws(() => recompute(body), sentence);
  assert.throws(() => recompute(x as never), /recompute: body/);
});

test("a body that throws leaves nothing open", async () => {
  const w = parameter([1, 2, 3, 4]);
  using tape = new Tape();
  assert.throws(
    () =>
      recompute(() => {
        square(w);
        throw new Error("on purpose");
      }),
    /on purpose/,
  );
  assert.equal(
    [
      ...(await tape
        .gradients(sum(square(w)))
        .get(w)
        .data()),
    ],
    [2, 4, 6, 8],
  );
});

test.run();
