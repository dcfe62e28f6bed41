// The official training set: frames out of HDF5 (also hostile ones), index, filters, showings, sentences, and shards made of it.
import fs, { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { forTraining, Loader } from "../../data/shards/loader.ts";
import { npyBytes } from "../../data/formats/npy.ts";
import { badSamples } from "../../data/shards/check.ts";
import { openShards } from "../../data/shards/shards.ts";
import { writeShards } from "../../data/shards/writer.ts";
import { entriesOf } from "../../data/official/build-index.ts";
import { clipOf, divide } from "../../data/official/clips.ts";
import { FrameFile } from "../../data/official/frame-file.ts";
import { openHdf5 } from "../../data/formats/hdf5.ts";
import { sentencesOf, timedWords } from "../../data/official/sentences.ts";
import { TrainingSet } from "../../data/official/training-set.ts";
import { FormatError, HealthError, UsageError } from "../../engine/errors.ts";
import { matrix } from "../../eval/matrix.ts";
import { probeStage } from "../../eval/probes/probe-table.ts";
import { program } from "../../cli/cli.ts";
import { goldenPath } from "../kit/golden.ts";
import { failure, refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";
import { effort } from "../kit/effort.ts";

const official = goldenPath("emotionclip/data/train");
const many = goldenPath("emotionclip/data/many.hdf5");
/** Made with h5py: data sets of every kind, links, external and virtual storage. */
const kinds = goldenPath("hdf5");
const video = "videos/AbCdEfGhIjK";

/** A copy of the training set to be damaged. */
const withCopy = (body: (root: string) => unknown) =>
  inTemporary((folder) => {
    const root = join(folder, "train");
    cpSync(official, root, { recursive: true });
    return body(root);
  });

const reading = async (frame: number, folder = kinds, name = "kinds.hdf5") => {
  const file = await FrameFile.open(folder, name);
  try {
    return file.read(frame);
  } finally {
    file.close();
  }
};

test("strings, opaque values and bytes are read whole, zeros and all", async () => {
  const jpeg = [255, 216, 255, 0, 1, 2, 0, 255, 217];
  assert.equal([...(await reading(1))], [...jpeg, 1]);
  assert.equal([...(await reading(2))], [...jpeg, 0]);
  assert.equal([...(await reading(3))], jpeg);
});

const refusedFrames: readonly [frame: number, what: RegExp][] = [
  [4, /"00000004\.jpg" is neither a fixed-length string nor bytes/],
  [5, /"00000005\.jpg" is stored in chunks/],
  [6, /"00000006\.jpg" is neither a fixed-length string nor bytes/],
  [7, /"00000007\.jpg" has no value/],
  [8, /"00000008\.jpg" is not a data set/],
  [9, /"00000009\.jpg" is a link; links are not followed/],
  [10, /"00000010\.jpg" is a link to another file/],
  [11, /"00000011\.jpg" lies in external storage/],
  [12, /"00000012\.jpg" lies in virtual storage/],
  [13, /"00000013\.jpg" has 1099511627776 bytes, allowed are 67108864/],
  [14, /"00000014\.jpg" has 2 axes/],
  [15, /"00000015\.jpg" lies in external storage/],
  [99, /"00000099\.jpg" is not there/],
];
for (const [frame, what] of refusedFrames)
  test(`a file of frames: ${what.source.replaceAll("\\", "")}`, async () => {
    const error = await refusal(reading(frame));
    assert.instance(error, FormatError);
    assert.match(error.message, /^kinds\.hdf5: /);
    assert.match(error.message, what);
  });

test("what a file of frames points to is not opened, though it lies beside it", () =>
  inTemporary(async (folder) => {
    cpSync(join(kinds, "kinds.hdf5"), join(folder, "frames.hdf5"));
    cpSync(join(kinds, "kinds.hdf5"), join(folder, "outside.hdf5"));
    writeFileSync(join(folder, "outside.bin"), "a secret of nine bytes and more");
    for (const frame of [9, 10, 11, 12, 15])
      assert.instance(await refusal(reading(frame, folder, "frames.hdf5")), FormatError, String(frame));
    assert.is((await reading(1, folder, "outside.hdf5")).length, 10); // the neighbour itself can be read
    assert.equal(readdirSync(folder).sort(), ["frames.hdf5", "outside.bin", "outside.hdf5"]);
  }));

test("virtual storage with sources without end is refused before the library counts them", async () => {
  const refused = async () =>
    assert.match(
      (await refusal(reading(12, kinds, "endless.hdf5"))).message,
      /"00000012\.jpg" lies in virtual storage/,
    );
  const cost = await effort(refused, 2500);
  assert.ok(cost < 2500, `${cost} yardsticks`); // it was minutes before
  assert.is((await reading(1, kinds, "endless.hdf5")).length, 10);
});

test("a file is closed once: another thread may have its descriptor by then", async () => {
  const { closeSync } = fs;
  const closed: number[] = [];
  fs.closeSync = (descriptor) => {
    closed.push(descriptor);
    closeSync(descriptor);
  };
  try {
    await reading(1);
    await reading(99).catch(() => {});
    await refusal(openHdf5(join(kinds, "..", "emotionclip", "data", "train", "index.json")));
  } finally {
    fs.closeSync = closeSync;
  }
  assert.is(closed.length, 3);
});

test("names come back in order, others than frames are left alone", async () => {
  const file = await FrameFile.open(kinds, "kinds.hdf5");
  assert.equal(
    file.numbers(),
    Array.from({ length: 15 }, (_, i) => i + 1),
  );
  file.close();
  const other = await openHdf5(many);
  assert.is(other.names().length, 600);
  other.close();
});

test("a missing file, a folder, a link out of the set and a file of another kind are named", () =>
  inTemporary(async (folder) => {
    writeFileSync(join(folder, "text.hdf5"), "no HDF5 in here");
    writeFileSync(join(folder, "empty.hdf5"), "");
    mkdirSync(join(folder, "folder.hdf5"));
    symlinkSync(many, join(folder, "link.hdf5"));
    const cases = {
      missing: /ENOENT/,
      folder: /regular/,
      link: /out of its folder/,
      text: /not a readable/,
      empty: /not a/,
    };
    for (const [name, what] of Object.entries(cases)) {
      const error = await refusal(FrameFile.open(folder, `${name}.hdf5`), name);
      assert.instance(error, FormatError);
      assert.match(error.message, what);
      assert.match(error.message, new RegExp(`^${name}\\.hdf5: `));
    }
  }));

test("several files are open at the same time, and many one after another", async () => {
  const [a, b] = [await openHdf5(many), await openHdf5(join(kinds, "kinds.hdf5"))];
  assert.is(a.read("00000003.jpg", 100).length, 7);
  assert.is(b.read("00000003.jpg", 100).length, 9);
  a.close();
  assert.is(b.read("00000001.jpg", 100).length, 10);
  b.close();
  const handles = () => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0);
  const before = handles();
  for (let i = 0; i < 50; i++) (await openHdf5(many)).close();
  for (let i = 0; i < 50; i++) await refusal(openHdf5(join(official, "index.json")));
  assert.is(handles(), before);
});

test("a damaged file is read or refused, quickly, and the next one is read as ever", async () => {
  const seeds = [many, join(kinds, "kinds.hdf5"), join(official, video, "frames.hdf5")].map((path) =>
    readFileSync(path),
  );
  const change = fc.record({
    at: fc.nat(2 ** 20),
    value: fc.oneof(fc.nat(255), fc.constantFrom(0, 255)),
    run: fc.nat(7),
  });
  const damaged = fc.record({
    seed: fc.nat(seeds.length - 1),
    changes: fc.array(change, { minLength: 1, maxLength: 8 }),
    near: fc.boolean(),
    keep: fc.option(fc.nat(2 ** 18), { freq: 5 }),
  });
  await inTemporary((folder) =>
    fc.assert(
      fc.asyncProperty(damaged, async ({ seed, changes, near, keep }) => {
        const bytes = Buffer.from(seeds[seed].subarray(0, keep ?? seeds[seed].length));
        const reach = near ? Math.min(4096, bytes.length) : bytes.length; // what is not picture lies mostly in front
        for (const { at, value, run } of reach > 0 ? changes : [])
          bytes.subarray(at % reach, (at % reach) + 1 + run).fill(value);
        writeFileSync(join(folder, "frames.hdf5"), bytes);
        await readAll(folder).catch((error) => assert.instance(error, FormatError)); // a hang ends the test's process
      }),
      { numRuns: 150, seed: 2022 },
    ),
  );
  assert.is((await reading(3)).length, 9);
});

async function readAll(folder: string): Promise<void> {
  const file = await FrameFile.open(folder, "frames.hdf5");
  try {
    for (const frame of file.numbers().slice(0, 20)) {
      try {
        file.read(frame);
      } catch (error) {
        assert.instance(error, FormatError);
      }
    }
  } finally {
    file.close();
  }
}

test("the filters are strict where the official ones are", () => {
  const count = (filters: object) => TrainingSet.open(official, filters).entries.length;
  assert.is(count({}), 4);
  assert.is(count({ neutral: 0.7 }), 6);
  assert.is(count({ neutral: 0.69 }), 4);
  assert.is(count({ longerThan: 2.4, neutral: 1 }), 4); // 2.4 s is not more than 2.4 s
  assert.is(count({ person: 0.8 }), 2);
  assert.throws(() => count({ characters: 1000 }), /none of its 10 sentences pass/);
  assert.throws(() => count({ neutral: Number.NaN }), /filter neutral is NaN/);
});

test("a showing depends on seed, epoch and index alone: distinct frames, ascending, crops of their own", async () => {
  const [a, b] = [TrainingSet.open(official), TrainingSet.open(official)];
  const draw = { seed: 7, epoch: 3, index: 1 };
  await a.sample({ ...draw, index: 0 });
  const [one, two] = [await a.sample(draw), await b.sample(draw)];
  assert.equal(one.frames, two.frames);
  assert.equal(one.mask, two.mask);
  const other = await b.sample({ ...draw, epoch: 4 });
  assert.not.equal(other.frames, one.frames);
  for (let epoch = 0; epoch < 200; epoch++) {
    const { numbers, crop } = a.choose({ seed: 1, epoch, index: 0 });
    assert.is(new Set(numbers).size, 8);
    assert.equal(
      [...numbers].sort((x, y) => x - y),
      [...numbers],
    );
    assert.ok(numbers[0] >= 2 && numbers[7] <= 23); // both included
    const { x, y } = crop(0, { width: 455, height: 256 });
    assert.ok(x >= 0 && x <= 231 && y >= 0 && y <= 32);
  }
  const ends = Array.from({ length: 200 }, (_, epoch) => a.choose({ seed: 1, epoch, index: 0 }).numbers);
  assert.ok(ends.some(([first]) => first === 2) && ends.some((all) => all[7] === 23));
});

test("the exact rule moves masks up by the padding of the detector's input", async () => {
  const choice = { numbers: [4], crop: () => ({ x: 222, y: 0, width: 224, height: 224 }) };
  const top = async (boxes: "compat" | "exact") => {
    const { mask } = await TrainingSet.open(official, { boxes }).show(0, choice);
    return Math.floor(mask.indexOf(1) / 224);
  };
  const [compat, exact] = [await top("compat"), await top("exact")];
  assert.ok(exact < compat && compat - exact <= 10, `${exact} ${compat}`); // 12 of 384 rows, on 256: 8 or 9
});

test("a sample that cannot be read is replaced by the same other one each time, and counted", () =>
  withCopy(async (root) => {
    writeFileSync(join(root, video, "human_boxes.json"), '[{"00000001.jpg": []}]');
    const draws = [0, 1, 2, 3].map((index) => ({ seed: 1, epoch: 0, index }));
    const shown: number[][] = [];
    for (const set of [TrainingSet.open(root), TrainingSet.open(root)]) {
      const samples = await Promise.all(draws.map((draw) => set.sample(draw)));
      shown.push(samples.map(({ index }) => index));
      assert.equal([...set.bad.keys()].sort(), [0, 1]);
      assert.match(set.bad.get(0)!, /^"AbCdEfGhIjK" frames 2 to 23: human_boxes\.json: no entry "000000\d\d\.jpg"$/);
    }
    assert.equal(shown[0], shown[1]);
    assert.ok(shown[0].every((index) => index >= 2));
    writeFileSync(join(root, "videos/Zz_9-8abcDE/frames.hdf5"), "");
    const error = await failure(TrainingSet.open(root).sample(draws[2]));
    assert.instance(error, HealthError);
    assert.match(error.message, /20 substitutes for it are bad too/);
  }));

const validEntry = {
  video_id: "v",
  duration: 3,
  start_frame: 1,
  end_frame: 9,
  text: "words",
  neutral_score: 0,
  has_person: 1,
};
const badIndexes: readonly [index: unknown, what: RegExp][] = [
  [{}, /begins with "\{\}", not with \[/],
  [[{ ...validEntry, text: undefined }], /entry 0 has no text/],
  [[validEntry, { ...validEntry, end_frame: 0 }], /entry 1: frames 1 to 0/],
  [[{ ...validEntry, start_frame: 1.5 }], /entry 0: start_frame must be a whole number/],
  [[{ ...validEntry, neutral_score: 1.5 }], /entry 0: neutral_score is 1\.5/],
  [
    [{ ...validEntry, neutral_score: null }],
    /^index\.json: neutral_score: a number expected at byte \d+, received null/,
  ],
  [
    [{ ...validEntry, has_person: "yes" }],
    /^index\.json: has_person: a number expected at byte \d+, received a string/,
  ],
  [[{ ...validEntry, video_id: 17 }], /^index\.json: video_id: a string expected at byte \d+, received a number/],
  [[[validEntry]], /^index\.json: '\{' expected at byte \d+, received a list/],
  [[{ ...validEntry, videoid: 1 }], /entry 0: unknown field "videoid", did you mean video_id/],
  [[{ ...validEntry, text: "x".repeat(5000) }], /text has 5000 characters, allowed are 4096/],
  [[{ ...validEntry, video_id: "" }], /video_id has 0 characters/],
];
for (const [index, what] of badIndexes)
  test(`an index is refused: ${what.source.replaceAll("\\", "")}`, () =>
    withCopy((root) => {
      writeFileSync(join(root, "index.json"), JSON.stringify(index));
      assert.throws(
        () => TrainingSet.open(root),
        (error: Error) =>
          error instanceof FormatError && what.test(error.message) && /^index\.json: /.test(error.message),
      );
    }));

test("whether there is a person may be true or false", () =>
  withCopy((root) => {
    const entries = JSON.parse(readFileSync(join(root, "index.json"), "utf8"));
    const kept = TrainingSet.open(root).entries.length;
    for (const entry of entries) entry.has_person = entry.has_person > 0;
    writeFileSync(join(root, "index.json"), JSON.stringify(entries));
    const set = TrainingSet.open(root);
    assert.ok(set.entries.length >= kept && set.entries.every(({ hasPerson }) => hasPerson === 1));
  }));

test("logits of another length than the index, or not finite, are refused", () =>
  withCopy((root) => {
    const write = (shape: number[], change?: number) => {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      if (change !== undefined) data[15] = change;
      writeFileSync(join(root, "sentiment_logits.npy"), Buffer.concat([...npyBytes([{ shape, data }])]));
    };
    write([10, 7]);
    assert.is(TrainingSet.open(root).listed, 10);
    for (const shape of [[9, 7], [11, 7], [7, 10], [70]]) {
      write(shape);
      assert.throws(() => TrainingSet.open(root), /sentiment_logits\.npy: shape \[.*\], expected \[10, 7\]/);
    }
    write([10, 7], Number.POSITIVE_INFINITY);
    assert.throws(() => TrainingSet.open(root), /row 2 has the value Infinity/);
  }));

test("an id in the index cannot lead out of the folder of videos", () =>
  withCopy(async (root) => {
    for (const id of ["../videos/AbCdEfGhIjK", "/etc", "a\\b", "no such"]) {
      writeFileSync(join(root, "index.json"), JSON.stringify([{ ...validEntry, video_id: id }]));
      const logits = { shape: [1, 7], data: new Float32Array(7) };
      writeFileSync(join(root, "sentiment_logits.npy"), Buffer.concat([...npyBytes([logits])]));
      assert.instance(await refusal(TrainingSet.open(root).footage(0), id), FormatError);
    }
  }));

test("grey pictures become RGB", async () => {
  const set = TrainingSet.open(official);
  const grey = await sharp({ create: { width: 320, height: 256, channels: 3, background: "#808080" } })
    .toColourspace("b-w")
    .jpeg()
    .toBuffer();
  assert.is((await sharp(grey).metadata()).channels, 1);
  const footage = { numbers: [2], pictures: [new Uint8Array(grey)], people: [[]] };
  set.footage = async () => footage;
  const { frames } = await set.show(0, { numbers: [2], crop: () => ({ x: 0, y: 0, width: 224, height: 224 }) });
  assert.equal([...frames.subarray(0, 3)], [0x80, 0x80, 0x80]);
});

test("sentences lie between full stops, words share their line's time, noises go", () => {
  const lines = [
    { text: "Lost, before. Kept; 3.5 \u2014 one", start: 0, duration: 4 },
    { text: "...", start: 2, duration: 1 },
    { text: "[noise] two", start: 3, duration: 1 },
  ];
  const words = timedWords(lines);
  assert.equal(
    words.map(({ word }) => word),
    ["Lost", "before", "Kept", "3.5", "\u2014", "one", "[noise]", "two"],
  );
  assert.is(words[5].end, 2); // the next line begins
  const stops = (...at: number[]) => words.map((_, i) => (at.includes(i) ? "." : "0"));
  assert.equal(
    sentencesOf(words, stops(1, 3, 5)).map(({ text }) => text),
    ["Kept 3.5", "\u2014 one"],
  );
  assert.equal(sentencesOf(words, stops(5, 7)), []);
  assert.equal(sentencesOf(words, stops(1)), []);
  assert.throws(() => sentencesOf(words, ["."]), /1 labels for 8 words/);
});

test("an entry has at least eight frames, all of them there; frame 0 never is", () => {
  const sentence = (start: number, end: number) => ({ text: "t", start, end, duration: end - start });
  const frames = new Set(Array.from({ length: 40 }, (_, i) => i + 1));
  const boxes = new Map([["00000002.jpg", [[0, 0, 1, 1, 0.3] as const]]]);
  const of = (start: number, end: number) =>
    entriesOf({ videoId: "v", sentences: [sentence(start, end)], neutralScores: [0.5], frames, boxes });
  assert.is(of(0.125, 1)[0].hasPerson, 1 / 8);
  assert.equal(of(0.126, 1), []); // seven frames
  assert.equal(of(0, 2), []);
  assert.is(of(4, 5).length, 1);
  assert.equal(of(4, 5.125), []); // frame 41 is missing
});

test("clips for shards keep all frames as they are, and loaders draw the official masks to a pixel at edges", () =>
  inTemporary(async (folder) => {
    const set = TrainingSet.open(official);
    const clips = await Promise.all(set.entries.map((_, i) => clipOf(set, i)));
    assert.equal(clips[0].frames.length, 22);
    assert.is(clips[0].key, "AbCdEfGhIjK/0");
    await writeShards(folder, "train", clips);
    const shards = await openShards(folder, "train", { hash: true });
    for await (const { reason } of badSamples(shards)) assert.unreachable(reason);
    const view = { ...set.view, ...forTraining, batch: 4, seed: 5, workers: 0 };
    const loader = new Loader(shards, view);
    try {
      for await (const batch of loader.epoch(0))
        for (const [slot, index] of batch.indices.entries()) {
          const shown = await set.sample({ seed: 5, epoch: 0, index });
          const at = 8 * 224 * 224;
          assert.equal(batch.frames.slice(slot * 3 * at, (slot + 1) * 3 * at), shown.frames);
          const mask = batch.mask.slice(slot * at, (slot + 1) * at);
          const off = mask.reduce((sum, value, i) => sum + Math.abs(value - shown.mask[i]), 0);
          assert.ok(off <= 8 * 4 * 224, `${off} pixels of 8 frames`); // a line at each side of a box or two
          assert.is(batch.captions[slot], shown.text);
          assert.equal(batch.sentiment.slice(slot * 7, slot * 7 + 7), shown.sentiment);
        }
    } finally {
      await loader.close();
    }
  }));

test("frames of different sizes in a sentence are refused", async () => {
  const set = TrainingSet.open(official);
  const picture = (width: number) =>
    sharp({ create: { width, height: 20, channels: 3, background: "red" } })
      .jpeg()
      .toBuffer();
  const pictures = [await picture(30), await picture(31)];
  set.footage = async () => ({ numbers: [2, 3], pictures, people: [[], []] });
  assert.match(
    (await refusal(clipOf(set, 0))).message,
    /frames 2 to 23: 00000003\.jpg: is 31x20, the first frame 30x20/,
  );
});

test("whole videos are held out, the same ones each time", () => {
  const set = TrainingSet.open(official);
  const { train, test: held } = divide(set, 0.05);
  assert.equal([...train, ...held].sort(), [0, 1, 2, 3]);
  const videos = (of: readonly number[]) => new Set(of.map((i) => set.entries[i].videoId));
  assert.equal([videos(train).size, videos(held).size], [1, 1]);
  assert.equal(divide(set, 0.9), { train, test: held }); // one always stays on each side
  const one = Object.assign(TrainingSet.open(official), { entries: set.entries.slice(0, 2) });
  assert.throws(() => divide(one, 0.5), /of one video; at least 2/);
});

/** Runs `emotionclip shards`, and returns what it printed. */
async function shards(...words: string[]): Promise<string> {
  const write = process.stdout.write;
  let printed = "";
  process.stdout.write = ((text: string) => {
    printed += text;
    return true;
  }) as typeof write;
  try {
    await (await program(["shards", ...words])).parseAsync(["shards", ...words], { from: "user" });
  } finally {
    process.stdout.write = write;
  }
  return printed;
}

test("the command writes both splits or nothing", () =>
  withCopy(async (root) => {
    const out = `${root}-shards`;
    const summary = JSON.parse(await shards(root, out, "--json", "--max-neutral", "1"));
    assert.equal([summary.listed, summary.kept, summary.leftOut], [10, 6, []]);
    const sizes = ["train", "test"].map(async (split) => (await openShards(out, split)).samples);
    assert.equal(await Promise.all(sizes), [3, 3]);
    assert.match((await refusal(shards(root, out))).message, /exists; name a folder that does not/);
    const beside = () => readdirSync(join(root, "..")).sort();
    const before = beside();
    writeFileSync(join(root, video, "frames.hdf5"), "broken");
    const error = await refusal(shards(root, `${out}-2`));
    assert.instance(error, HealthError);
    assert.match(
      error.message,
      /1 of 4 sentences cannot be read, allowed are 0\.01; the last: "AbCdEfGhIjK" frames 2 to 23/,
    );
    assert.equal(beside(), before);
    for (const words of [
      ["--held-out", "2"],
      ["--per-shard", "0"],
      ["--max-bad", "x"],
    ])
      assert.instance(await refusal(shards(root, `${out}-3`, ...words)), UsageError);
  }));

test("a run on clips without labels measures retrieval only", () => {
  const features = matrix(3, 2, Float32Array.of(1, 0, 0, 1, 1, 1));
  const split = {
    features,
    text: features,
    categories: matrix(3, 0, new Uint8Array(0)),
    vad: matrix(3, 0, new Float32Array(0)),
  };
  assert.equal(probeStage({ train: split, test: split }), [
    ["R@1 video-text", 1],
    ["R@1 text-video", 1],
  ]);
});

test.run();
