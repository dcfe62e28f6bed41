// Savitzky–Golay against scipy's values, and what the definition promises.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { HealthError, ShapeError } from "../../engine/errors.ts";
import { savgol, savgolWeights, smooth } from "../../eval/probes/savgol.ts";
import { deviation, golden, goldenJson, manifest, tolerance } from "../kit/golden.ts";

const FILE = "metrics/metrics.safetensors";
const tensors = golden(`emotionclip/${FILE}`);
const cases = goldenJson<{ savgol: { length: number; window: number; poly: number }[] }>(
  "emotionclip/metrics/metrics.json",
);

function near(got: ArrayLike<number>, name: string): void {
  const { share, at } = deviation(got, tensors.get(name)!.data, tolerance(manifest(), FILE, name));
  assert.ok(
    share <= 1,
    `${name}[${at}]: ${got[at]} is ${share} times the tolerance from ${tensors.get(name)!.data[at]}`,
  );
}

for (const [i, { length, window, poly }] of cases.savgol.entries())
  test(`savgol: scipy's values for ${length} samples, window ${window}, order ${poly}`, () => {
    near(savgol(tensors.get(`savgol${i}.in`)!.data, { window, order: poly }), `savgol${i}.out`);
    // scipy's coefficients are for a convolution, which runs through the window backwards.
    near(savgolWeights(window, poly, (window - 1) / 2).reverse(), `savgol${i}.coeffs`);
  });

const filters = fc
  .tuple(fc.integer({ min: 2, max: 120 }), fc.nat(4), fc.nat(60))
  .map(([window, order, more]) => ({ window, order: Math.min(order, window - 1), length: window + more }));

// The weights sum products of orthogonal polynomials up to order 4; 1e-9 leaves room for a hundred roundings of values up to 1e3.
test("savgol: a polynomial of the filter's order is kept, half a sample late inside if the window is even", () => {
  fc.assert(
    fc.property(filters, fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 5, maxLength: 5 }), (f, c) => {
      const value = (i: number) => c.slice(0, f.order + 1).reduce((sum, a, k) => sum + a * (i / f.length) ** k, 0);
      const out = savgol(
        Float64Array.from({ length: f.length }, (_, i) => value(i)),
        f,
      );
      const half = Math.floor(f.window / 2);
      const late = f.window % 2 === 0 ? 0.5 : 0;
      for (let i = 0; i < f.length; i++) {
        const edge = i < half || i >= f.length - half;
        assert.ok(Math.abs(out[i] - value(edge ? i : i + late)) < 1e-9, `${i} of ${f.length}: ${out[i]}`);
      }
    }),
    { seed: 2022, numRuns: 200, includeErrorInReport: true },
  );
});

test("savgol: a window of 1 and order 0 changes nothing", () => {
  assert.equal(savgol([3, 1, 2], { window: 1, order: 0 }), Float64Array.of(3, 1, 2));
});

test("savgol: a series shorter than the window is refused, one as long is not", () => {
  const refused = (e: Error) =>
    e instanceof HealthError && e.message === "savgol: the series has 99 samples, but the window 100";
  assert.throws(() => savgol(new Float64Array(99), { window: 100, order: 3 }), refused);
  assert.is(savgol(new Float64Array(100), { window: 100, order: 3 }).length, 100);
});

test("savgol: an order as large as the window is refused", () => {
  assert.throws(
    () => savgol(new Float64Array(9), { window: 3, order: 3 }),
    (e: Error) => e instanceof ShapeError,
  );
  assert.equal(savgol([1, 5, 2], { window: 3, order: 2 }).map(Math.round), Float64Array.of(1, 5, 2));
});

test("smooth: compat smooths across movies, perMovie inside each", () => {
  const { data } = tensors.get("savgol0.in")!;
  const lengths = [120, 0, 100, 30, 2, 1, 7];
  assert.equal(smooth(data, lengths), savgol(data, { window: 100, order: 3 }));
  const each = smooth(data, lengths, "perMovie");
  assert.equal(each.slice(0, 120), savgol(data.slice(0, 120), { window: 100, order: 3 }));
  assert.equal(each.slice(220, 250), savgol(data.slice(220, 250), { window: 30, order: 3 }));
  // Movies no longer than the order plus one are fitted exactly; 1e-12 is rounding.
  for (let i = 250; i < 253; i++) assert.ok(Math.abs(each[i] - data[i]) < 1e-12);
});

test("smooth: movies that do not add up to the series are refused", () => {
  assert.throws(() => smooth(new Float64Array(200), [100, 99]), /the movies have 199 samples, but the series 200/);
  assert.is(smooth(new Float64Array(200), [100, 100]).length, 200);
});

test.run();
