// Attention at the token counts of the model, and what its masks promise.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, Scope, ShapeError, tensor } from "../../engine/index.ts";
import { attention, saam, subjectAttention } from "../../kernels/index.ts";
import { gaussian, uniform } from "./derive.ts";
import { openTestGpu } from "../kit/gpu.ts";

const gpu = await openTestGpu();

const draw = (numel: number, seed: number): Float32Array => {
  const random = uniform(seed);
  return Float32Array.from({ length: numel }, () => gaussian(random));
};
const furthest = (got: ArrayLike<number>, want: ArrayLike<number>): number =>
  Array.from(want).reduce((worst, v, i) => Math.max(worst, Math.abs(got[i] - v)), 0);
/** f32 rounding of sums of up to 197 products of a few units, with ample room. */
const close = 5e-6;

for (const [L, heads, K] of [
  [1, 1, 64],
  [2, 12, 16],
  [7, 3, 20],
  [51, 2, 64],
  [77, 1, 64],
  [197, 1, 32],
])
  for (const causal of [false, true])
    for (const way of ["composed", "fused"])
      test(`${way} attention of ${L} tokens, ${heads} x ${K}${causal ? ", causal" : ""}, is its reference`, async () => {
        const C = 3 * heads * K;
        const qkv = draw(L * C, L);
        gpu.forced.add(way);
        try {
          const y = await compute(() => attention(tensor(qkv, [1, L, C]), { heads, causal }));
          const sizes = { B: 1, L, C, D: C / 3, H: heads, K };
          const want = attention.ref({ qkv: Float64Array.from(qkv) }, sizes, { heads, causal }).y;
          assert.ok(furthest(y, want) < close, `off by ${furthest(y, want)}`);
        } finally {
          gpu.forced.delete(way);
        }
      });

test("causal attention: the first token attends to itself alone, and later tokens change nothing before them", async () => {
  const [L, heads, C] = [51, 2, 48];
  const qkv = draw(L * C, 1);
  const changed = qkv.map((v, i) => (i < 20 * C ? v : -3 * v));
  const [a, b] = await compute(() =>
    [qkv, changed].map((data) => attention(tensor(data, [1, L, C]), { heads, causal: true })),
  );
  assert.ok(furthest(a.subarray(0, C / 3), qkv.subarray((2 * C) / 3, C)) < close);
  assert.equal(a.subarray(0, (20 * C) / 3), b.subarray(0, (20 * C) / 3));
  assert.ok(furthest(a, b) > 0.1);
});

test("saam: with all attention moved, hmn of a frame without a subject reads itself alone", async () => {
  const [L, heads, C] = [11, 2, 24];
  const qkv = draw(L * C, 2);
  const y = await compute(() =>
    saam(tensor(qkv, [1, L, C]), tensor([90], [1]), tensor(new Float32Array(L - 2), [1, L - 2]), { heads }),
  );
  const last = (L - 1) * C;
  assert.ok(furthest(y.subarray(((L - 1) * C) / 3), qkv.subarray(last + (2 * C) / 3, last + C)) < close);
});

test("saam: hmn far below its row's maximum still reads itself (the masked softmax has its own maximum)", async () => {
  const [L, C] = [4, 12];
  const qkv = new Float32Array(L * C);
  for (let token = 0; token < L; token++) {
    qkv[token * C] = 100; // q
    qkv[token * C + 4] = token === L - 1 ? -10 : 10; // k: hmn scores 1000 below the others
    qkv[token * C + 8] = token; // v
  }
  const y = await compute(() =>
    saam(tensor(qkv, [1, L, C]), tensor([90], [1]), tensor(new Float32Array(L - 2), [1, L - 2]), { heads: 1 }),
  );
  assert.is(y[(L - 1) * 4], L - 1);
});

test("saam: with nothing moved it is plain attention, whatever the subject", async () => {
  const [L, heads, C] = [11, 3, 36];
  const qkv = draw(2 * L * C, 3);
  const cover = Float32Array.from({ length: 2 * (L - 2) }, (_, i) => i % 3);
  const [a, b] = await compute(() => {
    const x = tensor(qkv, [2, L, C]);
    const shares = tensor(new Float32Array(heads * L * L), [heads, L, L]);
    return [subjectAttention(x, shares, tensor(cover, [2, L - 2])), attention(x, { heads })];
  });
  assert.ok(furthest(a, b) < close);
});

test("saam: logits of every shape of the specification give the same where they say the same", async () => {
  const [L, heads, C] = [5, 2, 24];
  const qkv = draw(L * C, 4);
  const cover = [0, 0.5, 0];
  const shapes = [[1], [heads], [heads, L], [L, L], [heads, L, L]];
  const all = await compute(() =>
    shapes.map((shape) => {
      const logit = tensor(new Float32Array(shape.reduce((a, b) => a * b)).fill(0.3), shape);
      return saam(tensor(qkv, [1, L, C]), logit, tensor(cover, [1, 3]), { heads });
    }),
  );
  for (const y of all) assert.equal(y, all[0]);
});

/** Whether `body` is refused with a ShapeError that says `text`. */
function refused(body: () => unknown, text: string): void {
  using _ = new Scope();
  assert.throws(body, (error: unknown) => error instanceof ShapeError && error.message.includes(text));
}

test("attention: columns that the heads do not divide are refused; the next count is accepted", async () => {
  refused(() => attention(tensor(new Float32Array(26), [1, 1, 26]), { heads: 3 }), "3 heads do not divide");
  const y = await compute(() => attention(tensor(new Float32Array(27), [1, 1, 27]), { heads: 3 }));
  assert.is(y.length, 9);
});

test("saam: a cover of the wrong length and a logit of no known shape are refused", () => {
  const qkv = () => tensor(new Float32Array(5 * 12), [1, 5, 12]);
  const cover = (patches: number) => tensor(new Float32Array(patches), [1, patches]);
  refused(() => saam(qkv(), tensor([0], [1]), cover(4), { heads: 2 }), "4 patches for 5 tokens");
  refused(() => saam(qkv(), tensor([0, 0, 0], [3]), cover(3), { heads: 2 }), "logit[3]");
  using _ = new Scope();
  assert.equal(saam(qkv(), tensor([0, 0], [2]), cover(3), { heads: 2 }).shape, [1, 5, 4]);
});

test.run();
