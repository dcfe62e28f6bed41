// Features and zero-shot recognition through the library calls: the golden classifier, batches, scores, and the right tokenizer.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { WordTokenizer, wordsFile } from "../../data/tokenizer/words.ts";
import { FormatError, ShapeError, UsageError } from "../../engine/errors.ts";
import { compute } from "../../engine/index.ts";
import { type AnyPixels, encodeImages, encodeTexts, encodeVideos, textFeatures } from "../../eval/features/encode.ts";
import { matrix } from "../../eval/matrix.ts";
import { tokenizerOf } from "../../model/checkpoint/tokenizer.ts";
import {
  classifierOf,
  compoundOf,
  probabilities,
  promptsOf,
  rankedClasses,
  scoreZeroShot,
  zeroShotClassifier,
  zeroShotLogits,
} from "../../eval/zero-shot/zero-shot.ts";
import type { Content } from "../../data/formats/content.ts";
import { configFromValue, loadModel, stageModel } from "../../model/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { agree, deviation, fixture, goldenJson, goldenPath } from "../kit/golden.ts";
import { failure, refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const gpu = await sharedGpu();
const config = configFromValue(goldenJson("emotionclip/tiny/config.json"), "config.json");
const { model, free } = await loadModel(goldenPath("emotionclip/tiny/model.safetensors"), { config });
test.after(() => free());

const inputs = fixture("tiny/inputs.safetensors");
const { frames: T } = config.head;
const S = Number(config.vision.image); // a square

/** The six golden clips. */
const clips: AnyPixels[] = Array.from({ length: 6 }, (_, b) => ({
  frames: Float32Array.from(inputs("video").data.slice(b * T * 3 * S * S, (b + 1) * T * 3 * S * S)),
  mask: Float32Array.from(inputs("video_mask").data.slice(b * T * S * S, (b + 1) * T * S * S)),
}));

async function* slowly<V>(values: readonly V[]): AsyncGenerator<V> {
  for (const value of values) {
    await new Promise((resolve) => setImmediate(resolve));
    yield value;
  }
}

test("clips and texts have the golden features, in order, whatever the batch", async () => {
  const ids = Uint32Array.from(inputs("text").data);
  const texts = (await compute(() => textFeatures(model, ids))) as Float32Array;
  for (const batch of [1, 4, 32]) {
    const heard: number[] = [];
    const { shape, data } = await encodeVideos(model, slowly(clips), { batch, at: (done) => heard.push(done) });
    assert.equal(shape, [6, config.embed]);
    assert.equal(heard, { 1: [1, 2, 3, 4, 5, 6], 4: [4, 6], 32: [6] }[batch]);
    await agree("tiny/forward.safetensors", {
      video_features: Promise.resolve(data),
      text_features: Promise.resolve(texts),
    });
  }
});

test("pictures have the features of their frames, of unit length", async () => {
  const pictures = clips.map(({ frames, mask }) => ({
    frames: frames.subarray(0, 3 * S * S),
    mask: mask.subarray(0, S * S),
  }));
  const { shape, data } = await encodeImages(model, pictures, { batch: 4 });
  assert.equal(shape, [6, config.embed]);
  const raw = fixture("tiny/forward.safetensors")("frame_features").data;
  const want = Array.from({ length: 6 }, (_, b) => {
    const row = Array.from(raw.slice(b * T * config.embed, (b * T + 1) * config.embed));
    const length = Math.hypot(...row);
    return row.map((v) => v / length);
  }).flat();
  // as the golden features of unit length: 1e-5 of a number below 1 is what single precision gives
  assert.ok(deviation(data, want, { rtol: 1e-4, atol: 1e-5 }).share <= 1);
});

test("no rows make an empty matrix, and a picture of another size is refused", async () => {
  assert.equal((await encodeVideos(model, [])).shape, [0, config.embed]);
  const small = { frames: new Float32Array(3), mask: new Float32Array(1) };
  const error = await refusal(encodeImages(model, [small]));
  assert.instance(error, ShapeError);
  assert.match(error.message, /frames of item 0 of a batch: 3 numbers, the model takes 3072/);
  for (const batch of [0, -1, 1.5]) assert.instance(await refusal(encodeVideos(model, clips, { batch })), UsageError);
});

test("a reader that fails fails the call, with its own error", async () => {
  async function* broken(): AsyncGenerator<AnyPixels> {
    yield clips[0];
    yield clips[1];
    throw new FormatError("third.jpg: does not decode");
  }
  for (const batch of [1, 2, 8]) {
    const error = await failure(encodeVideos(model, broken(), { batch }));
    assert.match(error.message, /^third\.jpg/);
  }
});

test("the golden zero-shot classifier and its logits", async () => {
  const golden = fixture("tiny/zeroshot.safetensors");
  const [C, templates] = golden("tokens").shape;
  const ids = Uint32Array.from(golden("tokens").data);
  const prompts = (await compute(() => textFeatures(model, ids))) as Float32Array;
  const classifier = classifierOf(matrix(C * templates, config.embed, prompts), new Array(C).fill(templates));
  const logits = zeroShotLogits(await encodeVideos(model, clips), classifier);
  const columns = Array.from(
    { length: config.embed * C },
    (_, i) => classifier.data[(i % C) * config.embed + Math.floor(i / C)],
  );
  await agree("tiny/zeroshot.safetensors", {
    classifier: Promise.resolve(columns),
    logits: Promise.resolve(logits.data),
  });
});

/** "wa" to "wz", "va" … */
const wordOf = (i: number) => String.fromCharCode(119 - Math.floor(i / 26), 97 + (i % 26));

test("texts become a classifier through their templates", async () => {
  const tokenizer = new WordTokenizer(
    Array.from({ length: 124 }, (_, i) => wordOf(i)), // digits would be words of their own
    config.text.context,
  );
  assert.is(tokenizer.vocabulary, config.text.vocabulary);
  const classes = [
    { name: "a", texts: ["wb", "wc wd"] },
    { name: "b", texts: ["we"] },
  ];
  const templates = ["{}", "wj {} wi"];
  const got = await zeroShotClassifier(model, tokenizer, classes, templates, { batch: 2 });
  const features = await encodeTexts(model, tokenizer, ["wb", "wc wd", "wj wb wi", "wj wc wd wi", "we", "wj we wi"]);
  const want = classifierOf(features, [4, 2]);
  // batches of other sizes choose other kernels: the last bits differ
  assert.ok(deviation(got.data, want.data, { rtol: 0, atol: 1e-5 }).share <= 1);
  for (let c = 0; c < 2; c++)
    assert.ok(Math.abs(Math.hypot(...want.data.subarray(c * config.embed, (c + 1) * config.embed)) - 1) < 1e-12);

  // a compound is the mean of its classes; averaged logits are those of the mean of unit rows
  const both = [...classes, compoundOf("a_b", classes)];
  const E = config.embed;
  const all = Float64Array.from(features.data);
  for (const average of ["features", "logits"] as const) {
    const rows = (await zeroShotClassifier(model, tokenizer, both, templates, { average })).data;
    const parts = [all.subarray(0, 4 * E), all.subarray(4 * E)].map((own) => {
      const mean = Array.from(
        { length: E },
        (_, e) => own.reduce((sum, v, i) => sum + (i % E === e ? v : 0), 0) / (own.length / E),
      );
      return average === "logits" ? mean : mean.map((v) => v / Math.hypot(...mean));
    });
    const mean = parts[0].map((v, e) => (v + parts[1][e]) / 2);
    const wanted = average === "logits" ? mean : mean.map((v) => v / Math.hypot(...mean));
    assert.ok(deviation(rows.subarray(2 * E), wanted, { rtol: 0, atol: 1e-5 }).share <= 1, average);
    assert.ok(deviation(rows.subarray(0, E), parts[0], { rtol: 0, atol: 1e-5 }).share <= 1, average);
  }
});

test("prompts put the text where the template says, more than once if it does", () => {
  assert.equal(promptsOf({ name: "x", texts: ["$&", "b"] }, ["{}!", "{} {}"]), ["$&!", "b!", "$& $&", "b b"]);
  assert.throws(
    () => promptsOf({ name: "x", texts: ["a"] }, ["no place"]),
    (e: Error) => e instanceof UsageError,
  );
});

test("counts that do not fit the prompts are refused", () => {
  const rows = matrix(3, 2, Float32Array.of(1, 0, 0, 1, 1, 1));
  assert.equal(classifierOf(rows, [2, 1]).shape, [2, 2]);
  for (const counts of [[2], [2, 2], [3, 0], []])
    assert.throws(
      () => classifierOf(rows, counts),
      (e: Error) => e instanceof ShapeError,
    );
});

test("probabilities sum to one and survive large logits", () => {
  const { data } = probabilities(matrix(2, 3, Float64Array.of(1000, 1000, -1000, 0, Math.log(2), 0)));
  assert.equal(
    [...data],
    [0.5, 0.5, 0, 0.25, 0.5, 0.25].map((v, i) => (Math.abs(v - data[i]) < 1e-12 ? data[i] : v)),
  );
});

test("scores on an example by hand: recall weighted and not, ties to the higher class, confusion", () => {
  // true 0 0 0 1 2, recognised 0 1(tie of 0 and 1) 0 1 0; class 3 does not occur
  const scores = matrix(
    5,
    4,
    Float64Array.from(
      [
        [9, 1, 0, 0],
        [5, 5, 1, 1],
        [7, 0, 0, 0],
        [0, 3, 1, 0],
        [4, 1, 3, 0],
      ].flat(),
    ),
  );
  const { top1, top5, war, uar, recall, confusion } = scoreZeroShot(scores, [0, 0, 0, 1, 2]);
  assert.equal([top1, top5, war], [3 / 5, 1, 3 / 5]);
  assert.ok(Math.abs(uar - (2 / 3 + 1 + 0) / 3) < 1e-15);
  assert.equal(recall, [2 / 3, 1, 0, Number.NaN]);
  assert.equal([...confusion.data], [2, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(rankedClasses(scores, 1), [1, 0, 3, 2]);
  assert.throws(() => scoreZeroShot(scores, [0, 0, 0, 1, 4]), /class 4 of sample 4 is not one of 0 to 3/);
  assert.throws(
    () => scoreZeroShot(scores, [0, 0, 0, 1]),
    (e: Error) => e instanceof ShapeError,
  );
});

test("constant scores recognise the last class everywhere", () => {
  const { top1, top5, uar, confusion } = scoreZeroShot(matrix(6, 6, new Float64Array(36)), [0, 1, 2, 3, 4, 5]);
  assert.equal([top1, top5, uar], [1 / 6, 5 / 6, 1 / 6]);
  assert.equal([...confusion.data.filter((_, i) => i % 6 === 5)], [1, 1, 1, 1, 1, 1]);
});

test("the tokenizer is CLIP's for CLIP's vocabulary, and the stored words' for another", () =>
  inTemporary(async (folder) => {
    const path = join(folder, "model.safetensors");
    const words = ["happy", "sad"];
    const small = stageModel(6);
    const clip = { ...small, text: { ...small.text, vocabulary: 49408 } };
    const stored = (text: string): Content => new Map([["__metadata__", new Map([["words", text]])]]);
    const rows = (await tokenizerOf({ path, content: stored(JSON.stringify(words)) }, small)).encode(["sad what"]);
    assert.equal([...rows].slice(0, 5), [4, 3, 1, 5, 0]);
    assert.is((await tokenizerOf({ path, content: null }, clip)).vocabulary, 49408);

    const none = await refusal(tokenizerOf({ path, content: null }, small));
    assert.instance(none, UsageError);
    assert.match(none.message, /vocabulary of 6, whose words are not stored with it/);
    writeFileSync(join(folder, wordsFile), JSON.stringify(words));
    for (const where of [path, join(folder, "ckpt-00000001", "model.safetensors")])
      assert.is((await tokenizerOf({ path: where, content: null }, small)).vocabulary, 6);

    for (const [text, message] of [
      ['["happy"]', /1 words make 5 ids, but the model has 6/],
      ['{"happy":1}', /the words are not a list/],
      ['["happy",3]', /word 1 is "3"/],
      ['["happy",', /not valid JSON/],
    ] as const) {
      const error = await refusal(tokenizerOf({ path, content: stored(text) }, small));
      assert.instance(error, FormatError);
      assert.match(error.message, message);
    }
  }));

test("encoding again takes no more memory of the device", async () => {
  const before = gpu.store.total;
  for (let k = 0; k < 3; k++) await encodeVideos(model, clips, { batch: 4 });
  assert.is(gpu.store.total, before);
});

test.run();
