// `emotionclip recognise`: a model on a small set in DFEW's layout, features of anybody, and what is refused.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { npyBytes } from "../../data/formats/npy.ts";
import { encodePng } from "../../data/pixels/png.ts";
import type { RecognitionPage } from "../../eval/recognition/page.ts";
import { openFaceSet } from "../../data/faces/sets.ts";
import { surveyFaces } from "../../data/faces/survey.ts";
import { compute, tensor, type Tensor } from "../../engine/index.ts";
import { averaged } from "../../eval/recognition/averaged.ts";
import { KeptFeatures } from "../../eval/features/clips.ts";
import { faceClips, viewKey } from "../../eval/features/face-clips.ts";
import { frameWeightsHash } from "../../eval/features/kept.ts";
import { full, zeros } from "../../kernels/index.ts";
import { openPlan } from "../../model/checkpoint/open-model.ts";
import { type EmoClip, loadModel, type VideoText } from "../../model/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { writeEmoClip } from "../kit/emoclip-file.ts";
import { refusal } from "../kit/refusal.ts";
import { runProgram } from "../run/program.ts";

await sharedGpu();
const root = mkdtempSync(join(tmpdir(), "emotionclip-recognise-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
const CLI = resolve("dist", "cli.js");
const classes = ["happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"];

/** A DFEW of two folds, three clips of two frames in each; the last clip of the first has none. */
async function makeSet(): Promise<string> {
  const folder = join(root, "DFEW");
  for (const fold of [1, 2, 3, 4, 5]) {
    const ids = [0, 1, 2].map((i) => `${fold}000${i}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `DFEW_set_${fold}_test.txt`), ids.map((id, i) => `/srv/x/${id} 2 ${i}`).join("\n"));
    for (const [i, id] of ids.entries()) {
      const clip = join(folder, "DFEW_Frame_Face", id);
      mkdirSync(clip, { recursive: true });
      if (fold === 1 && i === 2) continue;
      for (const frame of [1, 2]) {
        const data = Uint8Array.from({ length: 3 * 40 * 40 }, (_, k) => (k * (fold + i) * frame) % 256);
        writeFileSync(join(clip, `${frame}.png`), await encodePng({ data, width: 40, height: 40 }));
      }
    }
  }
  return folder;
}

const [set, checkpoint] = [await makeSet(), await writeEmoClip(join(root, "emoclip.safetensors"), classes)];
const cache = join(root, "cache");
const recognise = (...words: string[]) => runProgram(CLI, ["recognise", ...words, "--cache", cache], { cwd: root });
const names = ["--classes", classes.join(",")];

async function pageOf(...words: string[]): Promise<RecognitionPage> {
  const { code, stdout, stderr } = await recognise(...words, "--json");
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as RecognitionPage;
}

test("five folds are recognised, with every choice in the page, and missing clips counted", async () => {
  const page = await pageOf("dfew", "--data", set, "--checkpoint", checkpoint, ...names, "--every", "1");
  assert.equal(
    page.folds.map(({ fold, clips }) => [fold, clips]),
    [
      [1, 2],
      [2, 3],
      [3, 3],
      [4, 3],
      [5, 3],
    ],
  );
  assert.equal([page.missing, page.bad, page.classes.length], [1, [], 7]);
  assert.ok(page.war.mean >= 0 && page.war.mean <= 1 && page.war.deviation !== undefined);
  assert.equal(
    [page.choices.window, page.choices.clip, page.choices.averaging],
    ["centre", "4 frames", "one prompt a class"],
  );
  assert.match(page.notes.join("\n"), /fold 1: 1 of 3 listed clips have no frames: 10002/);
  assert.is(page.published!.rows.length, 12);
  const again = await pageOf("dfew", "--data", set, "--checkpoint", checkpoint, ...names, "--every", "1");
  assert.equal(again, page);
});

test("a clip whose pictures cannot be read is left out and named, also where its size is looked at first", async () => {
  const path = join(set, "DFEW_Frame_Face", "30000", "1.png");
  const whole = readFileSync(path);
  writeFileSync(path, "no picture");
  const words = ["dfew", "--data", set, "--checkpoint", checkpoint, ...names, "--every", "1", "--fold", "3"];
  const page = await pageOf(...words, "--max-bad", "0.5");
  assert.equal([page.folds[0].clips, page.bad.length], [2, 1]);
  assert.match(page.bad[0], /30000.*1\.png/);
  assert.match(page.notes.join("\n"), /pictures of 2 clips: 40x40/);
  const refused = await recognise(...words, "--max-bad", "0");
  assert.is(refused.code, 5, refused.stderr);
  writeFileSync(path, whole);
});

test("features are kept: a stop is heard at the next clip, and what was made before is not made again", async () => {
  const { root: at, ...rest } = await openFaceSet("dfew", set, { split: "test", fold: 2 });
  const { clips } = await surveyFaces({ root: at, ...rest });
  const view = { length: 4, every: 1, side: 32, colours: "imagenet", window: "centre", augment: false } as const;
  let [asked, encoded] = [0, 0];
  const model = {
    takes: { frames: 4, side: 32 },
    embed: 16,
    encodeVideo: ({ shape: [B] }: Tensor) => {
      encoded += B;
      return full([B, 16], encoded);
    },
    encodeText: () => assert.unreachable(),
  } as unknown as VideoText;
  const faces = faceClips(
    clips.map((clip) => ({ root: at, clip })),
    view,
    1,
  );
  const open = () =>
    KeptFeatures.open(
      faces,
      { benchmark: "dfew", split: "test-2", checkpoint: "x", input: viewKey(view, 1), width: 16 },
      { folder: cache, say: () => {} },
    );
  const stop = {
    get requested() {
      return asked++ > 0 ? 130 : undefined;
    },
  };
  const first = await open();
  await first.fill(model, { maxBad: 0, batch: 1, stop });
  assert.equal([first.done, first.isComplete, clips.length], [2, false, 3]);
  assert.match((await refusal(open())).message, /in use|process/);
  await first.close();
  const second = await open();
  await second.fill(model, { maxBad: 0, batch: 1, stop: { requested: undefined } });
  const { features, kept, bad } = await second.read(0);
  assert.equal([kept, bad, encoded], [[0, 1, 2], [], 3]);
  assert.equal(
    [0, 1, 2].map((n) => features.data[16 * n]),
    [1, 2, 3],
  );
  await second.close();
});

test("kept features are a model's own: of other weights behind the frames they are others", async () => {
  const hashOf = async (path: string) => {
    const { plan, close } = await openPlan({ checkpoint: path });
    const hash = await frameWeightsHash(plan);
    await close();
    return hash;
  };
  const written = (part: string) =>
    writeEmoClip(join(root, "other.safetensors"), classes, (name, values) => {
      if (name.startsWith(part)) values[0] += 1;
    });
  const own = await hashOf(checkpoint);
  assert.is.not(await hashOf(await written("temporal.cls_token")), own);
  assert.is.not(await hashOf(await written("backbone.visual.conv1")), own);
  assert.is(await hashOf(await written("backbone.token_embedding")), own);
});

test("as text it has both figures, the table of classes and the published ones with their source", async () => {
  const { code, stdout, stderr } = await recognise(
    "dfew",
    "--data",
    set,
    "--checkpoint",
    checkpoint,
    ...names,
    "--fold",
    "2",
  );
  assert.is(code, 0, stderr);
  assert.match(stdout, /WAR \d+\.\d\d % {3}UAR \d+\.\d\d %/);
  assert.match(stdout, /happiness +(\d+\.\d\d %|-)( +\d+){7}/);
  assert.match(stdout, /EmoCLIP \(B\/32, captions of MAFW\) +36\.76 +46\.27/);
  assert.match(stderr, /dfew: list DFEW_set_2_test\.txt: path \[frames\] label between blanks/);
});

test("several texts a class are averaged, from a YAML file; a random window is drawn from its seed", async () => {
  const file = join(root, "classes.yaml");
  writeFileSync(file, classes.map((name) => `${name}: [${name}, ${name} ${classes[0]}]`).join("\n"));
  const words = ["dfew", "--data", set, "--checkpoint", checkpoint, "--classes", file, "--fold", "2"];
  const page = await pageOf(...words, "--window", "random", "--seed", "4", "--every", "1");
  assert.equal([page.choices.averaging, page.choices.seed], ["mean of 14 prompts over 7 classes", 4]);
});

test("compound emotions are the means of their classes; logits may be averaged; the softmax of each clip is told", async () => {
  const folder = join(root, "MAFW");
  for (const [fold, label] of [
    "anger_disgust",
    "fear_surprise",
    "anger_disgust",
    "sadness_fear",
    "anger_fear",
  ].entries()) {
    const lists = join(folder, "Train_Test_Set", "compound", "no_caption", `set_${fold + 1}`);
    mkdirSync(lists, { recursive: true });
    writeFileSync(join(lists, "test.txt"), `0000${fold}.mp4 ${label}\n`);
    mkdirSync(join(folder, "data", "faces", `0000${fold}`), { recursive: true });
    const data = Uint8Array.from({ length: 3 * 40 * 40 }, (_, k) => (k * (fold + 3)) % 256);
    const path = join(folder, "data", "faces", `0000${fold}`, "1.png");
    writeFileSync(path, await encodePng({ data, width: 40, height: 40 }));
  }
  const file = join(root, "compounds.yaml");
  const parts = ["anger", "disgust", "fear", "surprise", "sadness"];
  writeFileSync(file, parts.map((name) => `${name}: [${name}, ${name} ${classes[1]}]`).join("\n"));
  const words = ["mafw", "--emotions", "compound", "--data", folder, "--checkpoint", checkpoint, "--classes", file];
  const page = await pageOf(...words, "--average", "logits", "--fold", "1");
  assert.equal(
    page.classes.map(({ name }) => name),
    ["anger_disgust", "anger_fear", "fear_surprise", "sadness_fear"],
  );
  assert.equal(page.classes[0].texts, ["anger", "anger sadness", "disgust", "disgust sadness"]);
  assert.equal(
    [page.choices.averaging, page.choices.compounds],
    ["mean logit of 16 prompts over 4 classes", "means of the embeddings of their classes"],
  );
  const [{ id, label, probabilities }] = page.folds[0].told;
  assert.equal([id, label, probabilities.length], ["00000", 0, 4]);
  assert.ok(Math.abs(probabilities.reduce((sum, p) => sum + p, 0) - 1) < 1e-5);
  const refused = await recognise("dfew", "--emotions", "compound", "--data", set, "--checkpoint", checkpoint);
  assert.equal([refused.code, refused.stdout], [2, ""]);
  assert.match(refused.stderr, /mafw has lists of them, dfew has not/);
});

test("features of any model go through the same protocol, and through a head before", async () => {
  const rows = (values: number[][]) =>
    Buffer.concat([
      ...npyBytes([{ shape: [values.length, values[0].length], data: Float32Array.from(values.flat()) }]),
    ]);
  const one = (at: number, size: number) => Array.from({ length: size }, (_, i) => (i === at ? 1 : 0));
  const paths = [1, 2, 3, 4, 5].map((fold) => {
    const path = join(root, `f${fold}.npy`);
    writeFileSync(path, rows([0, 1, fold === 1 ? 0 : 2].map((label) => one(label, 7)))); // the first fold has one mistake
    return path;
  });
  writeFileSync(join(root, "t.npy"), rows(classes.map((_, c) => one(c, 7))));
  const given = ["dfew", "--data", set, "--features", paths.join(","), "--text-features", join(root, "t.npy")];
  const page = await pageOf(...given);
  assert.ok(Math.abs(page.war.mean - (2 / 3 + 4) / 5) < 1e-12);
  assert.ok(Math.abs(page.folds[0].uar - 2 / 3) < 1e-12);
  // a head that swaps the first two classes for features and texts alike changes nothing
  writeFileSync(join(root, "h.npy"), rows([1, 0, 2, 3, 4, 5, 6].map((c) => one(c, 7))));
  assert.equal((await pageOf(...given, "--projection", join(root, "h.npy"))).war, page.war);
});

test("the clips of one class alone are told among all classes; published figures are no measure of that", async () => {
  const words = ["dfew", "--data", set, "--checkpoint", checkpoint, ...names, "--every", "1", "--only", "sad"];
  const page = await pageOf(...words);
  assert.equal(
    page.folds.map(({ clips, classes: [, { support, recall }] }) => [clips, support, recall]),
    page.folds.map(({ war }) => [1, 1, war]),
  );
  assert.equal([page.choices.clips, page.published], ["of sadness alone", undefined]);
  for (const { war, uar } of page.folds) assert.is(uar, war === 1 ? 1 : 0);
  const given = ["dfew", "--data", set, "--features", [1, 2, 3, 4, 5].map((fold) => `f${fold}.npy`).join(",")];
  const files = await pageOf(...given, "--text-features", "t.npy", "--only", "sadness");
  assert.equal(
    files.folds.map(({ clips, war, uar }) => [clips, war, uar]),
    [1, 2, 3, 4, 5].map(() => [1, 1, 1]),
  );
  const faults: [string, number, RegExp][] = [
    ["sadnes", 2, /--only: dfew has no class "sadnes" \(did you mean sadness\?\)/],
    ["fear", 3, /--only: no clip of dfew test, fold 1, is of fear/],
  ];
  for (const [word, code, message] of faults) {
    const found = await recognise("dfew", "--data", set, "--checkpoint", checkpoint, ...names, "--only", word);
    assert.is(found.code, code, found.stderr);
    assert.match(found.stderr, message);
  }
});

test("features that are not finite are refused, with exit 5: no class of them is the first", async () => {
  const rows = (values: number[]) =>
    Buffer.concat([...npyBytes([{ shape: [values.length / 7, 7], data: Float32Array.from(values) }])]);
  for (const name of ["features", "texts", "head"]) {
    for (const [file, size] of [["features", 3] as const, ["texts", 7] as const, ["head", 7] as const]) {
      const values = Array.from({ length: 7 * size }, (_, i): number => (i % 8 === 0 ? 1 : 0));
      if (file === name) values[9] = Number.NaN;
      writeFileSync(join(root, `${file}.npy`), rows(values));
    }
    const given = ["--features", "features.npy", "--text-features", "texts.npy", "--projection", "head.npy"];
    const { code, stdout, stderr } = await recognise("dfew", "--data", set, "--fold", "2", ...given);
    assert.equal([code, stdout], [5, ""], stderr);
    assert.match(stderr, new RegExp(`${name}\\.npy: value 9 of \\d+ is NaN`));
  }
});

test("what is wrong is named, with exit 2 or 3, and nothing is printed", async () => {
  const faults: [string[], number, RegExp][] = [
    [["dfew", "--data", set], 2, /either --checkpoint or --features/],
    [["dfew", "--data", set, "--features", "x.npy"], 2, /--features and --text-features go together/],
    [
      ["dfew", "--data", set, "--checkpoint", checkpoint, "--fold", "6"],
      2,
      /--fold: "6" is not all or a number from 1 to 5/,
    ],
    [["own", "--data", set, "--checkpoint", checkpoint], 2, /--list: own needs a list/],
    [["dfew", "--checkpoint", checkpoint], 2, /--data <folder> is needed: where dfew lies/],
    [["stage-faces", "--data", set, "--checkpoint", checkpoint], 2, /--data: stage-faces has its own/],
    [
      ["dfew", "--data", set, "--checkpoint", checkpoint, "--classes", "happiness,joy"],
      2,
      /no text for sadness.*"joy" are none of them/,
    ],
    [["ferv39k", "--data", set, "--checkpoint", checkpoint], 3, /none of test_image\.txt/],
    [["dfew", "--data", set, "--checkpoint", join(set, "DFEW_set_1_test.txt"), ...names], 3, /DFEW_set_1_test\.txt/],
  ];
  for (const [words, code, message] of faults) {
    const found = await recognise(...words);
    assert.equal([found.code, found.stdout], [code, ""], found.stderr);
    assert.match(found.stderr, message);
  }
});

test("with --average-frames a clip is the mean of its frames' features", async () => {
  const pixels = Float32Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.sin(i));
  const { model, free } = await loadModel<EmoClip>(checkpoint);
  const [each, clip] = await compute(() => {
    const frames_N3SS = tensor(pixels, [2, 3, 32, 32]);
    const mask = zeros([1, 2, 32, 32]);
    return [
      model.encodeFrames(frames_N3SS.reshape([1, 2, 3, 32, 32])),
      averaged(model).encodeVideo(frames_N3SS.reshape([1, 2, 3, 32, 32]), mask),
    ];
  });
  free();
  const middle = Array.from({ length: 16 }, (_, e) => (each[e] + each[16 + e]) / 2);
  const norm = Math.hypot(...middle);
  for (const [e, value] of middle.entries()) assert.ok(Math.abs(clip[e] - value / norm) < 1e-5, `number ${e}`);
  const { stdout } = await recognise("dfew", "--data", set, "--checkpoint", checkpoint, ...names, "--average-frames");
  assert.match(stdout, /clip +4 frames, their features averaged/);
});

test("test folds that share a clip are refused", async () => {
  const list = readFileSync(join(set, "DFEW_set_1_test.txt"), "utf8");
  writeFileSync(join(set, "DFEW_set_5_test.txt"), list);
  const { code, stderr } = await recognise("dfew", "--data", set, "--checkpoint", checkpoint, ...names);
  assert.is(code, 3);
  assert.match(stderr, /DFEW_set_5_test\.txt: line 1: "10000" is tested in fold 1 as well/);
});

test.run();
