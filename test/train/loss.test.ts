// The loss as training calls it, against Eq. 5 to 7 written out in f64: β, the form of the divergence, both directions, the scale.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, parameter, Scope, tensor } from "../../engine/index.ts";
import { normalize } from "../../kernels/index.ts";
import { contrast, type LossSettings, sentimentContrast } from "../../train/loss.ts";
import { gaussian, sharedGpu, uniform } from "../kernels/derive.ts";

await sharedGpu();

const [B, E, Q] = [6, 5, 7];
const noise = (n: number, seed: number) => {
  const random = uniform(seed);
  return Float32Array.from({ length: n }, () => gaussian(random));
};
const unit = (x: Float32Array) =>
  rows(x, E).map((row) => {
    const length = Math.hypot(...row);
    return row.map((v) => v / length);
  });
const rows = (x: Float32Array, width: number) =>
  Array.from({ length: x.length / width }, (_, i) => Array.from(x.subarray(i * width, (i + 1) * width)));
const softmax = (row: readonly number[]) => {
  const e = row.map((v) => Math.exp(v - Math.max(...row)));
  const sum = e.reduce((a, b) => a + b);
  return e.map((v) => v / sum);
};
const divergence = (p: readonly number[], q: readonly number[]) =>
  p.reduce((sum, v, k) => sum + v * Math.log(v / q[k]), 0);

/** Eq. 5-7: the mean over both directions of −log(exp(l_ii) / Σ_j exp(l_ij − w_ij)), w_ij = β / KL. */
function reference(
  v: number[][],
  t: number[][],
  s: number[][],
  scale: number,
  { beta, form }: LossSettings,
  texts: ArrayLike<number> = s.map((_, i) => i),
): number {
  const p = s.map(softmax);
  const l = v.map((row) => t.map((column) => scale * row.reduce((sum, x, e) => sum + x * column[e], 0)));
  const kl = (i: number, j: number) => (form === "paper" ? divergence(p[i], p[j]) : divergence(p[j], p[i]));
  const isRemoved = (i: number, j: number) => i !== j && texts[i] === texts[j];
  const w = (i: number, j: number) =>
    isRemoved(i, j) ? Number.POSITIVE_INFINITY : i === j || beta === 0 ? 0 : beta / kl(i, j);
  let sum = 0;
  for (let i = 0; i < B; i++)
    for (const of of [(j: number) => l[i][j], (j: number) => l[j][i]])
      sum += Math.log(Array.from({ length: B }, (_, j) => Math.exp(of(j) - w(i, j))).reduce((a, b) => a + b)) - of(i);
  return sum / (2 * B);
}

const [v, t, s] = [noise(B * E, 1), noise(B * E, 2), noise(B * Q, 3)];
for (const form of ["code", "paper"] as const)
  for (const beta of [0, 0.1, 1, 10])
    test(`SNCE at β = ${beta}, divergence as in the ${form}`, async () => {
      using scope = new Scope();
      void scope;
      const logScale = 0.7;
      const loss = sentimentContrast(
        normalize(tensor(v, [B, E])),
        normalize(tensor(t, [B, E])),
        tensor(s, [B, Q]),
        parameter([logScale], []),
        { beta, form },
      );
      const want = reference(unit(v), unit(t), rows(s, Q), Math.exp(logScale), { beta, form });
      const got = await loss.item();
      assert.ok(Math.abs(got - want) <= 2e-6 * Math.max(1, want), `got ${got}, expected ${want}`);
    });

test("SNCE with numbered texts is that of equal texts removed from the denominator", async () => {
  const texts = Uint32Array.of(4, 7, 4, 9, 7, 7);
  const settings = { beta: 1, form: "code" } as const;
  const want = reference(unit(v), unit(t), rows(s, Q), Math.exp(0.7), settings, texts);
  const [got] = await compute(() =>
    sentimentContrast(
      normalize(tensor(v, [B, E])),
      normalize(tensor(t, [B, E])),
      tensor(s, [B, Q]),
      tensor([0.7], []),
      settings,
      tensor(texts, [B], "u32"),
    ),
  );
  assert.ok(Math.abs(got - want) <= 2e-6 * Math.max(1, want), `got ${got}, expected ${want}`);
});

test("contrast is InfoNCE in both directions; pairs of one text are not each other's negatives where that is asked", async () => {
  const [x, y, scale] = [noise(B * E, 21), noise(B * E, 22), 1.3];
  const [v, t] = [unit(x), unit(y)];
  const texts = Uint32Array.of(4, 7, 4, 9, 7, 7);
  const l = v.map((row) => t.map((column) => Math.exp(scale) * row.reduce((sum, a, e) => sum + a * column[e], 0)));
  for (const masked of [false, true]) {
    const counts = (i: number, j: number) => !masked || i === j || texts[i] !== texts[j];
    let want = 0;
    for (let i = 0; i < B; i++)
      for (const of of [(j: number) => l[i][j], (j: number) => l[j][i]]) {
        const negatives = Array.from({ length: B }, (_, j) => (counts(i, j) ? Math.exp(of(j)) : 0));
        want += (Math.log(negatives.reduce((a, b) => a + b)) - of(i)) / (2 * B);
      }
    const [got] = await compute(() =>
      contrast(
        normalize(tensor(x, [B, E])),
        normalize(tensor(y, [B, E])),
        tensor([scale], []),
        masked ? tensor(texts, [B], "u32") : undefined,
      ),
    );
    assert.ok(Math.abs(got - want) < 1e-5, `${masked}: ${got}, expected ${want}`);
  }
});

test.run();
