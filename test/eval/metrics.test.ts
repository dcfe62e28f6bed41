// Metrics against scikit-learn's values (golden files, and the three-row examples of the definitions), and their corner cases.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../data/philox.ts";
import { HealthError, ShapeError } from "../../engine/errors.ts";
import { bootstrap } from "../../eval/probes/bootstrap.ts";
import { aucOf, countsOf, precisionOf, rankingOf } from "../../eval/probes/ranking.ts";
import { column, matrix, takeRows } from "../../eval/matrix.ts";
import {
  accuracy,
  anyLabelAccuracy,
  averagePrecision,
  averageRecall,
  confusion,
  f1PerLabel,
  macroAveragePrecision,
  macroR2,
  macroRocAuc,
  mse,
  pearson,
  r2,
  retrievalAt,
  rocAuc,
  topK,
  weightedF1,
} from "../../eval/probes/metrics.ts";
import { golden, goldenJson } from "../kit/golden.ts";

interface Expected {
  ties: { AP: number[]; AUC: number[]; mAP: number; mAUC: number; affect2mm_acc: number };
  corner: Record<string, number>;
  "one_vs_rest_metrics_C3.16": { mAP: number; AUC: number; AP: number[]; AUCs: number[]; affect2mm_acc: number };
  multinomial: { weighted_f1: number; acc: number; top2: number; per_class_f1: number[] };
  ridge: { r2_uniform: number; r2: number[]; mse: number[]; pcc: number[] };
}
const expected = goldenJson<Expected>("emotionclip/metrics/metrics.json");
const tensors = golden("emotionclip/metrics/metrics.safetensors");
const tensor = (name: string) => tensors.get(name)!;
const columnOf = (name: string, j: number) => column(tensor(name), j);

/** 1e-9: both sides are f64 sums of at most a few hundred terms in different orders. */
function same(got: number, want: number, what: string, tolerance = 1e-9): void {
  assert.ok(Math.abs(got - want) <= tolerance, `${what}: ${got} instead of ${want}`);
}
const sameAll = (got: ArrayLike<number>, want: number[], what: string, tolerance = 1e-9) => {
  assert.is(got.length, want.length);
  want.forEach((v, i) => {
    same(got[i], v, `${what}[${i}]`, tolerance);
  });
};

test("average precision and AUC agree with scikit-learn on tied scores", () => {
  const ap = macroAveragePrecision(tensor("ties.y"), tensor("ties.score"));
  const auc = macroRocAuc(tensor("ties.y"), tensor("ties.score"));
  sameAll(ap.values, expected.ties.AP, "AP");
  sameAll(auc.values, expected.ties.AUC, "AUC");
  same(ap.mean, expected.ties.mAP, "mAP");
  same(auc.mean, expected.ties.mAUC, "mAUC");
  assert.equal([ap.undefinedClasses, auc.undefinedClasses], [[], []]);
});

test("the golden probabilities give scikit-learn's mAP, AUC and any-label accuracy", () => {
  const want = expected["one_vs_rest_metrics_C3.16"];
  const [y, p] = [tensor("Y_test"), tensor("C3.16.proba")];
  sameAll(macroAveragePrecision(y, p).values, want.AP, "AP");
  sameAll(macroRocAuc(y, p).values, want.AUCs, "AUC");
  // The official code computes this one in f32: half a unit of 95.7 there is 4e-6.
  assert.ok(Math.abs(100 * anyLabelAccuracy(y, p) - want.affect2mm_acc) < 1e-5);
  assert.ok(
    Math.abs(100 * anyLabelAccuracy(tensor("ties.y"), tensor("ties.affect2mm_score")) - expected.ties.affect2mm_acc) <
      1e-5,
  );
});

test("the golden class probabilities give scikit-learn's weighted F1, accuracy and top-2", () => {
  const truth = tensor("multi.y_test").data;
  const p = tensor("multi.C8.proba");
  const classes = Array.from(new Set(tensor("multi.y_train").data)).sort((a, b) => a - b);
  const [n, K] = p.shape;
  const predicted = Array.from({ length: n }, (_, i) => {
    const row = Array.from(p.data.subarray(i * K, (i + 1) * K));
    return classes[row.indexOf(Math.max(...row))];
  });
  same(weightedF1(truth, predicted), expected.multinomial.weighted_f1, "weighted F1");
  same(accuracy(truth, predicted), expected.multinomial.acc, "accuracy");
  sameAll(
    f1PerLabel(truth, predicted).map(({ f1 }) => f1),
    expected.multinomial.per_class_f1,
    "F1",
  );
  same(
    topK(
      Int32Array.from(truth, (label) => classes.indexOf(label)),
      p,
      2,
    ),
    expected.multinomial.top2,
    "top-2",
  );
});

test("the golden ridge predictions give scikit-learn's R², MSE and correlation", () => {
  const [y, p] = [tensor("ridge.Y_test"), tensor("ridge.pred")];
  const found = macroR2(y, p);
  // The file holds the targets rounded to f32, 6e-8 of values around 1; the expected numbers come from those before.
  const rounding = 1e-8;
  same(found.mean, expected.ridge.r2_uniform, "mean R²", rounding);
  sameAll(found.values, expected.ridge.r2, "R²", rounding);
  for (let t = 0; t < 3; t++) {
    const [truth, predicted] = [columnOf("ridge.Y_test", t), columnOf("ridge.pred", t)];
    same(mse(truth, predicted), expected.ridge.mse[t], "MSE", rounding);
    same(pearson(truth, predicted), expected.ridge.pcc[t], "PCC", rounding);
  }
});

test("the undefined cases are scikit-learn's", () => {
  const { corner } = expected;
  const [y, score] = [columnOf("ties.y", 0), columnOf("ties.score", 0)];
  const [none, all] = [new Float64Array(y.length), new Float64Array(y.length).fill(1)];
  assert.is(averagePrecision(none, score), 0);
  assert.is(averagePrecision(all, score), corner.ap_all_positive);
  same(averagePrecision(y, none), corner.ap_constant_score, "AP of a constant score");
  same(rocAuc(y, none), corner.auc_constant_score, "AUC of a constant score");
  assert.ok(Number.isNaN(rocAuc(none, score)) && Number.isNaN(rocAuc(all, score)));
  assert.is(r2([2, 2, 2], [1, 2, 3]), corner.r2_constant_target_imperfect);
  assert.is(r2([2, 2, 2], [2, 2, 2]), corner.r2_constant_target_perfect);
  assert.is(r2([1, 2, 3], [2, 2, 2]), corner.r2_mean_predictor);
  assert.ok(Number.isNaN(r2([1], [1])));
  assert.ok(Number.isNaN(pearson([1, 1, 1], [1, 2, 3])) && Number.isNaN(pearson([1, 2, 3], [0.1, 0.1, 0.1])));
  assert.ok(Number.isNaN(pearson([1], [2])));
});

test("a class without positives counts in the mAP, spoils the AUC, and both list it", () => {
  const [y, score] = [columnOf("ties.y", 0), columnOf("ties.score", 0)];
  const labels = matrix(
    y.length,
    2,
    Float64Array.from({ length: 2 * y.length }, (_, i) => (i % 2 ? 0 : y[i >> 1])),
  );
  const scores = matrix(
    y.length,
    2,
    Float64Array.from({ length: 2 * y.length }, (_, i) => score[i >> 1]),
  );
  const ap = macroAveragePrecision(labels, scores);
  same(ap.mean, expected.corner.map_with_one_empty_class, "mAP");
  same(ap.meanDefined, expected.ties.AP[0], "mAP of the other class");
  assert.equal(ap.undefinedClasses, [1]);
  const auc = macroRocAuc(labels, scores);
  assert.ok(Number.isNaN(auc.mean));
  same(auc.meanDefined, expected.ties.AUC[0], "AUC of the other class");
  assert.equal(auc.undefinedClasses, [1]);
});

test("average precision and AUC of three rows, by hand", () => {
  // Ranked: positive (P = 1, R = 1/2), negative, positive (P = 2/3, R = 1).
  same(averagePrecision([1, 0, 1], [0.9, 0.5, 0.1]), 0.5 + 0.5 * (2 / 3), "AP");
  same(rocAuc([1, 0, 1], [0.9, 0.5, 0.1]), 0.5, "AUC");
  same(rocAuc([1, 0, 0], [0.5, 0.5, 0.1]), 0.75, "AUC with a tie");
});

const labelled = fc.array(fc.tuple(fc.nat(1), fc.integer({ min: -6, max: 6 })), { minLength: 1, maxLength: 30 });
const options = { seed: 2022, numRuns: 500, includeErrorInReport: true };

test("average precision and AUC see only the order of the scores", () => {
  fc.assert(
    fc.property(labelled, (rows) => {
      const y = rows.map(([label]) => label);
      const s = rows.map(([, score]) => score);
      const bent = s.map((v) => Math.exp(v / 3) - 5);
      assert.is(averagePrecision(y, bent), averagePrecision(y, s));
      assert.ok(Object.is(rocAuc(y, bent), rocAuc(y, s)));
    }),
    options,
  );
});

test("AUC is the share of pairs in order, and turns around with the scores", () => {
  fc.assert(
    fc.property(labelled, (rows) => {
      const y = rows.map(([label]) => label);
      const s = rows.map(([, score]) => score);
      let [pairs, wins] = [0, 0];
      for (const [a, u] of rows)
        for (const [b, v] of rows) {
          if (a !== 1 || b !== 0) continue;
          pairs++;
          wins += u > v ? 1 : u === v ? 0.5 : 0;
        }
      const auc = rocAuc(y, s);
      if (pairs === 0) return assert.ok(Number.isNaN(auc));
      same(auc, wins / pairs, "AUC");
      same(
        rocAuc(
          y,
          s.map((v) => -v),
        ),
        1 - auc,
        "AUC of the opposite",
      );
    }),
    options,
  );
});

test("average precision is the mean over positives of the precision at their score", () => {
  fc.assert(
    fc.property(labelled, (rows) => {
      const positives = rows.filter(([label]) => label === 1);
      const precisionAt = (score: number) => {
        const taken = rows.filter(([, v]) => v >= score);
        return taken.filter(([label]) => label === 1).length / taken.length;
      };
      const want = positives.reduce((sum, [, score]) => sum + precisionAt(score), 0) / (positives.length || 1);
      same(
        averagePrecision(
          rows.map(([label]) => label),
          rows.map(([, score]) => score),
        ),
        want,
        "AP",
      );
    }),
    options,
  );
});

test("weighted F1 gives labels that are only predicted no weight, and those never predicted 0", () => {
  // Label 0: TP 1, FN 1 -> 2/3, weight 2. Label 1: never predicted -> 0, weight 1. Label 7: only predicted, weight 0.
  same(weightedF1([0, 0, 1], [0, 7, 7]), ((2 / 3) * 2) / 3, "weighted F1");
  assert.equal(
    f1PerLabel([0, 0, 1], [0, 7, 7]).map(({ label, support }) => [label, support]),
    [
      [0, 2],
      [1, 1],
      [7, 0],
    ],
  );
  assert.is(accuracy([0, 0, 1], [0, 7, 7]), 1 / 3);
  assert.is(averageRecall([0, 0, 1], [0, 7, 7]), 0.25);
});

test("the any-label accuracy takes the lowest of tied classes", () => {
  const labels = matrix(2, 3, Int32Array.of(0, 1, 0, 1, 0, 1));
  assert.is(anyLabelAccuracy(labels, matrix(2, 3, Float64Array.of(1, 1, 0, 0, 0, 0))), 0.5);
});

test("top-k prefers the higher of tied classes", () => {
  const scores = matrix(1, 4, Float64Array.of(1, 1, 1, 0));
  assert.equal([topK([2], scores, 1), topK([1], scores, 1), topK([1], scores, 2), topK([0], scores, 2)], [1, 0, 1, 0]);
  assert.is(topK([3], scores, 4), 1);
  assert.throws(() => topK([4], scores, 1), /class 4 of sample 0 is not one of 0 to 3/);
});

test("retrieval counts both directions and ties against", () => {
  const s = matrix(3, 3, Float64Array.of(3, 1, 2, 4, 5, 0, 0, 0, 0));
  assert.equal(retrievalAt(s, 1), { byRow: 2 / 3, byColumn: 1 / 3 });
  assert.equal(retrievalAt(s, 3), { byRow: 1, byColumn: 1 });
  assert.equal(retrievalAt(matrix(4, 4, new Float32Array(16)), 1), { byRow: 0, byColumn: 0 });
  assert.throws(() => retrievalAt(matrix(2, 3, new Float32Array(6)), 1), /a square matrix is needed, but it is 2 x 3/);
});

test("the confusion matrix has true classes as rows", () => {
  assert.equal(Array.from(confusion([0, 0, 1, 2], [0, 1, 1, 0], 3).data), [1, 1, 0, 0, 1, 0, 1, 0, 0]);
  assert.throws(() => confusion([0, 3], [0, 0], 3), /class 3 of sample 1 is not one of 0 to 2/);
});

test("Pearson's coefficient keeps its value under scaling and stays within 1", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer(), fc.integer()), { minLength: 2, maxLength: 20 }), (pairs) => {
      const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
      const r = pearson(a, b);
      if (new Set(a).size === 1 || new Set(b).size === 1) return assert.ok(Number.isNaN(r));
      assert.ok(Math.abs(r) <= 1);
      same(
        pearson(
          a.map((v) => 3 * v),
          b.map((v) => -v),
        ),
        -r,
        "PCC",
      );
    }),
    options,
  );
});

test("metrics refuse no samples, other lengths, scores that are not finite and labels that are not 0 or 1", () => {
  const is = (Kind: typeof ShapeError | typeof HealthError) => (e: Error) => e instanceof Kind;
  assert.throws(() => averagePrecision([], []), is(ShapeError));
  assert.throws(() => accuracy([], []), is(ShapeError));
  assert.throws(() => mse([1, 2], [1]), is(ShapeError));
  assert.throws(() => rocAuc([0, 1], [0, Number.NaN]), is(HealthError));
  assert.throws(() => r2([0, 1], [0, Number.POSITIVE_INFINITY]), is(HealthError));
  assert.throws(() => averagePrecision([0, 0.5], [0, 1]), is(HealthError));
  assert.throws(
    () => macroRocAuc(matrix(2, 2, new Float32Array(4)), matrix(4, 1, new Float32Array(4))),
    is(ShapeError),
  );
  assert.is(averagePrecision([0, 1], [0, 1]), 1);
});

test("the bootstrap is seeded, holds the metric, and narrows with the level", () => {
  const y = tensor("ties.y");
  const score = tensor("ties.score");
  const metric = (rows: Uint32Array) => macroAveragePrecision(takeRows(y, rows), takeRows(score, rows)).mean;
  const wide = bootstrap(y.shape[0], metric, { seed: 1, resamples: 200 });
  assert.equal(wide, bootstrap(y.shape[0], metric, { seed: 1, resamples: 200 }));
  assert.not.equal(wide, bootstrap(y.shape[0], metric, { seed: 2, resamples: 200 }));
  assert.ok(wide.low < expected.ties.mAP && expected.ties.mAP < wide.high);
  const narrow = bootstrap(y.shape[0], metric, { seed: 1, resamples: 200, level: 0.5 });
  assert.ok(wide.low < narrow.low && narrow.low < narrow.high && narrow.high < wide.high);
});

test("the bootstrap of a mean has the width of its standard error", () => {
  const n = 400;
  const values = Float64Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898) * 3);
  const mean = (rows: Uint32Array) => rows.reduce((sum, i) => sum + values[i], 0) / n;
  const { low, high, undefinedResamples } = bootstrap(n, mean, { seed: 7, resamples: 1000 });
  const deviation = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / n);
  // 2 x 1.96 standard errors; a thousand resamples fix the quantiles to about a tenth.
  assert.ok(Math.abs((high - low) / ((2 * 1.96 * deviation) / Math.sqrt(n)) - 1) < 0.15);
  assert.is(undefinedResamples, 0);
});

test("the bootstrap leaves out and counts resamples in which the metric is not defined", () => {
  const auc = (rows: Uint32Array) =>
    rocAuc(
      rows.map((i) => (i === 0 ? 1 : 0)),
      rows,
    );
  const { low, high, undefinedResamples } = bootstrap(3, auc, { seed: 3, resamples: 300 });
  // No positive with probability (2/3)³, nothing else with (1/3)³: a third of the resamples.
  assert.ok(undefinedResamples > 60 && undefinedResamples < 140);
  assert.equal([low, high], [0, 0]);
});

test("AP and AUC over drawn rows are those of the rows copied out, with equal scores and rows drawn often", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(1), fc.nat(4)), { minLength: 1, maxLength: 20 }),
      fc.nat(1e6),
      (pairs, seed) => {
        const random = new Random(seed, "rows");
        const rows = Uint32Array.from(pairs, () => random.below(pairs.length));
        const ranking = rankingOf(
          pairs.map(([y]) => y),
          pairs.map(([, s]) => s),
          "test",
        );
        const counts = countsOf(rows, pairs.length);
        const [y, s] = [Array.from(rows, (i) => pairs[i][0]), Array.from(rows, (i) => pairs[i][1])];
        assert.is(precisionOf(ranking, counts), averagePrecision(y, s));
        assert.ok(Object.is(aucOf(ranking, counts), rocAuc(y, s)));
      },
    ),
    { seed: 2022, numRuns: 300 },
  );
});

test.run();
