// The table that the main job prints: on features that know the labels, on features that know nothing, and its rows.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../data/philox.ts";
import { ShapeError } from "../../engine/errors.ts";
import { type Matrix, matrix } from "../../eval/matrix.ts";
import {
  probeRowsSteps,
  type ProbeSplit,
  type ProbeSplits,
  probeStage,
  similarities,
} from "../../eval/probes/probe-table.ts";
import { atOnce } from "../../eval/probes/in-turns.ts";

const probeRows = (splits: ProbeSplits) => atOnce(probeRowsSteps(splits));

const [E, C] = [12, 4];

/** Features of which the first C say the categories, with `noise` on all; captions whose features are the clips' with that noise. */
function split(seed: number, n: number, noise: number): ProbeSplit & { text: Matrix } {
  const random = new Random(seed, "split");
  const latent = Float64Array.from({ length: n * E }, () => random.normal());
  const noisy = () =>
    matrix(
      n,
      E,
      Float32Array.from(latent, (v) => v + noise * random.normal()),
    );
  const categories = Float32Array.from({ length: n * C }, (_, i) =>
    latent[Math.floor(i / C) * E + (i % C)] > 0.5 ? 1 : 0,
  );
  const vad = Float32Array.from({ length: n * 3 }, (_, i) => latent[Math.floor(i / 3) * E + C + (i % 3)]);
  const emotion = Int32Array.from({ length: n }, (_, i) => (latent[i * E] > 0 ? 5 : 2));
  return { features: noisy(), categories: matrix(n, C, categories), vad: matrix(n, 3, vad), emotion, text: noisy() };
}

test("features that hold the labels score high, noise scores at chance", () => {
  const good = new Map(probeStage({ train: split(1, 400, 0.1), test: split(2, 200, 0.1) }));
  const [train, held] = [split(3, 400, 0.1), split(4, 200, 0.1)];
  const unrelated = { ...held, features: split(5, 200, 0.1).features };
  const bad = new Map(probeStage({ train, test: unrelated }));
  assert.equal([...good.keys()], ["mAP", "AUC", "R2", "emotion", "R@1 video-text", "R@1 text-video"]);
  assert.equal([...bad.keys()], [...good.keys()]);
  // A third of the labels is positive; 200 samples leave about 0.04 on an AUC, 0.035 on a share of one half.
  assert.ok(good.get("mAP")! > 0.9 && bad.get("mAP")! < 0.45);
  assert.ok(good.get("AUC")! > 0.95 && Math.abs(bad.get("AUC")! - 0.5) < 0.1);
  assert.ok(good.get("R2")! > 0.7 && bad.get("R2")! < 0.05);
  assert.ok(good.get("emotion")! > 0.85 && Math.abs(bad.get("emotion")! - 0.5) < 0.15);
  assert.ok(good.get("R@1 video-text")! > 0.95 && bad.get("R@1 text-video")! < 0.05);
});

test("the length of a feature does not matter", () => {
  const [train, held] = [split(1, 100, 0.5), split(2, 50, 0.5)];
  const longer = (s: ProbeSplit, by: number) => ({
    ...s,
    features: matrix(
      s.features.shape[0],
      E,
      s.features.data.map((v) => v * by),
    ),
  });
  // A power of two scales without rounding.
  assert.equal(probeStage({ train: longer(train, 8), test: longer(held, 0.25) }), probeStage({ train, test: held }));
});

test("a class that the test split does not show is left out of the means and named", () => {
  const [train, held] = [split(1, 100, 0.5), split(2, 50, 0.5)];
  const categories = matrix(
    50,
    C,
    held.categories.data.map((v, i) => (i % C === 1 ? 0 : v)),
  );
  const names = ["joy", "anger", "fear", "calm"];
  const test = { ...held, categories, text: undefined, emotion: undefined };
  const rows = probeRows({ train, test, names });
  assert.equal(
    rows.map(([name]) => name),
    ["mAP", "AUC", "R2"],
  );
  for (const [, value] of rows) assert.ok(value > 0.4 && value <= 1, `${value}`);
  assert.match(rows[0][2]!, /^the mean of 3 of 4; left out: anger \(without a positive in/);
  assert.match(rows[1][2]!, /^the mean of 3 of 4; left out: anger \(only positive or only negative in/);
  assert.equal(
    probeStage({ train, test }),
    rows.map(([name, value]) => [name, value]),
  );
});

test("figures that the labels do not define have no value, and a reason", () => {
  const [train, held] = [split(1, 40, 0.5), split(2, 20, 0.5)];
  const none = matrix(20, C, new Float32Array(20 * C));
  const test = {
    ...held,
    categories: none,
    vad: matrix(20, 3, new Float32Array(60)),
    captions: Array(20).fill("same"),
  };
  const flat = { ...train, emotion: new Int32Array(40).fill(2) };
  const notes = Object.fromEntries(
    probeRows({ train: flat, test }).map(([name, value, note]) => [name, [value, note!]]),
  );
  for (const [value] of Object.values(notes)) assert.ok(Number.isNaN(value));
  assert.match(String(notes.mAP[1]), /^not defined: each of the 4 is without a positive/);
  assert.match(String(notes.R2[1]), /^not defined: each of the 3 is the same in all clips/);
  assert.match(String(notes.emotion[1]), /^not defined: all 40 samples that the probe is fitted on have one class/);
  assert.match(String(notes["R@1 video-text"][1]), /^not defined: all clips have one caption/);
  const lacking = { ...train, vad: matrix(40, 3, new Float32Array(120).fill(Number.NaN)) };
  const row = probeRows({ train: lacking, test: held }).find(([name]) => name === "R2")!;
  assert.match(row[2]!, /^not defined: none of the 40 clips has valence, arousal and dominance/);
});

test("R@1 is named after what asks and what is found", () => {
  const held = split(2, 2, 0);
  // Each clip's own caption is its nearest; the second caption is nearer to the first clip than to its own.
  const features = matrix(2, 2, Float32Array.of(1, 0, 0, 1));
  const text = matrix(2, 2, Float32Array.of(1, 0, 1, 0.1));
  const both = { ...held, features, text };
  const rows = new Map(probeStage({ train: { ...both, emotion: undefined }, test: both }));
  assert.equal([rows.get("R@1 video-text"), rows.get("R@1 text-video")], [1, 0.5]);
});

test("probes learn from the train split alone", () => {
  // What the test split says of itself is the opposite: a probe that learnt there would be right, one of the train split is wrong.
  const [train, held] = [split(1, 200, 0.1), split(2, 100, 0.1)];
  const opposite = {
    ...held,
    categories: matrix(
      100,
      C,
      held.categories.data.map((v) => 1 - v),
    ),
    vad: matrix(
      100,
      3,
      held.vad.data.map((v) => -v),
    ),
    emotion: Int32Array.from(held.emotion!, (label) => 7 - label),
  };
  const rows = new Map(probeStage({ train, test: opposite }));
  assert.ok(rows.get("AUC")! < 0.05 && rows.get("R2")! < 0 && rows.get("emotion")! < 0.15);
});

test("clips with one caption are asked for by the first of them only", () => {
  const held = split(2, 3, 0);
  const features = matrix(3, 2, Float32Array.of(1, 0, 0, 1, 1, 0.1)); // the third clip is told as the first is
  const text = matrix(3, 2, Float32Array.of(1, 0, 0, 1, 1, 0));
  const found = (captions: string[]) => {
    const test = { ...held, features, text, captions, emotion: undefined };
    return new Map(probeStage({ train: test, test })).get("R@1 video-text");
  };
  assert.is(found(["he laughs", "she weeps", "he laughs"]), 1);
  assert.is(found(["he laughs", "she weeps", "he shouts"]), 1 / 3); // both texts are equally near to clips 1 and 3
});

test("similarities are cosines, for any numbers of rows", () => {
  const [a, b] = [split(1, 7, 0).features, split(2, 5, 0).features];
  const { shape, data } = similarities(a, b);
  assert.equal(shape, [7, 5]);
  const row = (m: Matrix, i: number) => Array.from(m.data.subarray(i * E, (i + 1) * E));
  for (let i = 0; i < 7; i++)
    for (let j = 0; j < 5; j++) {
      const [u, v] = [row(a, i), row(b, j)];
      const cosine = u.reduce((sum, x, k) => sum + x * v[k], 0) / (Math.hypot(...u) * Math.hypot(...v));
      assert.ok(Math.abs(data[i * 5 + j] - cosine) < 1e-12);
    }
  assert.throws(
    () => similarities(a, matrix(5, 2, new Float32Array(10))),
    (e: Error) => e instanceof ShapeError,
  );
});

test.run();
