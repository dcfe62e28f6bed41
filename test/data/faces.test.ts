// Face clips: lists in all their forms, what the disk has of them, which frames are seen, and how pictures and turns come out.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { sourcesOf, turned } from "../../data/faces/augment.ts";
import { chosenFrames, showFaces } from "../../data/faces/clips.ts";
import { facePicture } from "../../data/faces/picture.ts";
import type { FaceSetName } from "../../data/faces/layouts.ts";
import { openFaceSet, openOwnFaces, refuseShared } from "../../data/faces/sets.ts";
import { surveyFaces, surveyNotes } from "../../data/faces/survey.ts";
import { framesLookedAt, wrappedWindow } from "../../data/faces/window.ts";
import { encodePng } from "../../data/pixels/png.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

/** Writes files by their paths below a folder; text, or bytes. */
function write(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

const grey = (side: number, value: number) =>
  encodePng({ data: new Uint8Array(3 * side * side).fill(value), width: side, height: side });

const opened = (name: FaceSetName, root: string, split: string, fold = 1) => openFaceSet(name, root, { split, fold });
const told = ({ clips, classes }: Awaited<ReturnType<typeof opened>>) =>
  clips.map(({ folder, label, listed }) => [folder, classes[label], listed]);

test("DFEW: paths of another server, five folds, classes by number from 0 or from 1", () =>
  inTemporary(async (root) => {
    const lines = (from: number) =>
      [0, 1, 2, 3, 4, 5, 6]
        .map((label) => `/home/somebody/DFEW/clips/0000${label} ${16 + label} ${label + from}`)
        .join("\n");
    write(root, { "DFEW_set_1_test.txt": lines(0), "DFEW_set_2_test.txt": `${lines(1)}\r\n\r\n` });
    const [one, two] = [await opened("dfew", root, "test", 1), await opened("dfew", root, "test", 2)];
    assert.equal(told(one).slice(0, 2), [
      ["00000", "happiness", 16],
      ["00001", "sadness", 17],
    ]);
    assert.equal(told(two), told(one));
    assert.match(two.notes.join("\n"), /class numbers are 1 to 7: one is taken off/);
    assert.match(one.notes.join("\n"), /of listed paths the last part names a clip below DFEW_Frame_Face/);
    assert.instance(await refusal(opened("dfew", root, "test", 6)), UsageError);
    assert.match((await refusal(opened("dfew", root, "test", 3))).message, /none of DFEW_set_3_test\.txt/);
    assert.match(
      (await refusal(opened("dfew", root, "val"))).message,
      /unknown split "val" of dfew; known: train, test/,
    );
  }));

test("FERV39k: the last three parts of a path name a clip", () =>
  inTemporary(async (root) => {
    write(root, {
      "test_image.txt": "./2_ClipsforFaceCrop/Action/Happy/0267 64 0\n./2_ClipsforFaceCrop/Action/Sad/0268 64 1",
    });
    assert.equal(told(await opened("ferv39k", root, "test")), [
      ["Action/Happy/0267", "happiness", 64],
      ["Action/Sad/0268", "sadness", 64],
    ]);
  }));

test("MAFW: captions between tabs in GBK, compound emotions left out; numbers follow the published lists", () =>
  inTemporary(async (root) => {
    const gbk = Uint8Array.of(0xd1, 0xdb); // 眼
    const line = (name: string, label: string, english: string) =>
      Buffer.concat([Buffer.from(`${name}\t${label}\t`), gbk, Buffer.from(`\t${english}\r\n`)]);
    write(root, {
      "Train_Test_Set/single/with_caption/set_1/test.txt": Buffer.concat([
        line("00001.mp4", "anger", "A man frowns."),
        line("00002.mp4", "anger_disgust", "A man sneers."),
        line("00003.mp4", "contempt", "-"),
      ]),
      "Train_Test_Set/single/no_caption/set_2/test.txt": "00004.mp4 0\n00005.mp4 3\n",
    });
    const one = await opened("mafw", root, "test", 1);
    assert.equal(told(one), [
      ["00001", "anger", undefined],
      ["00003", "contempt", undefined],
    ]);
    assert.equal(
      one.clips.map(({ caption }) => caption),
      ["A man frowns.", undefined],
    );
    assert.match(one.notes.join("\n"), /read as GBK[\s\S]*1 clips of compound emotions are left out/);
    assert.equal(told(await opened("mafw", root, "test", 2)), [
      ["00004", "happiness", undefined],
      ["00005", "anger", undefined],
    ]);
  }));

test("AFEW: folders are the list; own sets: a list name,class", () =>
  inTemporary(async (root) => {
    for (const clip of ["Happy/a", "Angry/b", "Fear/c"])
      mkdirSync(join(root, "AFEW_Face/validation", clip), { recursive: true });
    const afew = await opened("afew", root, "validation");
    assert.equal(
      told(afew).map(([folder, name]) => [folder, name]),
      [
        ["validation/Angry/b", "anger"],
        ["validation/Fear/c", "fear"],
        ["validation/Happy/a", "happiness"],
      ],
    );
    write(root, { "own.csv": "name,class\nx/1,bored\nx/2,keen\n" });
    const own = await openOwnFaces(join(root, "own.csv"), root);
    assert.equal(
      [own.classes, told(own).map(([, name]) => name)],
      [
        ["bored", "keen"],
        ["bored", "keen"],
      ],
    );
  }));

test("a table of one's own: quotes, quoted commas, any case, GBK, captions; classes are words as they stand", () =>
  inTemporary(async (root) => {
    const list = join(root, "own.csv");
    const rows =
      '\ufeff"Name", Class ,CAPTION,age\r\n"a, b/1",Very_Bored,"He says ""no"", and yawns.",3\r\nx/2,"Happy",-,4\r\n';
    writeFileSync(list, rows);
    const own = await openOwnFaces(list, root);
    assert.equal(told(own), [
      ["1", "very_bored", undefined],
      ["2", "happy", undefined],
    ]);
    assert.equal(
      own.clips.map(({ caption }) => caption),
      ['He says "no", and yawns.', undefined],
    );
    assert.match(own.notes.join("\n"), /own\.csv: columns that are passed over: "age"/);
    writeFileSync(
      list,
      Buffer.concat([Buffer.from("name,class\nx/"), Uint8Array.of(0xd1, 0xdb), Buffer.from(",sad\n")]),
    );
    assert.equal((await openOwnFaces(list, root)).clips[0].id, "\u773c");
    const faults: [string, RegExp][] = [
      ["name,klass\na,b", /own\.csv: the header \(row 0\) has no column "class", but "klass"/],
      ["name,class,Caption,caption\na,b,c,d", /own\.csv: the header has the column "caption" twice/],
      ["name,class\na,", /own\.csv: row 1 \(line 2\), column "class" is empty/],
      ["name,class\na,b,c", /own\.csv: row 1 \(line 2\) has 3 cells, expected 2/],
      ['name,class\n"a,b', /own\.csv: row 1.* is not valid CSV: a quote without an end/],
      ["name,class\n", /own\.csv: has no rows/],
      ["name,class\nx,a\nx,b", /row 2 \(line 3\): "x" is in row 1 \(line 2\) already/],
    ];
    for (const [text, message] of faults) {
      writeFileSync(list, text);
      const error = await refusal(openOwnFaces(list, root));
      assert.instance(error, FormatError);
      assert.match(error.message, message);
    }
  }));

test("of MAFW's lists that of all clips is read, or that with captions where those are wanted", () =>
  inTemporary(async (root) => {
    const at = (kind: string) => `Train_Test_Set/single/${kind}/set_1/train.txt`;
    write(root, {
      [at("no_caption")]: "1.mp4 0\n2.mp4 1\n",
      [at("with_caption")]: "1.mp4\tanger\tx\tShe frowns.\r\n",
    });
    const read = (prefer?: "captions") => openFaceSet("mafw", root, { split: "train", fold: 1, prefer });
    assert.equal([(await read()).clips.length, (await read("captions")).clips[0].caption], [2, "She frowns."]);
  }));

test("a clip that is tested and trained on is named with both lines; other folders and other clips are fine", () =>
  inTemporary(async (root) => {
    write(root, { "DFEW_set_1_train.txt": "a 3 0\nb 3 1\n", "DFEW_set_1_test.txt": "c 3 0\nb 3 1\n" });
    const message = /DFEW_set_1_test\.txt: line 2: "b" is tested, and trained on as well/;
    for (const split of ["train", "test"]) assert.match((await refusal(opened("dfew", root, split))).message, message);
    const alone = (split: string) => openFaceSet("dfew", root, { split, list: join(root, `DFEW_set_1_${split}.txt`) });
    const [train, shared] = [await alone("train"), await alone("test")];
    assert.throws(
      () => refuseShared(train, shared),
      /DFEW_set_1_test\.txt: line 2: "b" is tested, and trained on as well \(DFEW_set_1_train\.txt: line 2\); 1 of 2/,
    );
    refuseShared(train, { ...shared, clips: shared.clips.slice(0, 1) });
    refuseShared(train, { ...shared, root: join(root, "elsewhere") });
  }));

test("faults of lists are named by line", () =>
  inTemporary(async (root) => {
    const faults: [string, RegExp][] = [
      ["a 16 0\nb 16", /line 2: the class is 16, expected 0 to 6/],
      ["a 16 0\nb 16 7", /line 2: the class is 7, expected 0 to 6/],
      ["a 16 0\na 16 1", /line 2: "a" is in line 1 already/],
      ["a sixteen 0", /line 1: frames are "sixteen"/],
      ["a 0 1", /line 1: frames are "0", expected a whole number from 1/],
      ["a 3 happiness_sadnes", /line 1: unknown class "happiness_sadnes"/],
      ["a 16 joy", /line 1: unknown class "joy"; known: happiness/],
      ["a 1 2 3 4", /line 1 is "a 1 2 3 4", expected path, frames and label/],
      ["", /has no lines/],
      ["a 16 happiness_sadness", /no clip has a single class/],
    ];
    for (const [text, message] of faults) {
      write(root, { "DFEW_set_1_test.txt": text });
      const error = await refusal(opened("dfew", root, "test"));
      assert.instance(error, FormatError);
      assert.match(error.message, message);
    }
  }));

test("what the disk has of a list is counted and named, and of the pictures what can be told", () =>
  inTemporary(async (root) => {
    const png = await grey(24, 100);
    write(root, {
      "DFEW_set_1_test.txt": "a 2 0\nb 5 1\nc 3 2",
      "DFEW_Frame_Face/a/1.png": png,
      "DFEW_Frame_Face/a/2.png": png,
      "DFEW_Frame_Face/b/1.png": png,
      "DFEW_Frame_Face/b/notes.txt": "no picture",
    });
    const survey = await surveyFaces(await opened("dfew", root, "test"));
    assert.equal(
      survey.clips.map(({ frames }) => frames.length),
      [2, 1],
    );
    assert.equal([survey.missing, survey.other], [["c"], [{ id: "b", listed: 5, found: 1 }]]);
    const notes = surveyNotes(survey).join("\n");
    assert.match(notes, /1 of 3 listed clips have no frames: c/);
    assert.match(notes, /b \(1, listed 5\)/);
    assert.match(notes, /24x24; all alike and square, as aligned face crops are/);
  }));

test("a first picture that cannot be read is counted and named; the others are measured", () =>
  inTemporary(async (root) => {
    write(root, {
      "DFEW_set_1_test.txt": "a 1 0\nb 1 1\nc 1 2",
      "DFEW_Frame_Face/a/1.png": await grey(24, 100),
      "DFEW_Frame_Face/b/1.png": "no picture",
      "DFEW_Frame_Face/c/1.png": await grey(24, 100),
    });
    const survey = await surveyFaces(await opened("dfew", root, "test"));
    assert.equal([survey.clips.length, survey.unreadable], [3, ["b/1.png"]]);
    const notes = surveyNotes(survey);
    assert.equal(notes[0], "1 of 3 pictures looked at cannot be read: b/1.png");
    assert.match(notes[1], /^pictures of 2 clips: 24x24;/);
    write(root, { "DFEW_Frame_Face/b/1.png": await grey(24, 100) });
    assert.not(surveyNotes(await surveyFaces(await opened("dfew", root, "test"))).some((note) => /cannot/.test(note)));
  }));

test("a path that leads out of the set is no clip of it", () =>
  inTemporary(async (root) => {
    write(root, { "list.txt": "../../../etc 3 0\n", "DFEW_Frame_Face/x/1.png": await grey(8, 0) });
    const set = await openFaceSet("dfew", root, { split: "test", list: join(root, "list.txt") });
    assert.equal((await surveyFaces(set)).missing, ["etc"]);
  }));

test("a window has so many frames, every k-th, whatever the clip's length", () => {
  const whole = (most: number) => fc.integer({ min: 1, max: most });
  fc.assert(
    fc.property(whole(300), whole(8), whole(40), fc.nat(), (frames, every, length, at) => {
      const start = at % framesLookedAt(frames, every);
      const seen = wrappedWindow(frames, { every, length }, start);
      assert.is(seen.length, length);
      assert.is(seen[0], every * start);
      assert.ok(seen.every((index) => index % every === 0 && index < frames));
      // neighbours are neighbours of the clip, but for the one place where it begins anew
      const steps = [...seen].slice(1).map((index, i) => Math.abs(index - seen[i]));
      assert.ok(steps.filter((step) => step !== every && step !== 0).length <= Math.ceil(length / 2));
    }),
    { numRuns: 300, seed: 5 },
  );
});

test("the window in the middle is the same for everybody; a drawn one is a function of seed, epoch and clip", () => {
  const view = { length: 4, every: 2, side: 8, colours: "clip", window: "centre", augment: false } as const;
  const draw = { seed: 1, epoch: 0, index: 3 };
  assert.equal([...chosenFrames(20, view, draw).indices], [6, 8, 10, 12]);
  const random = { ...view, window: "random", augment: true } as const;
  assert.equal(chosenFrames(20, random, draw), chosenFrames(20, random, draw));
  const turns = Array.from({ length: 200 }, (_, index) => chosenFrames(20, random, { ...draw, index }).turn!);
  assert.ok(turns.every(({ angle }) => Math.abs(angle) <= 6));
  assert.ok(turns.filter(({ flip }) => flip).length > 70 && turns.some(({ angle }) => angle > 3));
});

test("a flat picture stays flat through the filter, and a turn of none changes nothing", () => {
  const flat = { data: new Uint8Array(3 * 30 * 20).fill(128), width: 20, height: 30 };
  const planes = facePicture(flat, 16);
  const mean = [0.48145466, 0.4578275, 0.40821073];
  const std = [0.26862954, 0.26130258, 0.27577711];
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < 256; i++) assert.ok(Math.abs(planes[256 * c + i] - (128 / 255 - mean[c]) / std[c]) < 1e-6);
  const noise = Float32Array.from({ length: 2 * 12 }, (_, i) => Math.sin(i));
  assert.equal(turned(noise, sourcesOf(3, 4, { angle: 0, flip: false })), noise);
  const mirrored = sourcesOf(3, 4, { angle: 0, flip: true });
  const twice = turned(turned(noise, mirrored), mirrored);
  assert.equal(twice, noise);
});

test("a clip is shown in floats for CLIP's eyes and in bytes for the others; an unreadable frame is a FormatError", () =>
  inTemporary(async (root) => {
    write(root, { "a/1.png": await grey(24, 10), "a/2.png": await grey(24, 200), "b/1.png": "no picture" });
    const view = { length: 3, every: 1, side: 8, window: "centre", augment: false } as const;
    const clip = (id: string, frames: string[]) => ({ id, folder: id, label: 0, place: id, frames });
    const draw = { seed: 0, epoch: 0, index: 0 };
    const bytes = await showFaces(root, clip("a", ["1.png", "2.png"]), { ...view, colours: "imagenet" }, draw);
    assert.instance(bytes, Uint8Array);
    assert.equal([bytes[0], bytes[192], bytes[384]], [10, 200, 10]);
    const floats = await showFaces(root, clip("a", ["1.png", "2.png"]), { ...view, colours: "clip" }, draw);
    assert.ok(floats instanceof Float32Array && floats.length === 3 * 192 && floats[0] < 0);
    const error = await refusal(showFaces(root, clip("b", ["1.png"]), { ...view, colours: "clip" }, draw));
    assert.instance(error, FormatError);
  }));

test.run();
