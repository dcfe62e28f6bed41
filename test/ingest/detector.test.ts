// Detectors of the user's own: how each family is fed and read, what is of none, and the whole command with a tiny one where
// onnxruntime-node is installed.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Video } from "../../data/footage/video.ts";
import { openShards, ShardReader } from "../../data/shards/shards.ts";
import { formOf, type Output } from "../../ingest/detector-forms.ts";
import { type Feed, inputNumbers, placeIn } from "../../ingest/detector-input.ts";
import { openDetector } from "../../ingest/onnx-detector.ts";
import { onnxFile, type OnnxInput, type OnnxTensor } from "../kit/onnx-file.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";
import { hasFfmpeg, subRip, tinyFilm } from "../kit/tiny-films.ts";
import { runProgram } from "../run/program.ts";

/** A picture of 200x100 in an input of 64x64, which has 64 + 16 + 4 places; somebody is at 50,25 to 100,75. */
const picture = { width: 200, height: 100 };
const input = { width: 64, height: 64 };
const PLACES = 84;
const person = [50, 25, 100, 75];

const output = (name: string, dims: number[], set: readonly (readonly [at: number, values: number[]])[], rest = 0) => {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(rest);
  for (const [at, values] of set) data.set(values, at);
  return { name, dims, data };
};
const whole = (name: string, dims: number[], values: number[]): Output => ({
  ...{ name, dims },
  data: BigInt64Array.from(values.map(BigInt)),
});
const hot = (length: number, at: number, value = 1, rest = 0) =>
  Array.from({ length }, (_, i) => (i === at ? value : rest));

/** What is read off some answers, as a person would write it. */
function read(outputs: readonly Output[], personClass?: number) {
  const form = formOf(outputs, input, "d.onnx", personClass);
  const people = form.people(outputs, placeIn(picture, input, form.feed.fit), 0.5);
  return {
    feed: `${form.feed.fit} ${form.feed.numbers}`,
    person: form.person,
    people: people.map(({ box, confidence }) => `${box.map((v) => Math.round(v)).join()} ${confidence.toFixed(2)}`),
  };
}
const one = (feed: string, confidence: string, of = 0) => ({
  ...{ feed, person: of },
  people: [`${person.join()} ${confidence}`],
});
const THREE = Math.log(3); // its sigmoid is 0.75

test("RT-DETR and D-FINE: the sigmoid of a query's logit of people, and its box as shares of the picture", () => {
  const boxes = output("pred_boxes", [1, 3, 4], [[4, [0.375, 0.5, 0.25, 0.5]]], 0.5);
  const logits = output("logits", [1, 3, 80], [[80, [THREE]]], -9);
  assert.equal(read([logits, boxes]), one("stretched unit", "0.75"));
  assert.equal(read([boxes, logits]), one("stretched unit", "0.75"));
  const other = output("logits", [1, 3, 80], [[80 + 16, [THREE]]], -9);
  assert.equal([read([other, boxes]).people, read([other, boxes], 16).people.length], [[], 1]);
});

test("DETR: the softmax over its 92 classes, of which people are the second and nobody the last", () => {
  const boxes = output("pred_boxes", [1, 2, 4], [[4, [0.375, 0.5, 0.25, 0.5]]], 0.5);
  const nobody = hot(92, 91, 20);
  const logits = output(
    "logits",
    [1, 2, 92],
    [
      [0, nobody],
      [92, hot(92, 1, Math.log(91 * 3))],
    ],
  );
  assert.equal(read([logits, boxes]), one("stretched imagenet", "0.75", 1));
});

test("RF-DETR: 91 classes by COCO's numbers, under the names dets and labels", () => {
  const dets = output("dets", [1, 2, 4], [[0, [0.375, 0.5, 0.25, 0.5]]], 0.5);
  const labels = output("labels", [1, 2, 91], [[1, [THREE]]], -9);
  assert.equal(read([dets, labels]), one("stretched imagenet", "0.75", 1));
});

test("four classes: of two outputs alike the names tell which is of boxes", () => {
  const boxes = output("pred_boxes", [1, 1, 4], [[0, [0.375, 0.5, 0.25, 0.5]]]);
  const logits = output("logits", [1, 1, 4], [[2, [THREE]]], -9);
  assert.equal(read([logits, boxes], 2), one("stretched unit", "0.75", 2));
});

test("labels, boxes and scores: boxes are pixels of the picture", () => {
  const outputs = [
    whole("labels", [1, 3], [0, 16, 0]),
    output(
      "boxes",
      [1, 3, 4],
      [
        [0, person],
        [4, person],
        [8, [-20, -20, -1, -1]],
      ],
    ),
    output("scores", [1, 3], [[0, [0.75, 0.9, 0.9]]]),
  ];
  assert.equal(read(outputs), one("stretched unit", "0.75"));
});

test("YOLOX: logarithms of sides on three grids, or pixels; of boxes of one person the surest stays", () => {
  const row = (at: number, values: number[], length = 85) => [at * length, values] as const;
  // place 0 of the second grid (stride 16), and place 9 of the first (stride 8, x = 1, y = 1)
  const second = [1.5, 1, 0, 0, 0.75, 1];
  const first = [2, 1, Math.log(2), Math.log(2), 0.5, 1];
  const raw = output("output", [1, PLACES, 85], [row(64, second), row(9, first)]);
  assert.equal(read([raw]), one("corner bgr bytes", "0.75"));
  const pixels = output("output", [1, PLACES, 85], [row(64, [24, 16, 16, 16, 0.75, 1])]);
  assert.equal(read([pixels]), one("corner bgr bytes", "0.75"));
  const single = output("output", [1, PLACES, 6], [row(64, second, 6)]);
  assert.equal(read([single]), one("corner bgr bytes", "0.75"));
});

test("YOLOv5 and v7: three anchors a place, object times class", () => {
  const at = 100 * 85;
  const rows = output("output", [1, 3 * PLACES, 85], [[at, [24, 32, 16, 16, 0.8, 0.75]]]);
  assert.equal(read([rows]), one("middle unit", "0.60"));
});

test("YOLOv8: columns, and no object score", () => {
  const set = [24, 32, 16, 16, 0.75].map((value, k): [number, number[]] => [k * PLACES + 7, [value]]);
  const several = output("output0", [1, 4 + 365, PLACES], set);
  assert.equal(read([several]), one("middle unit", "0.75"));
  assert.equal(read([output("output0", [1, 5, PLACES], set)]), one("middle unit", "0.75"));
});

test("YOLOv10 and YOLOv7 end to end: rows with a class", () => {
  const v10 = output(
    "output0",
    [1, 30, 6],
    [
      [0, [16, 24, 32, 40, 0.75, 0]],
      [6, [16, 24, 32, 40, 0.9, 5]],
    ],
  );
  assert.equal(read([v10]), one("middle unit", "0.75"));
  const v7 = output(
    "output",
    [2, 7],
    [
      [0, [0, 16, 24, 32, 40, 0, 0.75]],
      [7, [0, 16, 24, 32, 40, 2, 0.9]],
    ],
  );
  assert.equal(read([v7]), one("middle unit", "0.75"));
  assert.equal(read([output("output", [0, 7], [])]).people, []);
});

test("answers of no family are refused with their shapes; so are classes that nothing tells, and what is no number", () => {
  const of =
    (...outputs: Output[]) =>
    () =>
      formOf(outputs, input, "d.onnx");
  assert.throws(of(output("heat", [1, 80, 16, 16], [])), /d\.onnx: answers heat \[1,80,16,16\] to an input of 64x64/);
  assert.throws(of(output("a", [1, 85, 85], [])), /of no detector that is known; known are/);
  assert.throws(of(output("a", [2, PLACES, 85], [])), /of no detector that is known/);
  assert.throws(of(), /answers nothing/);
  assert.throws(
    of(output("a", [1, PLACES, PLACES], [])),
    /which may be\n {2}a grid of .*YOLOX\n {2}columns of .*YOLOv8/,
  );
  const boxes = output("pred_boxes", [1, 3, 4], []);
  assert.throws(of(output("logits", [1, 3, 17], []), boxes), /has 17 classes; say which .* --person-class/);
  assert.throws(
    () => formOf([output("logits", [1, 3, 17], []), boxes], input, "d.onnx", 17),
    /has 17 classes, so that none is number 17/,
  );
  for (const value of [Number.NaN, 4, -1]) {
    const rows = output("output0", [1, 30, 6], [[0, [16, 24, 32, 40, value, 0]]]);
    assert.throws(() => read([rows]), /d\.onnx: answers the box 16 24 32 40 with the confidence (NaN|4|-1)/);
  }
});

test("a picture is fed stretched, in the middle or in the corner, in the numbers of its family", () => {
  const data = Uint8Array.from({ length: 3 * 8 }, (_, i) => [255, 0, 51][i % 3]); // 4 x 2, of one colour
  const image = { width: 4, height: 2, data };
  const small = { width: 4, height: 4 };
  const fed = (fit: Feed["fit"], numbers: Feed["numbers"]) =>
    [...inputNumbers(image, small, { fit, numbers }, placeIn(image, small, fit))].map(
      (v) => Math.round(1000 * v) / 1000,
    );
  const plane = (...rows: number[]) => rows.flatMap((v) => [v, v, v, v]);
  assert.equal(fed("stretched", "unit"), [...plane(1, 1, 1, 1), ...plane(0, 0, 0, 0), ...plane(0.2, 0.2, 0.2, 0.2)]);
  const grey = 0.447;
  assert.equal(fed("middle", "unit"), [
    ...plane(grey, 1, 1, grey),
    ...plane(grey, 0, 0, grey),
    ...plane(grey, 0.2, 0.2, grey),
  ]);
  assert.equal(fed("corner", "bgr bytes"), [
    ...plane(51, 51, 114, 114),
    ...plane(0, 0, 114, 114),
    ...plane(255, 255, 114, 114),
  ]);
  assert.equal(
    fed("stretched", "imagenet").filter((_, i) => i % 16 === 0),
    [2.249, -2.036, -0.916],
  );
});

const withoutRuntime = [
  "import { register } from 'node:module';",
  "register('data:text/javascript,' + encodeURIComponent(`export async function resolve(name, context, next) {",
  "if (name === 'onnxruntime-node') throw new Error('not here'); return next(name, context); }`));",
].join("");

test("without onnxruntime-node it is said how to get it", async () => {
  const hidden = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(withoutRuntime)}` };
  const flags = ["ingest", "films", "--out", "out", "--detector", "d.onnx"];
  const { code, stderr } = await runProgram(join("dist", "cli.js"), flags, { env: hidden });
  assert.is(code, 2, stderr);
  assert.match(
    stderr,
    /onnxruntime-node, which is not installed: npm install --no-save --ignore-scripts onnxruntime-node@1\.30\.0/,
  );
});

const runtime: string = "onnxruntime-node";
const hasRuntime = await import(runtime).then(
  () => true,
  () => false,
);
if (!hasRuntime) console.log("left out, onnxruntime-node is not installed: detectors that run");
const running = (name: string, body: (root: string) => Promise<void>) =>
  hasRuntime && test(name, () => inTemporary(body));

const images: OnnxInput = { name: "images", type: "float32", dims: [1, 3, 64, 64] };
const boxes: OnnxTensor = { name: "pred_boxes", dims: [1, 2, 4], values: [0.375, 0.5, 0.25, 0.5, 0.5, 0.5, 1, 1] };
const logits: OnnxTensor = {
  name: "logits",
  dims: [1, 2, 80],
  values: [...hot(80, 0, THREE, -9), ...hot(80, 5, 9, -9)],
};

/** A film of pictures of one size, a second each. */
const film = (size: typeof picture, count: number): Video => ({
  ...{ name: "film", length: count, seconds: Array.from({ length: count }, (_, i) => i) },
  async *pictures(wanted) {
    for (const _ of wanted) yield { ...size, data: new Uint8Array(3 * size.width * size.height) };
  },
});

running(
  "a tiny detector runs: known before the first film, each frame asked once, sizes and masks given where asked for",
  async (root) => {
    const path = join(root, "d.onnx");
    const seen = async (inputs: OnnxInput[], outputs: OnnxTensor[]) => {
      writeFileSync(path, onnxFile(inputs, outputs));
      const detector = await openDetector(path, { minConfidence: 0.5 });
      const at: number[] = [];
      const source = detector.of(async () => film(picture, 3), 2);
      const { seen, unknown } = await source.see([0, 1, 4, 5], (done) => at.push(done));
      await detector.close();
      assert.equal([unknown, at], [0, [2, 4]]);
      const people = [...seen].map(
        ([look, found]) => `${look}: ${found.map(({ box }) => box.map(Math.round).join()).join()}`,
      );
      return { about: detector.about, people };
    };
    const all = [0, 1, 4, 5].map((look) => `${look}: ${person.join()}`);
    const plain = await seen([images], [logits, boxes]);
    assert.equal(plain.people, all);
    assert.match(
      plain.about,
      /D-FINE.*logits \[1,2,80\], pred_boxes \[1,2,4\]; fed 64x64 RGB from 0 to 1, stretched; people are class 0 of 80/,
    );
    const open: OnnxInput = { name: "pixel_values", type: "float32", dims: ["batch", 3, "height", "width"] };
    const mask: OnnxInput = { name: "pixel_mask", type: "int64", dims: ["batch", 64, 64] };
    assert.match((await seen([open, mask], [logits, boxes])).about, /fed 640x640/);
    const sizes: OnnxInput = { name: "orig_target_sizes", type: "int64", dims: ["N", 2] };
    const deployed: OnnxTensor[] = [
      { name: "labels", dims: [1, 1], values: [0n] },
      { name: "boxes", dims: [1, 1, 4], values: person },
      { name: "scores", dims: [1, 1], values: [0.75] },
    ];
    assert.equal((await seen([images, sizes], deployed)).people, all);
  },
);

running("what is no detector is refused by name: files, inputs, and answers", async (root) => {
  const path = join(root, "d.onnx");
  const refused = async (bytes: Buffer) => {
    writeFileSync(path, bytes);
    return (await refusal(openDetector(path, { minConfidence: 0.5 }))).message;
  };
  const good = onnxFile([images], [logits, boxes]);
  assert.match(await refused(Buffer.from("hello")), /d\.onnx: onnxruntime does not load it/);
  assert.match(await refused(good.subarray(0, 300)), /d\.onnx: onnxruntime does not load it/);
  assert.match(await refused(Buffer.alloc(0)), /d\.onnx: /);
  const of = (input: Partial<OnnxInput>, ...more: OnnxInput[]) =>
    refused(onnxFile([{ ...images, ...input }, ...more], [logits, boxes]));
  assert.match(
    await of({ dims: [1, 64, 64, 3] }),
    /its inputs are "images" float32 \[1,64,64,3\]; expected one picture/,
  );
  assert.match(await of({ type: "float16" }), /"images" float16/);
  assert.match(await of({ dims: [4, 3, 64, 64] }), /\[4,3,64,64\]/);
  assert.match(await of({ dims: [1, 3, 64, 100_000] }), /\[1,3,64,100000\]/);
  assert.match(await of({}, { name: "text", type: "int64", dims: [1, 77] }), /"text" int64 \[1,77\]/);
  const heat: OnnxTensor = { name: "heat", dims: [1, 1, 2, 2], values: [0, 0, 0, 0] };
  assert.match(await refused(onnxFile([images], [heat])), /d\.onnx: answers heat \[1,1,2,2\] to an input of 64x64/);
});

if (hasFfmpeg)
  running(
    "ingest --detector: a film without a file of boxes gets the detector's people, and another run asks it nothing",
    async (root) => {
      mkdirSync(join(root, "films"));
      tinyFilm(join(root, "films", "one.mp4"));
      writeFileSync(join(root, "films", "one.srt"), subRip([[0, 3, "We have won the game."]]));
      writeFileSync(join(root, "d.onnx"), onnxFile([images], [logits, boxes]));
      const flags = ["--detector", join(root, "d.onnx"), "--json"];
      const ingest = () =>
        runProgram(join("dist", "cli.js"), ["ingest", join(root, "films"), "--out", join(root, "out"), ...flags]);
      const { code, stdout, stderr } = await ingest();
      assert.is(code, 0, stderr);
      assert.match(stderr, /d\.onnx: logits and boxes of queries/);
      assert.equal(JSON.parse(stdout).films[0].people, { source: "d.onnx", boxes: [0, 25], tracks: 1, unknown: 0 });
      const shards = await openShards(join(root, "out"), "train");
      const reader = new ShardReader();
      const info = shards.info(0, reader);
      reader.close();
      assert.equal([info.boxes.length, info.boxes[7]], [25, [[16, 12, 32, 36]]]); // of 64x48
      assert.is(JSON.parse((await ingest()).stdout).films[0].people.boxes[1], 25);
    },
  );

test.run();
