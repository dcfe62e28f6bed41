// The embedded faces: clips of drawn faces that follow from their numbers, captions and class texts.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openOwnFaces } from "../../data/faces/sets.ts";
import { surveyFaces } from "../../data/faces/survey.ts";
import { drawFaceClip, drawPicture, faceFrames, faceSide, planFace } from "../../data/stage/faces/clip.ts";
import { expressionNames, expressions } from "../../data/stage/faces/expressions.ts";
import { ensureFaces, filesOfFaces, facesPlace, missingFaces } from "../../data/stage/faces/on-disk.ts";
import { expressionTexts } from "../../data/stage/faces/words.ts";
import { wordsOf } from "../../data/tokenizer/words.ts";
import { inTemporary } from "../kit/temporary.ts";

const seed = 2022;
const plans = (count: number, split: "train" | "test" | "pictures" = "train") =>
  Array.from({ length: count }, (_, i) => planFace(seed, split, i));
const digest = (pictures: readonly Uint8Array[]) =>
  pictures.reduce((hash, picture) => hash.update(picture), createHash("sha256")).digest("hex");

test("a clip follows from seed, split and index: the same bytes each time, other ones for each of them", () => {
  const drawn = (...name: Parameters<typeof planFace>) => digest(drawFaceClip(planFace(...name)));
  assert.is(drawn(seed, "train", 7), drawn(seed, "train", 7));
  const others = [
    drawn(seed, "train", 7),
    drawn(seed, "train", 8),
    drawn(seed, "test", 7),
    drawn(seed + 1, "train", 7),
  ];
  assert.is(new Set(others).size, 4);
});

test("a clip is eight square pictures; a picture is one moment, or the middle of two side by side", () => {
  const clip = drawFaceClip(planFace(seed, "test", 3));
  assert.is(clip.length, faceFrames);
  assert.ok(clip.every((picture) => picture.length === 3 * faceSide ** 2));
  const shown = plans(100, "pictures").map(({ frames }) => frames.length);
  assert.equal([...new Set(shown)].sort(), [1, 2]);
  const [pair] = plans(100, "pictures").filter(({ frames }) => frames.length === 2);
  const [left] = drawFaceClip(pair);
  const picture = drawPicture(pair);
  assert.equal(picture.subarray(0, 3 * 24), left.subarray(3 * 12, 3 * 36));
});

test("in every ten clips each of the ten expressions occurs once", () => {
  for (const from of [0, 10, 20])
    assert.is(
      new Set(
        plans(30)
          .slice(from, from + 10)
          .map(({ expression }) => expression),
      ).size,
      10,
    );
});

test("nobody is in two of the splits that are trained on and tested", () => {
  const names = (split: "train" | "test") => new Set(plans(200, split).map(({ who }) => who.name));
  const tested = names("test");
  assert.is([...names("train")].filter((name) => tested.has(name)).length, 0);
});

test("fear and surprise are the same actions, relief and disappointment the same in turns: only time tells them", () => {
  assert.equal(expressions.fear.comes, expressions.surprise.comes);
  assert.equal(expressions.relief.comes, expressions.disappointment.goes);
  assert.equal(expressions.relief.goes, expressions.disappointment.comes);
  const last = (name: string) =>
    plans(200)
      .filter(({ expression }) => expression === name)
      .map(({ motions }) => Math.max(...motions.map(({ levels }) => levels.at(-1)!)));
  assert.ok(last("fear").every((level) => level > 0.3));
  assert.ok(last("surprise").filter((level) => level < 0.3).length > 0.7 * last("surprise").length);
});

test("no caption names an expression, and the class texts have no word that captions lack", () => {
  const captions = plans(600).map(({ caption }) => caption);
  for (const name of expressionNames) assert.ok(!captions.some((caption) => caption.includes(name)), name);
  assert.equal(Object.keys(expressionTexts), expressionNames);
  const known = new Set(captions.flatMap(wordsOf));
  assert.equal(
    Object.values(expressionTexts)
      .flatMap(wordsOf)
      .filter((word) => !known.has(word)),
    [],
  );
  assert.is(new Set(Object.values(expressionTexts)).size, expressionNames.length);
});

test("on disk they are a set of face clips with its list and texts; a stop on the way leaves nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "drawn-faces-"));
  try {
    const place = { ...facesPlace(folder, "test"), clips: 12 };
    const told: number[] = [];
    const meter = { start() {}, say() {}, at: (done: number) => told.push(done) };
    assert.is(await ensureFaces(place, meter, { requested: 130 }), undefined);
    assert.equal(readdirSync(folder), []);
    assert.is(missingFaces(place), 12);
    assert.is(await ensureFaces(place, meter, { requested: undefined }), place.folder);
    assert.is(missingFaces(place), 0);
    assert.is(told.at(-1), 12);
    const set = await openOwnFaces(filesOfFaces(place.folder).list, place.folder);
    const { clips, missing } = await surveyFaces(set);
    assert.equal(missing, []);
    assert.ok(clips.every(({ frames, caption }) => frames.length === faceFrames && caption));
    assert.equal(JSON.parse(readFileSync(filesOfFaces(place.folder).texts, "utf8")), expressionTexts);
    assert.ok(existsSync(join(place.folder, "00000", "7.jpg")));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("what a killed draw left is removed by the next one; that of one who lives stays", () =>
  inTemporary(async (folder) => {
    const [dead, alive] = [`test.tmp-${2 ** 30}-1`, `test.tmp-${process.ppid}-1`];
    for (const left of [dead, alive]) mkdirSync(join(folder, left, "00000"), { recursive: true });
    const meter = { start() {}, say() {}, at() {} };
    await ensureFaces({ ...facesPlace(folder, "test"), clips: 1 }, meter, { requested: undefined });
    assert.equal(readdirSync(folder), ["test", alive]);
  }));

test("of two who want a split at once one draws it, and the other waits; a stop ends the waiting", () =>
  inTemporary(async (folder) => {
    const place = { ...facesPlace(folder, "test"), clips: 2 };
    const heard: string[] = [];
    const stop: { requested: number | undefined } = { requested: undefined };
    const stopping = { start() {}, say: () => (stop.requested = 130), at() {} };
    let third: Promise<unknown> | undefined;
    const start = (phase: string) => {
      heard.push(phase);
      third ??= ensureFaces(place, stopping, stop);
    };
    const meter = { start, say: (line: string) => heard.push(line), at() {} };
    const both = [meter, meter].map((each) => ensureFaces(place, each, { requested: undefined }));
    assert.equal(await Promise.all(both), [place.folder, place.folder]);
    assert.is(await third, undefined);
    assert.is(heard.filter((line) => line === "make data").length, 1);
    assert.is(heard.filter((line) => /in use by .*; waiting until it is free$/.test(line)).length, 1);
    assert.equal(readdirSync(folder), ["test"]);
  }));

test.run();
