// Numbers at the edge: NaN and infinities, full masks, classes that are none. The derived tests hold outputs against the
// references; here is what they cannot say: gradients at such numbers, and what a health check sees.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Scope, Tape, type Tensor, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import {
  adamw,
  attention,
  clamp,
  crossEntropy,
  embedding,
  gelu,
  gradNorm,
  logSoftmax,
  amax,
  mul,
  relu,
  rowGather,
  sgd,
  snce,
  softmax,
  sum,
} from "../../kernels/index.ts";
import { near, sharedGpu } from "./derive.ts";

const gpu = await sharedGpu();

/** The value of f at x, and the slope of its sum weighted by `dy`. */
async function slopeOf(f: (x: Tensor) => Tensor, x: readonly number[], shape: readonly number[], dy?: number[]) {
  let found: Promise<ArrayLike<number>>[];
  {
    using tape = new Tape();
    const at = tensor([...x], shape);
    at.value.needsGrad = true;
    const y = f(at);
    const weighted = dy ? mul(y, tensor(dy, y.shape)) : y;
    const loss = y.shape.length ? sum(weighted) : weighted;
    found = [later(y), later(tape.gradients(loss).get(at)!)];
  }
  const [y, dx] = await Promise.all(found);
  return { y: [...Array.from(y)], dx: [...Array.from(dx)] };
}

/** Elements that are not finite, as the check of gradients counts them. */
async function bad(y: () => Tensor): Promise<number> {
  using scope = new Scope();
  const [count] = await gradNorm([y()]).bad.data();
  void scope;
  return count;
}

const odd = [NaN, Infinity, -Infinity, 0.5];

test("relu of NaN is NaN, its slope there 1; ∞ passes", async () => {
  const { y, dx } = await slopeOf(relu, odd, [4]);
  assert.equal(y, [NaN, Infinity, 0, 0.5]);
  assert.equal(dx, [1, 1, 0, 1]);
});

test("clamp of NaN is NaN, its slope there 0; infinities become the bounds", async () => {
  const { y, dx } = await slopeOf((x) => clamp(x, { low: -1, high: 2 }), odd, [4]);
  assert.equal(y, [NaN, 2, -1, 0.5]);
  assert.equal(dx, [0, 0, 0, 1]);
});

test("the maximum is the first NaN, which takes the gradient", async () => {
  const { y, dx } = await slopeOf((x) => amax(x, 1), [1, NaN, 3, NaN, 5, -1, 5, 2], [2, 4]);
  assert.equal(y, [NaN, 5]);
  assert.equal(dx, [0, 1, 0, 0, 1, 0, 0, 0]);
});

const clamped = (x: Tensor) => clamp(x, { low: 0 });
for (const [name, f] of Object.entries({ relu, clamped, gelu, amax: (x: Tensor) => amax(x, 1) }))
  test(`a health check sees a NaN behind ${name}`, async () => {
    assert.is(await bad(() => f(tensor([1, 2, NaN, 4], [2, 2]))), 1);
    assert.is(await bad(() => f(tensor([1, 2, 3, 4], [2, 2]))), 0);
  });

for (const [name, way] of [
  ["softmax", softmax],
  ["logSoftmax", logSoftmax],
] as const)
  test(`${name}: a NaN in a row is in all of its gradient`, async () => {
    const { dx } = await slopeOf(way, [1, NaN, 3, 1, 2, 3], [2, 3], [1, 2, 3, 4, 5, 6]);
    assert.equal(dx.map(Number.isNaN), [true, true, true, false, false, false]);
  });

test("crossEntropy and snce: a NaN among the logits is in the gradient", async () => {
  const targets = () => tensor([0, 1], [2], "u32");
  const one = await slopeOf((x) => crossEntropy(x, targets()), [1, NaN, 3, 1, 2, 3], [2, 3]);
  assert.equal(one.dx.map(Number.isNaN), [true, true, true, false, false, false]);
  const two = await slopeOf((l) => snce(l, tensor([0, 0, 0, 0], [2, 2])), [1, NaN, 3, 1], [2, 2]);
  assert.equal(two.dx.map(Number.isNaN), [true, true, false, true]);
});

for (const way of ["composed", "fused", "long"])
  test(`attention, ${way}: a NaN in a key is in the gradient of every query`, async () => {
    gpu.forced.add(way);
    try {
      const qkv = Array.from({ length: 4 * 12 }, (_, i) => Math.sin(i));
      qkv[12 + 4] = NaN;
      const { dx } = await slopeOf((x) => attention(x), qkv, [1, 4, 12]);
      for (let i = 0; i < 4; i++) assert.ok(Number.isNaN(dx[12 * i]), `dq of token ${i}: ${dx[12 * i]}`);
    } finally {
      gpu.forced.delete(way);
    }
  });

test("adamw and sgd: a parameter that is not finite does not become an ordinary number", async () => {
  using scope = new Scope();
  const made = (...x: number[]) => tensor(x, [4]);
  const [p, q, r] = [made(NaN, Infinity, 1, 2), made(NaN, 5, 1, 2), made(NaN, Infinity, 1, 2)];
  const factor = tensor([1], []);
  adamw(p, made(0, 0, 0, NaN), made(0, 0, 0, 0), made(0, 0, 0, 0), factor, {});
  adamw(q, made(0, 0, 0, 0), made(0, 0, 0, 0), made(0, 0, NaN, 0), factor, { least: 0, most: 1.5 });
  sgd(r, made(0, 0, 0, NaN), made(0, 0, 0, 0), factor, {});
  assert.equal([...(await p.data())], [NaN, Infinity, 1, NaN]);
  assert.equal([...(await q.data())], [NaN, 1.5, NaN, 1.5]);
  assert.equal([...(await r.data())], [NaN, NaN, 1, NaN]); // a decay of 0 times ∞ is NaN
  void scope;
});

const lowest = Math.fround(-3.4028234e38);
const row = (x: number, D: number) => new Array<number>(D).fill(x);

for (const D of [1, 2, 3, 7, 33])
  for (const x of [lowest, -3.4e38, -3e38, 3.4e38, -lowest]) {
    test(`a row of ${D} times ${x} shares equally: softmax, logSoftmax, their slopes`, async () => {
      const dy = Array.from({ length: D }, (_, i) => Math.cos(i));
      for (const f of [softmax, logSoftmax]) {
        const [far, none] = [await slopeOf(f, row(x, D), [1, D], dy), await slopeOf(f, row(0, D), [1, D], dy)];
        assert.equal(far, none);
        near(far.y, row(f === softmax ? 1 / D : -Math.log(D), D), 1e-6, "y");
      }
    });

    test(`a row of ${D} times ${x} shares equally: crossEntropy and its slope`, async () => {
      const found = await slopeOf((l) => crossEntropy(l, tensor([D - 1], [1], "u32")), row(x, D), [1, D]);
      near(found.y, [Math.log(D)], 1e-6, "loss");
      near(
        found.dx,
        row(1 / D, D).map((p, i) => (i === D - 1 ? p - 1 : p)),
        1e-6,
        "dlogits",
      );
    });

    test(`${D} by ${D} times ${x} share equally: snce and its slope`, async () => {
      const w = () => tensor(row(0, D * D), [D, D]);
      const found = await slopeOf((l) => snce(l, w()), row(x, D * D), [D, D]);
      near(found.y, [Math.log(D)], 1e-6, "loss");
      const want = row(1 / D / D, D * D).map((p, i) => (i % (D + 1) ? p : p - 1 / D));
      near(found.dx, want, 1e-6, "dl");
    });
  }

test("one that dominates takes all", async () => {
  for (const others of [lowest, -3e38, 0]) {
    const x = [others, others, -lowest, others];
    assert.equal((await slopeOf(softmax, x, [1, 4])).y, [0, 0, 1, 0]);
    assert.is((await slopeOf((l) => crossEntropy(l, tensor([2], [1], "u32")), x, [1, 4])).y[0], 0);
    assert.is((await slopeOf((l) => logSoftmax(l), x, [1, 4])).y[2], 0);
  }
});

for (const way of ["composed", "fused", "long"])
  for (const causal of [false, true])
    test(`attention, ${way}, ${causal ? "causal" : "plain"}: keys that are all far below share equally`, async () => {
      gpu.forced.add(way);
      try {
        const L = 5;
        for (const k of [-1.8e19, -1.84e19]) {
          const values = Array.from({ length: L }, (_, i) => Math.cos(3 * i));
          const { y } = await slopeOf(
            (x) => attention(x, { causal }),
            values.flatMap((v) => [1.84e19, k, v]),
            [1, L, 3],
          );
          const over = (n: number) => values.slice(0, n).reduce((a, v) => a + v, 0) / n;
          near(
            y,
            values.map((_, i) => over(causal ? i + 1 : L)),
            1e-6,
            "y",
          );
        }
      } finally {
        gpu.forced.delete(way);
      }
    });

test("snce: a removed pair far above the others does not hide them", async () => {
  // Without w the maximum of row 0 is 150, against which its only other logit vanishes: log 0.
  const { y } = await slopeOf((l) => snce(l, tensor([0, 1e6, 1e6, 0], [2, 2])), [1, 150, -3, 2], [2, 2]);
  near(y, [0], 1e-6, "loss");
});

/** log Σ exp of a row less its target's logit. */
const nll = (row: readonly number[], target: number) =>
  Math.log(row.reduce((total, v) => total + Math.exp(v), 0)) - row[target];

/** Numbers that choose, as if an op had computed them: the host does not see them. */
function computed(numbers: readonly number[]): Tensor<"u32"> {
  const made = tensor([...numbers], [numbers.length], "u32");
  made.value.host = undefined;
  return made;
}

test("crossEntropy: a class that is none makes loss and row NaN, the ignored one counts nowhere", async () => {
  const rows = [
    [1, 2, 3],
    [0.5, -1, 2],
    [3, 1, 0],
  ];
  const of = (targets: number[], ignore?: number) =>
    slopeOf((l) => crossEntropy(l, computed(targets), { ignore }), rows.flat(), [3, 3]);
  for (const none of [3, -100, 2 ** 32 - 1]) {
    const { y, dx } = await of([0, none, 1]);
    assert.equal(y, [NaN]);
    assert.equal(dx.map(Number.isNaN), [0, 0, 0, 1, 1, 1, 0, 0, 0].map(Boolean));
  }
  const skipped = await of([0, -100, 1], -100);
  near(skipped.y, [(nll(rows[0], 0) + nll(rows[2], 1)) / 2], 1e-6, "loss");
  assert.equal(skipped.dx.slice(3, 6), [0, 0, 0]);
  near((await of([0, 2, 1], -100)).y, [(nll(rows[0], 0) + nll(rows[1], 2) + nll(rows[2], 1)) / 3], 1e-6, "loss");
  near((await of([0, 2, 1], 0)).y, [(nll(rows[1], 2) + nll(rows[2], 1)) / 2], 1e-6, "loss");
  const none = await of([-1, -1, -1], -1);
  assert.equal([none.y, none.dx], [[NaN], row(0, 9)]); // as PyTorch: the mean of nothing, and no gradient
  using scope = new Scope();
  const half = () => crossEntropy(tensor([1, 2], [1, 2]), tensor([0], [1], "u32"), { ignore: 0.5 });
  assert.throws(half, /crossEntropy: ignore is 0.5, expected a class number/);
  const far = () => crossEntropy(tensor([1, 2], [1, 2]), tensor([0], [1], "u32"), { ignore: -(2 ** 32) });
  assert.throws(far, /crossEntropy: ignore is -4294967296, expected a class number/);
  void scope;
});

test("numbers from the host that choose nothing are refused by name", () => {
  using scope = new Scope();
  const logits = () => tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  const classes = (...numbers: number[]) => tensor(numbers, [2], "u32");
  const refused = (f: () => unknown, said: RegExp) =>
    assert.throws(f, (error: Error) => error.name === "ShapeError" && said.test(error.message));
  refused(
    () => crossEntropy(logits(), classes(0, -100)),
    /^crossEntropy: targets\[1\] is -100, which is no class\n {2}expected {2}0 to 2 \(C is 3\)$/,
  );
  refused(() => crossEntropy(logits(), classes(3, 1), { ignore: -100 }), /targets\[0\] is 3[\s\S]*0 to 2 .*, or -100$/);
  refused(() => crossEntropy(logits(), tensor(new Uint32Array([0, 7]), [2], "u32")), /targets\[1\] is 7/);
  refused(
    () => embedding(logits(), classes(1, 2)),
    /^embedding: ids\[1\] is 2, which is no row of the table\n.*0 to 1 /,
  );
  refused(
    () => rowGather(tensor([1, 2], [2, 1, 1]), classes(0, 1)),
    /^rowGather: index\[1\] is 1, which is no token\n/,
  );
  crossEntropy(logits(), classes(-100, 2), { ignore: -100 });
  void scope;
});

test("an id beyond the table, an index beyond the row: NaN, and no gradient", async () => {
  for (const D of [3, 4])
    for (const beyond of [2, 5, -1]) {
      const table = Array.from({ length: 2 * D }, (_, i) => i + 1);
      const a = await slopeOf((t) => embedding(t, computed([1, beyond])), table, [2, D]);
      assert.equal(a.y, [...table.slice(D), ...row(NaN, D)]);
      assert.equal(a.dx, [...row(0, D), ...row(1, D)]);
      const b = await slopeOf((x) => rowGather(x, computed([beyond])), table, [1, 2, D]);
      assert.equal(b.y, row(NaN, D));
      assert.equal(b.dx, row(0, 2 * D));
    }
});

test("embedding: the gradient of 50,000 ids of a large table", async () => {
  const [V, N] = [49408, 50_000];
  const ids = Uint32Array.from({ length: N }, (_, i) => (i % 77 < 12 ? Math.imul(i + 1, 2654435761) >>> 0 : 0) % V);
  const dy = Float64Array.from({ length: N }, (_, i) => (i % 5) + 1);
  const want = new Float64Array(V);
  for (const [i, id] of ids.entries()) want[id] += dy[i];
  const { dx } = await slopeOf((t) => embedding(t, tensor(ids, [N], "u32")), new Array(V).fill(0), [V, 1], [...dy]);
  assert.equal(dx, [...want]); // whole numbers: every sum is exact
});

test.run();
