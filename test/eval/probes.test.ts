// The probes against scikit-learn's converged coefficients, and against the conditions that define an optimum.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../data/philox.ts";
import { HealthError, ShapeError, UsageError } from "../../engine/errors.ts";
import { centredColumns, cholesky, gram, solveCholesky, symmetricEigen } from "../../eval/probes/linear-algebra.ts";
import { type Matrix, matrix, normalizeRows } from "../../eval/matrix.ts";
import {
  decide,
  fitOneVsRest,
  fitRidge,
  fitSoftmax,
  type LinearModel,
  oneVsRestScores,
  predictClasses,
  softmaxScores,
} from "../../eval/probes/probes.ts";
import { deviation, golden, goldenJson, manifest, tolerance } from "../kit/golden.ts";

const FILE = "metrics/metrics.safetensors";
const tensors = golden(`emotionclip/${FILE}`);
const tensor = (name: string) => tensors.get(name)!;
const stated = manifest();

/** The manifest's tolerance, 1e-6: the probes stop at a gradient of 1e-8, and the penalty's curvature is at least 1. */
function near(got: ArrayLike<number>, name: string): void {
  const want = tensor(name).data;
  const { share, at } = deviation(got, want, tolerance(stated, FILE, name));
  assert.ok(share <= 1, `${name}[${at}]: ${got[at]} instead of ${want[at]}, ${share} times the tolerance`);
}

const expected = goldenJson<{ objective: Record<string, number[]>; multinomial: { objective: number } }>(
  "emotionclip/metrics/metrics.json",
);

for (const C of [2.5, 3.16, 10])
  test(`one-vs-rest: coefficients and probabilities are scikit-learn's optimum at C = ${C}`, () => {
    const model = fitOneVsRest(tensor("X_train"), tensor("Y_train"), { C });
    near(model.weights.data, `C${C}.coef`);
    near(model.intercepts, `C${C}.intercept`);
    near(oneVsRestScores(model, tensor("X_test")).data, `C${C}.proba`);
    expected.objective[`C${C}`].forEach((want, k) => {
      assert.ok(
        Math.abs(model.objective[k] / want - 1) < 1e-12,
        `objective ${k}: ${model.objective[k]} instead of ${want}`,
      );
    });
  });

test("one-vs-rest: a column that is all 0 or all 1 in training scores 0 or 1, the others as without it", () => {
  const Y = tensor("Y_train");
  const data = Y.data.map((v, i) => (i % 6 === 0 ? 0 : i % 6 === 1 ? 1 : v));
  const model = fitOneVsRest(tensor("X_train"), { shape: Y.shape, data }, { C: 2.5 });
  const scores = oneVsRestScores(model, tensor("X_test"));
  near(scores.data, "constant_columns.proba");
  assert.equal([scores.data[0], scores.data[1]], [0, 1]);
  const alone = fitOneVsRest(tensor("X_train"), matrix(160, 1, new Float32Array(160)), { C: 2.5 });
  assert.equal(new Set(oneVsRestScores(alone, tensor("X_test")).data), new Set([0]));
});

test("softmax: coefficients and probabilities are scikit-learn's optimum", () => {
  const model = fitSoftmax(tensor("multi.X_train"), tensor("multi.y_train").data, { C: 8 });
  near(model.weights.data, "multi.C8.coef");
  near(model.intercepts, "multi.C8.intercept");
  near(softmaxScores(model, tensor("multi.X_test")).data, "multi.C8.proba");
  assert.ok(Math.abs(model.objective[0] / expected.multinomial.objective - 1) < 1e-12);
});

test("softmax: two classes at half of C are scikit-learn's binary problem", () => {
  const x = matrix(
    12,
    3,
    Float64Array.from({ length: 36 }, (_, i) => Math.sin(5 + i * i)),
  );
  const { weights, intercepts, classes } = fitSoftmax(x, [3, 7, 7, 3, 7, 3, 3, 3, 7, 7, 3, 7], { C: 4 });
  assert.equal([...classes], [3, 7]);
  // scikit-learn 1.9.1, LogisticRegression(C=8, tol=1e-13)
  const want = [0.12364646, 0.43794307, -0.63246374, -0.02571337];
  const found = [0, 1, 2].map((j) => weights.data[3 + j] - weights.data[j]);
  for (const [j, w] of [...found, intercepts[1] - intercepts[0]].entries())
    assert.ok(Math.abs(w - want[j]) < 1e-7, `coefficient ${j}: ${w} instead of ${want[j]}`);
});

test("ridge: coefficients and predictions are scikit-learn's", () => {
  const model = fitRidge(tensor("ridge.X_train"), tensor("ridge.Y_train"), { alpha: 1 });
  near(model.weights.data, "ridge.coef");
  near(model.intercepts, "ridge.intercept");
  near(decide(model, tensor("ridge.X_test")).data, "ridge.pred");
});

/** Normal features with a common mean, multi-hot labels and classes that depend on them. */
function draw(seed: number, n: number, d: number, classes: number): { x: Matrix; y: Matrix; labels: Int32Array } {
  const random = new Random(seed, "probe");
  const x = Float32Array.from({ length: n * d }, (_, i) => random.normal() + (i % d));
  const y = Float32Array.from({ length: n * classes }, (_, i) => {
    const row = Math.floor(i / classes);
    return random.chance(1 / (1 + Math.exp(2 - x[row * d + ((i % classes) % d)]))) ? 1 : 0;
  });
  const labels = Int32Array.from({ length: n }, () => 3 * random.below(classes) - 2);
  return { x: matrix(n, d, x), y: matrix(n, classes, y), labels };
}

/** The gradient of the objective, written down from its definition: r is ∂loss/∂f. */
function gradient(model: LinearModel, x: Matrix, r: (i: number, k: number) => number, C: number): number {
  const [n, d] = x.shape;
  const K = model.intercepts.length;
  let largest = 0;
  for (let k = 0; k < K; k++) {
    if (!Number.isFinite(model.intercepts[k])) continue;
    let b = 0;
    const g = model.weights.data.slice(k * d, (k + 1) * d);
    for (let i = 0; i < n; i++) {
      b += C * r(i, k);
      for (let j = 0; j < d; j++) g[j] += C * r(i, k) * x.data[i * d + j];
    }
    for (const v of [b, ...g]) largest = Math.max(largest, Math.abs(v));
  }
  return largest;
}

const problems = fc.record({
  seed: fc.nat(1e6),
  n: fc.integer({ min: 2, max: 60 }),
  d: fc.integer({ min: 1, max: 13 }),
  classes: fc.integer({ min: 1, max: 5 }),
  C: fc.constantFrom(0.01, 2.5, 10, 1000),
});
const options = { seed: 2022, numRuns: 150, includeErrorInReport: true };

test("one-vs-rest: the gradient of the definition is at most 1e-6 at what is found, also with more columns than rows", () => {
  fc.assert(
    fc.property(problems, ({ seed, n, d, classes, C }) => {
      const { x, y } = draw(seed, n, d, classes);
      const model = fitOneVsRest(x, y, { C });
      const p = oneVsRestScores(model, x).data;
      const found = gradient(model, x, (i, k) => p[i * classes + k] - y.data[i * classes + k], C);
      assert.ok(found <= 1e-6, `gradient ${found}`);
    }),
    options,
  );
});

test("softmax: the gradient of the definition is at most 1e-6 at what is found, one-sample classes included", () => {
  fc.assert(
    fc.property(problems, ({ seed, n, d, classes, C }) => {
      const { x, labels } = draw(seed, n, d, classes + 1);
      labels[0] = 99; // a class of one sample
      const model = fitSoftmax(x, labels, { C });
      const K = model.classes.length;
      const p = softmaxScores(model, x).data;
      const r = (i: number, k: number) => p[i * K + k] - (labels[i] === model.classes[k] ? 1 : 0);
      const found = gradient(model, x, r, C);
      assert.ok(found <= 1e-6, `gradient ${found}`);
      assert.ok(Math.abs(model.intercepts.reduce((sum, b) => sum + b, 0)) < 1e-9);
    }),
    { ...options, examples: [[{ seed: 1, n: 2, d: 1, classes: 1, C: 1000 }]] },
  );
});

test("ridge: what is left is orthogonal to the features up to the penalty, and sums to zero", () => {
  fc.assert(
    fc.property(problems, fc.constantFrom(1e-3, 1, 50), ({ seed, n, d, classes }, alpha) => {
      const { x, y } = draw(seed, n, d, classes);
      const model = fitRidge(x, y, { alpha });
      const f = decide(model, x).data;
      for (let t = 0; t < classes; t++) {
        const left = Float64Array.from({ length: n }, (_, i) => y.data[i * classes + t] - f[i * classes + t]);
        // Sums of up to 60 products of values up to 20: 1e-8 is a million roundings.
        assert.ok(Math.abs(left.reduce((sum, v) => sum + v, 0)) < 1e-8);
        for (let j = 0; j < d; j++) {
          const along = left.reduce((sum, v, i) => sum + v * x.data[i * d + j], 0);
          assert.ok(Math.abs(along - alpha * model.weights.data[t * d + j]) < 1e-8);
        }
      }
    }),
    options,
  );
});

test("constant features get no weight, and change nothing", () => {
  const { x, y, labels } = draw(5, 50, 3, 2);
  const wide = matrix(
    50,
    5,
    Float32Array.from({ length: 250 }, (_, i) => (i % 5 < 3 ? x.data[Math.floor(i / 5) * 3 + (i % 5)] : i % 5)),
  );
  const pairs: [LinearModel, LinearModel][] = [
    [fitOneVsRest(x, y, { C: 3.16 }), fitOneVsRest(wide, y, { C: 3.16 })],
    [fitSoftmax(x, labels, { C: 8 }), fitSoftmax(wide, labels, { C: 8 })],
    [fitRidge(x, y, { alpha: 1 }), fitRidge(wide, y, { alpha: 1 })],
  ];
  for (const [narrow, broad] of pairs) {
    broad.weights.data.forEach((w, i) => {
      const want = i % 5 < 3 ? narrow.weights.data[Math.floor(i / 5) * 3 + (i % 5)] : 0;
      assert.ok(Math.abs(w - want) < 1e-7, `weight ${i}: ${w} instead of ${want}`); // both stop at a gradient of 1e-8
    });
  }
});

test("features without any variation leave the share of positives as the score", () => {
  const y = matrix(5, 1, Float32Array.of(1, 0, 0, 1, 0));
  const scores = oneVsRestScores(
    fitOneVsRest(matrix(5, 2, new Float32Array(10).fill(7)), y, { C: 10 }),
    matrix(1, 2, new Float32Array(2)),
  );
  assert.ok(Math.abs(scores.data[0] - 0.4) < 1e-8);
});

test("classes far apart are solved to the optimum too", () => {
  const x = matrix(
    40,
    2,
    Float64Array.from({ length: 80 }, (_, i) => (i < 40 ? -100 : 100) + Math.sin(i)),
  );
  const y = matrix(
    40,
    1,
    Float64Array.from({ length: 40 }, (_, i) => (i < 20 ? 0 : 1)),
  );
  const model = fitOneVsRest(x, y, { C: 100 });
  const p = oneVsRestScores(model, x).data;
  const found = gradient(model, x, (i) => p[i] - y.data[i], 100);
  assert.ok(found <= 1e-6, `gradient ${found}`);
});

test("features far from zero are solved to the optimum of the features as they are", () => {
  for (let seed = 0; seed < 10; seed++) {
    const { x, y } = draw(seed, 60, 4, 3);
    const far = matrix(
      60,
      4,
      Float64Array.from(x.data, (v) => v + 1000),
    );
    const model = fitOneVsRest(far, y, { C: 10 });
    const p = oneVsRestScores(model, far).data;
    const found = gradient(model, far, (i, k) => p[i * 3 + k] - y.data[i * 3 + k], 10);
    assert.ok(found <= 1e-6, `gradient ${found}`);
  }
});

/** Independent check of an optimum where rounding alone makes gradients of thousands: what C Σ r x loses in f64. */
const roundingOf = (x: Matrix, C: number) =>
  1e-13 * C * x.shape[0] * Float64Array.from(x.data).reduce((most, v) => Math.max(most, Math.abs(v)), 1);

test("features of very different size, and hardly any penalty, are solved to the optimum too", () => {
  for (const [size, C] of [
    [1, 1e4],
    [100, 10],
    [1e4, 3.16],
  ])
    for (let seed = 0; seed < 12; seed++) {
      const drawn = draw(seed, 8 + 3 * seed, 1 + (seed % 7), 3);
      const [n, d] = drawn.x.shape;
      const x = matrix(
        n,
        d,
        Float64Array.from(drawn.x.data, (v, i) => v * size * 10 ** (2 * ((i % d) % 3) - 2)),
      );
      const separate = fitOneVsRest(x, drawn.y, { C });
      const p = oneVsRestScores(separate, x).data;
      const found = gradient(separate, x, (i, k) => p[i * 3 + k] - drawn.y.data[i * 3 + k], C);
      assert.ok(found <= Math.max(1e-6, roundingOf(x, C)), `size ${size}, seed ${seed}: gradient ${found}`);
      const softmax = fitSoftmax(x, drawn.labels, { C });
      const K = softmax.classes.length;
      const q = softmaxScores(softmax, x).data;
      const r = (i: number, k: number) => q[i * K + k] - (drawn.labels[i] === softmax.classes[k] ? 1 : 0);
      const left = gradient(softmax, x, r, C);
      assert.ok(left <= Math.max(1e-6, roundingOf(x, C)), `size ${size}, seed ${seed}: gradient ${left}`);
    }
});

test("features s times as large want weights s times as small at a C that is s² times as small", () => {
  for (const s of [1e-4, 30, 1e3]) {
    const { x, y, labels } = draw(21, 60, 5, 3);
    const scaled = matrix(
      60,
      5,
      Float64Array.from(x.data, (v) => v * s),
    );
    const C = 3.16;
    const pairs: [LinearModel, LinearModel][] = [
      [fitOneVsRest(x, y, { C }), fitOneVsRest(scaled, y, { C: C / s ** 2 })],
      [fitSoftmax(x, labels, { C }), fitSoftmax(scaled, labels, { C: C / s ** 2 })],
    ];
    for (const [plain, other] of pairs)
      plain.weights.data.forEach((w, i) => {
        // a gradient of 1e-8 allows an error of 1e-8 s of the scaled weights
        assert.ok(Math.abs(w - other.weights.data[i] * s) < 1e-6 * Math.max(1, s), `weight ${i} at s = ${s}`);
      });
  }
});

test("ridge: columns that repeat each other far above the penalty share their weight", () => {
  const { x, y } = draw(9, 40, 2, 2);
  const twice = matrix(
    40,
    4,
    Float64Array.from({ length: 160 }, (_, i) => 1e8 * x.data[2 * Math.floor(i / 4) + (i % 2)]),
  );
  const model = fitRidge(twice, y, { alpha: 1 });
  const plain = fitRidge(x, y, { alpha: 1e-16 });
  model.weights.data.forEach((w, i) => {
    const want = plain.weights.data[2 * Math.floor(i / 4) + (i % 2)] / 2e8;
    assert.ok(Math.abs(w / want - 1) < 1e-6, `weight ${i}: ${w} instead of ${want}`);
  });
});

/** Features of size 10^4 that take no file: row-major x_i = 10^4 sin(s + i²). */
const large = (n: number, d: number, s: number): Matrix =>
  matrix(
    n,
    d,
    Float64Array.from({ length: n * d }, (_, i) => 1e4 * Math.sin(s + i * i)),
  );

test("ridge: a penalty far below what XᵀX keeps of its digits still gives scikit-learn's intercept and weights", () => {
  const y = Float64Array.from({ length: 8 }, (_, i) => Math.cos(i));
  const model = fitRidge(large(8, 12, 11), matrix(8, 1, y), { alpha: 1e-4 });
  // scikit-learn 1.9.1, Ridge(alpha=1e-4), solvers svd and cholesky; one solution with XᵀX gives 0.36437531
  assert.ok(Math.abs(model.intercepts[0] - 0.36496313434137) < 1e-9, `intercept ${model.intercepts[0]}`);
  for (const [j, want] of [-5.71436286e-5, 1.64384419e-6, 1.66102386e-5].entries())
    assert.ok(Math.abs(model.weights.data[j] - want) < 1e-11, `weight ${j}: ${model.weights.data[j]}`);
});

test("one-vs-rest: the intercept is right where features are large and the data weigh much", () => {
  const x = large(10, 15, 32);
  const y = Float64Array.from({ length: 10 }, (_, i) => (x.data[15 * i] > 0 ? 1 : 0));
  const model = fitOneVsRest(x, matrix(10, 1, y), { C: 1e4 });
  // Newton's method in NumPy on centred features. A gradient of 8e-6 is rounding here, and its intercept 9.1158;
  // scikit-learn 1.9.1 does not converge, its features not being centred.
  assert.ok(Math.abs(model.intercepts[0] - 9.06182572) < 1e-6, `intercept ${model.intercepts[0]}`);
});

test("columns and rows that repeat each other are no obstacle", () => {
  const { x, y, labels } = draw(4, 12, 3, 2);
  const row = (i: number) => 3 * (Math.floor(i / 6) % 12) + (i % 3);
  const many = matrix(
    36,
    6,
    Float64Array.from({ length: 216 }, (_, i) => x.data[row(i)]),
  );
  const repeated = (values: ArrayLike<number>, columns: number) =>
    Float64Array.from({ length: 36 * columns }, (_, i) => values[i % (12 * columns)]);
  const plain = fitOneVsRest(x, y, { C: 6 });
  // Three times the rows are three times C; a weight shared by two equal columns is penalised half: C = 6 in all.
  const wide = fitOneVsRest(many, matrix(36, 2, repeated(y.data, 2)), { C: 1 });
  wide.weights.data.forEach((w, i) => {
    assert.ok(Math.abs(2 * w - plain.weights.data[3 * Math.floor(i / 6) + (i % 3)]) < 1e-6, `weight ${i}`);
  });
  const classes = fitSoftmax(many, repeated(labels, 1), { C: 1 });
  const alone = fitSoftmax(x, labels, { C: 6 });
  classes.weights.data.forEach((w, i) => {
    assert.ok(Math.abs(2 * w - alone.weights.data[3 * Math.floor(i / 6) + (i % 3)]) < 1e-6, `weight ${i}`);
  });
});

test("the same data give the same bits, and a start at the optimum stays there", () => {
  const { x, y, labels } = draw(11, 200, 8, 4);
  const model = fitOneVsRest(x, y, { C: 3.16 });
  assert.equal(fitOneVsRest(x, y, { C: 3.16 }), model);
  const again = fitOneVsRest(x, y, { C: 3.16, start: model });
  assert.ok(Math.max(...again.iterations) <= 1 && Math.max(...model.iterations) > 2);
  // A warm start towards another C ends where a cold one does.
  const warm = fitOneVsRest(x, y, { C: 10, start: model });
  const cold = fitOneVsRest(x, y, { C: 10 });
  warm.weights.data.forEach((w, i) => {
    assert.ok(Math.abs(w - cold.weights.data[i]) < 1e-7);
  });
  const softmax = fitSoftmax(x, labels, { C: 8 });
  assert.ok(fitSoftmax(x, labels, { C: 8, start: softmax }).iterations[0] <= 1);
});

test("softmax: the columns are the sorted labels of training, whatever their numbers", () => {
  const x = matrix(6, 1, Float64Array.of(-5, -4, 0, 1, 8, 9));
  const model = fitSoftmax(x, [40, 40, -3, -3, 7, 7], { C: 100 });
  assert.equal(Array.from(model.classes), [-3, 7, 40]);
  assert.equal(Array.from(predictClasses(model, x)), [40, 40, -3, -3, 7, 7]);
});

test("probes refuse other numbers of rows, values that are not finite, labels that are none, one class, C of 0", () => {
  const { x, y, labels } = draw(3, 10, 2, 2);
  const bad = matrix(
    10,
    2,
    x.data.map((v, i) => (i === 7 ? Number.NaN : v)),
  );
  const is = (Kind: new (text: string) => Error) => (e: Error) => e instanceof Kind;
  assert.throws(() => fitOneVsRest(x, matrix(9, 2, y.data.slice(0, 18)), { C: 1 }), is(ShapeError));
  assert.throws(() => fitOneVsRest(bad, y, { C: 1 }), is(HealthError));
  assert.throws(
    () =>
      fitOneVsRest(
        x,
        matrix(
          10,
          2,
          y.data.map((v) => v / 2 + 0.25),
        ),
        { C: 1 },
      ),
    is(HealthError),
  );
  assert.throws(() => fitOneVsRest(x, y, { C: 0 }), is(UsageError));
  assert.throws(() => fitSoftmax(x, new Int32Array(10), { C: 1 }), is(UsageError));
  assert.throws(() => fitSoftmax(x, labels.slice(1), { C: 1 }), is(ShapeError));
  assert.throws(() => fitRidge(x, y, { alpha: 0 }), is(UsageError));
  assert.throws(() => decide(fitRidge(x, y, { alpha: 1 }), matrix(5, 4, new Float32Array(20))), is(ShapeError));
  assert.throws(() => fitRidge(bad, y, { alpha: 1 }), is(HealthError));
  assert.is(fitOneVsRest(x, y, { C: 1 }).intercepts.length, 2);
});

test("normalised rows have length one, and rows of zeros stay", () => {
  const rows = normalizeRows(matrix(3, 2, Float32Array.of(3, 4, 0, 0, -2, 0)));
  assert.equal(Array.from(rows.data), [0.6, 0.8, 0, 0, -1, 0]);
});

test("the factorisations give back the matrix, and eigenvectors are orthogonal", () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 150 }), fc.integer({ min: 1, max: 9 }), (seed, n, d) => {
      const random = new Random(seed, "algebra");
      const { x } = centredColumns(
        Float64Array.from({ length: n * d }, () => random.normal()),
        n,
        d,
      );
      const g = gram(x);
      const b = Float64Array.from({ length: d }, () => random.normal());
      const solved = Float64Array.from(b);
      solveCholesky(cholesky(g, d, 1, 2), d, solved);
      const { values, vectors } = symmetricEigen(g, d);
      for (let i = 0; i < d; i++) {
        let [back, eigen] = [solved[i], 0];
        for (let j = 0; j < d; j++) {
          let [dots, whole] = [0, 0];
          for (let r = 0; r < n; r++) whole += x.data[r * d + i] * x.data[r * d + j];
          assert.ok(Math.abs(whole - g[i * d + j]) < 1e-9);
          back += 2 * g[i * d + j] * solved[j];
          for (let k = 0; k < d; k++) dots += vectors[k * d + i] * vectors[k * d + j];
          assert.ok(Math.abs(dots - (i === j ? 1 : 0)) < 1e-12);
          eigen += vectors[i * d + j] ** 2 * values[j];
        }
        assert.ok(Math.abs(back - b[i]) < 1e-9 && Math.abs(eigen - g[i * d + i]) < 1e-9);
      }
    }),
    options,
  );
});

test.run();
