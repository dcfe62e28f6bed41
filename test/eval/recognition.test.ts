// Expression recognition: figures against hand counts, ties, folds, and the page that says every choice.
import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { matrix, recognition, regressionFigures } from "../../eval/index.ts";
import { firstLargest, recognitionOver } from "../../eval/recognition/protocol.ts";
import { publishedOn } from "../../eval/recognition/page.ts";

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-12, `${a} is not ${b}`);

test("WAR is the share of clips, UAR the mean over classes; one that is only predicted counts 0 as in the official code", () => {
  const { war, uar, uarOfLabels, classes } = recognition([0, 0, 0, 1], [0, 0, 2, 1], 4);
  near(war, 3 / 4);
  near(uar, (2 / 3 + 1 + 0) / 3);
  near(uarOfLabels, (2 / 3 + 1) / 2);
  assert.equal(
    classes.map(({ support, found, told }) => [support, found, told]),
    [
      [3, 2, 2],
      [1, 1, 1],
      [0, 0, 1],
      [0, 0, 0],
    ],
  );
  assert.throws(() => recognition([], [], 3), /there are no clips/);
});

test("always right is 1 and 1, whatever the classes", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(6), { minLength: 1, maxLength: 40 }), (labels) => {
      const { war, uar, uarOfLabels } = recognition(labels, labels, 7);
      assert.equal([war, uar, uarOfLabels], [1, 1, 1]);
    }),
    { numRuns: 100, seed: 3 },
  );
});

test("of equal scores the first class is taken", () =>
  assert.equal([...firstLargest(matrix(2, 3, Float64Array.of(1, 2, 2, 5, 5, 5)))], [1, 0]));

test("folds have a mean and a deviation with n - 1; a single one has none", () => {
  const fold = (number: number, scores: number[], labels: number[]) => ({
    fold: number,
    scores_NC: matrix(labels.length, 2, Float64Array.from(scores)),
    labels,
  });
  const one = fold(1, [1, 0, 1, 0], [0, 1]);
  const two = fold(2, [1, 0, 0, 1], [0, 1]);
  const { war, folds } = recognitionOver([one, two]);
  assert.equal(
    folds.map(({ fold: n, war: w }) => [n, w]),
    [
      [1, 0.5],
      [2, 1],
    ],
  );
  near(war.mean, 0.75);
  near(war.deviation!, Math.SQRT1_2 / 2);
  assert.is(recognitionOver([one]).war.deviation, undefined);
});

test("published figures stand under their set; sets that nobody published have none", () => {
  const { rows, source } = publishedOn("dfew")!;
  assert.match(source, /Exp-CLIP/);
  assert.equal(rows[0], { name: "EmoCLIP (B/32, captions of MAFW)", uar: 36.76, war: 46.27 });
  assert.is(rows.length, 12);
  assert.is(publishedOn("own"), undefined);
});

test("regression: perfect scores, a constant, and shapes that differ", () => {
  const truth = matrix(4, 1, Float64Array.of(1, 2, 3, 6));
  const [same] = regressionFigures(truth, truth);
  assert.ok(same.pcc > 0.99999 && same.ccc > 0.99999);
  assert.equal([same.mae, same.mse, same.rmse], [0, 0, 0]);
  const [flat] = regressionFigures(matrix(4, 1, Float64Array.of(3, 3, 3, 3)), truth);
  assert.is(flat.pcc, 0);
  near(flat.mae, 6 / 4);
  near(flat.rmse, Math.sqrt(14 / 4));
  assert.throws(
    () => regressionFigures(matrix(3, 1, new Float64Array(3)), truth),
    /predictions are \[3,1\], scores \[4,1\]/,
  );
});

test.run();
