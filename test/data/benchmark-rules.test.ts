// The rules of the data sets' readers: switches, corrections, windows, orders, geometry.
import { mkdtempSync, readFileSync, rmSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Benchmark, BenchmarkSample } from "../../data/sets/benchmark.ts";
import { boxAround, jointBoxes } from "../../data/sets/bold.ts";
import { benchmarkSplits, type OpenOptions, openBenchmark } from "../../data/sets/index.ts";
import { labels } from "../../data/sets/labels.ts";
import { modelResize, publishedResize } from "../../data/pixels/view.ts";
import { loadSample } from "../../data/sets/load.ts";
import {
  type BenchmarkName,
  benchmarkNames,
  decisionsOf,
  resolveSwitches,
  switchTable,
} from "../../data/sets/switches.ts";
import { decodeImage, frameInto } from "../../data/pixels/image.ts";
import { resizeBilinear } from "../../data/pixels/bilinear.ts";
import { maskFullSizeInto, maskInto } from "../../data/pixels/mask.ts";
import { centreOffset, shortSideSize } from "../../data/pixels/resize.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import {
  boldRow,
  joints,
  type Layout,
  layoutOf,
  meldHeader,
  meldRow,
  npy,
  picture,
  write,
} from "./benchmark-layouts.ts";
import { refusal } from "../kit/refusal.ts";
import { planes } from "../kit/planes.ts";

type Name = Parameters<typeof layoutOf>[0];

const folder = mkdtempSync(join(tmpdir(), "emotionclip-rules-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;

/** The data set with `changes` over its small layout. */
function place(name: Name, changes: Iterable<readonly [string, string | Uint8Array]> = []): string {
  const root = join(folder, String(count++));
  write(root, new Map([...layoutOf(name), ...changes]) as Layout);
  return root;
}

const open = (name: BenchmarkName, root: string, rest: Partial<OpenOptions> = {}): Promise<Benchmark> =>
  openBenchmark(name, root, { split: "train", ...rest });

/** Base names of a sample's frames. */
const framesOf = ({ source }: BenchmarkSample) =>
  source.kind === "files" ? source.frames.map((path) => path.slice(path.lastIndexOf("/") + 1)) : [];

// Switches.

test("official and corrected set every switch; alone, each has the default of the specification", () => {
  for (const row of switchTable) {
    assert.is(resolveSwitches({ compat: "official" })[row.name], row.official);
    assert.is(resolveSwitches({ compat: "corrected" })[row.name], row.corrected);
    assert.is(resolveSwitches()[row.name], row.default);
    assert.ok([row.official, row.corrected].includes(row.default));
    assert.is.not(row.official, row.corrected);
    assert.equal(Object.keys(row.about).sort(), [row.official, row.corrected].sort());
  }
  assert.equal(resolveSwitches(), {
    boxes: "compat", // quirk 2, kept
    clip: "folder", // 4, kept
    window: "repeat", // 3, kept
    smoothing: "compat", // 3, kept
    order: "sorted", // 11, fixed
    argmax: "class", // 8, fixed
  });
});

test("docs/BENCHMARKS.md has these switches, and every data set with its splits", () => {
  const text = readFileSync("docs/BENCHMARKS.md", "utf8");
  const rows = [...text.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, name, cells]) => [name, ...cells.split(" | ")]);
  assert.equal(
    rows.filter(([, , , ...more]) => more.length === 2),
    switchTable.map(({ name, of, official, corrected, default: usual }) => [
      name,
      of.join(", "),
      official,
      corrected,
      usual,
    ]),
  );
  assert.equal(
    rows.filter(([, , , ...more]) => more.length === 1).map(([name, splits]) => [name, splits]),
    benchmarkNames.map((name) => [name, benchmarkSplits(name).join(", ")]),
  );
});

test("a single switch wins over compat; unknown names and values are refused with a suggestion", () => {
  const mixed = resolveSwitches({ compat: "corrected", switches: { boxes: "compat", clip: undefined } });
  assert.equal([mixed.boxes, mixed.clip, mixed.window], ["compat", "annotated", "window"]);
  const refused = (options: object, message: RegExp) =>
    assert.throws(
      () => resolveSwitches(options),
      (e: Error) => e instanceof UsageError && message.test(e.message),
    );
  refused({ compat: "Official" }, /compat is "Official", known are official and corrected/);
  refused({ switches: { boxs: "exact" } }, /unknown switch "boxs", did you mean boxes\?/);
  refused({ switches: { toString: "exact" } }, /unknown switch "toString"/);
  refused({ switches: { boxes: "exakt" } }, /switch boxes is "exakt", known are compat, exact/);
  refused({ switches: { boxes: "constructor" } }, /switch boxes is "constructor"/);
});

test("every result names the switches that matter to its data set, and whether each is the official one", async () => {
  assert.equal(
    decisionsOf("liris", resolveSwitches()).map(({ name, value, isOfficial }) => [name, value, isOfficial]),
    [
      ["boxes", "compat", true],
      ["window", "repeat", true],
      ["order", "sorted", false],
      ["smoothing", "compat", true],
    ],
  );
  assert.equal(decisionsOf("emotic", resolveSwitches()), []);
  for (const name of benchmarkNames)
    for (const { about } of decisionsOf(name, resolveSwitches({ compat: "corrected" }))) assert.ok(about.length > 20);
  const { decisions, switches } = await open("bold", place("bold"), { compat: "corrected" });
  assert.equal([decisions.length, decisions[0].value, switches.clip], [1, "annotated", "annotated"]);
});

test("unknown data sets, splits and numbers of frames are refused; every split of the table is known", async () => {
  const root = place("meld");
  const said = async (work: Promise<unknown>) => (await refusal(work)).message;
  assert.match(await said(open("bolt" as BenchmarkName, root)), /unknown data set "bolt", did you mean bold\?/);
  assert.match(await said(open("constructor" as BenchmarkName, root)), /unknown data set "constructor"/);
  assert.match(
    await said(open("meld", root, { split: "val" })),
    /unknown split of meld "val"; known: train, dev, test/,
  );
  assert.match(await said(open("meld", root, { frames: 0 })), /frames is 0, expected a whole number from 1/);
  assert.equal(benchmarkSplits("moviegraphs"), ["train", "val", "test", "train+val", "all"]);
});

// What each switch changes.

test("boxes: exact subtracts the letterbox padding, so that the mask of a wide picture moves up", async () => {
  const wide = await picture(64); // 64 x 32: the detector saw 640 x 320, which needs no padding; 57 x 32 does
  const tall = await picture(57);
  for (const [image, moves] of [
    [wide, false],
    [tall, true],
  ] as const) {
    const layout = [...layoutOf("meld").keys()].filter((path) => path.endsWith(".jpg"));
    const root = place(
      "meld",
      layout.map((path) => [path, image] as const),
    );
    const [compat, exact] = await Promise.all(
      (["compat", "exact"] as const).map(async (boxes) => {
        const { samples } = await open("meld", root, { switches: { boxes } });
        return (await loadSample(samples[0], { frames: 8, side: 224 })).mask.subarray(0, 224 * 224);
      }),
    );
    const top = (mask: Uint8Array) => Math.floor(mask.indexOf(1) / 224);
    assert.ok(top(compat) > 0);
    assert.is(top(exact) < top(compat), moves);
  }
});

test("clip: the annotated range counts from 0 in the sorted folder and ends with it", async () => {
  const video = "003/abc.mp4/0001.mp4";
  const rows = [boldRow(video, 0, [1, 2]), boldRow(video, 0, [2, 99]), boldRow(video, 0, [4, 9])];
  const root = place("bold", [["annotations/train.csv", rows.join("\n")]]);
  const whole = await open("bold", root, { frames: 3 });
  assert.equal(framesOf(whole.samples[0]), ["image_00001.jpg", "image_00002.jpg", "image_00004.jpg"]);
  const { samples } = await open("bold", root, { frames: 3, switches: { clip: "annotated" } });
  assert.equal(framesOf(samples[0]), ["image_00002.jpg", "image_00002.jpg", "image_00003.jpg"]);
  assert.equal(framesOf(samples[1]), ["image_00003.jpg", "image_00003.jpg", "image_00004.jpg"]);
  const error = await refusal(loadSample(samples[2], { frames: 3, side: 32 }));
  assert.match(error.message, /has 4 frames, its annotation starts at 4/);
});

test("window: repeat shows the labelled second, window shows its eight seconds with their own boxes", async () => {
  const root = place("liris");
  const repeat = (await open("liris", root)).samples;
  const window = (await open("liris", root, { switches: { window: "window" } })).samples;
  assert.equal(
    repeat.map(({ id, values }) => [id, ...values!]),
    window.map(({ id, values }) => [id, ...values!]),
  );
  assert.equal(framesOf(repeat[0]), new Array(8).fill("00000005.jpg"));
  assert.equal(
    framesOf(window[0]),
    Array.from({ length: 8 }, (_, k) => `0000000${k + 1}.jpg`),
  );
  assert.is(repeat[0].id, "MEDIAEVAL18_00 second 4");
});

test("liris: files beside the folders of annotations, hidden ones and other annotations are passed over", async () => {
  const changes = ["annotations/readme.txt", "annotations/.DS_Store", "annotations/DevSet/annotations/M_0_Fear.txt"];
  const root = place(
    "liris",
    changes.map((path) => [path, "x"] as const),
  );
  assert.is((await open("liris", root)).samples.length, (await open("liris", place("liris"))).samples.length);
  const error = await refusal(open("liris", root, { split: "test" }));
  assert.match(error.message, /^annotations: has no folder of the split test with \*_Valence-Arousal.txt/);
});

test("order: sorted takes movies by name whatever their folder; listing has the same ones", async () => {
  const layout = layoutOf("liris");
  const movies = ["MEDIAEVAL18_07", "MEDIAEVAL18_01", "MEDIAEVAL18_30"];
  const changes = movies.flatMap((movie, i) =>
    [...layout].map(([path, content]) => {
      const moved = path.replace("DevSet", `Dev${9 - i}`);
      return [moved.replace("MEDIAEVAL18_00", movie), content] as const;
    }),
  );
  const root = place("liris", changes);
  const groups = async (order: "sorted" | "listing") => [
    ...new Set((await open("liris", root, { switches: { order } })).samples.map(({ group }) => group)),
  ];
  assert.equal(await groups("sorted"), ["MEDIAEVAL18_00", "MEDIAEVAL18_01", "MEDIAEVAL18_07", "MEDIAEVAL18_30"]);
  assert.equal((await groups("listing")).sort(), await groups("sorted"));
});

// Known corrupt samples.

test("moviegraphs: entry 1057 of train ends at frame 184272, in every split that has it, and is reported", async () => {
  const [movie, before] = ["tt0388795", "tt0000002"];
  const clips = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [i, ["Fear"]]));
  const shots = (n: number, gap: number) =>
    ["1 1.0", ...Array.from({ length: n - 1 }, (_, i) => `${(i + 1) * gap} 0.1 CUT`)].join("\n");
  const scenes = (n: number) => Array.from({ length: n }, (_, i) => `${i + 1} ${i + 1} 1`).join("\n");
  const info = "official/mg_videoinfo";
  const layout: [string, string][] = [
    ["official/mg/split.json", JSON.stringify({ train: [before, movie], val: ["tt0000001"], test: [] })],
    [
      "official/mg/py3loader/emotion_labels.json",
      // 850 clips of another film, so that clip 207 is entry 1057
      `{"${before}": ${JSON.stringify(clips(850))}, "${movie}": ${JSON.stringify(clips(210))}, "tt0000001": {"0": ["Fear"]}}`,
    ],
    [`${info}/video_boundaries/${before}.videvents`, shots(850, 10)],
    [`${info}/scene_boundaries/${before}.scenes.gt`, scenes(850)],
    [`${info}/video_boundaries/${movie}.videvents`, shots(210, 890)],
    [`${info}/scene_boundaries/${movie}.scenes.gt`, scenes(210)],
    ["all_human_boxes.json", "{}"],
  ];
  const root = place("moviegraphs", layout);
  for (const split of ["train", "train+val", "all"]) {
    const { samples, notes } = await open("moviegraphs", root, { split });
    assert.is(samples[1057].id, `${movie} clip 207`);
    assert.is(framesOf(samples[1057]).at(-1), "frame_184272.jpg");
    assert.is(framesOf(samples[1057])[0], `frame_${207 * 890}.jpg`);
    assert.is(framesOf(samples[1056]).at(-1), `frame_${207 * 890 - 1}.jpg`);
    assert.is(framesOf(samples[1058]).at(-1), `frame_${209 * 890 - 1}.jpg`);
    assert.equal(notes, [
      `${movie} clip 207 ends at frame 184272 instead of ${208 * 890 - 1}: the published film is shorter`,
    ]);
  }
  const { samples, notes } = await open("moviegraphs", root, { split: "val" });
  assert.equal([samples.length, notes.length], [1, 0]);
});

test("meld: the two rows without a clip are left out and reported, their neighbours stay", async () => {
  for (const { split, rows, dialogue, utterance, at } of [
    { split: "train", rows: 1170, dialogue: 125, utterance: 3, at: 1165 },
    { split: "dev", rows: 1109, dialogue: 110, utterance: 7, at: 1084 },
    { split: "test", rows: 1200, dialogue: 125, utterance: 3, at: -1 },
  ]) {
    const lines = Array.from({ length: rows }, (_, i) => meldRow(1000 + i, 0));
    if (at >= 0) lines[at] = meldRow(dialogue, utterance);
    else lines[1165] = meldRow(dialogue, utterance); // in the test split the same numbers are another clip
    const root = place("meld", [
      [`MELD.Raw/${split}_sent_emo.csv`, [meldHeader, ...lines].join("\n")],
      [`${split}_human_boxes.json`, "{}"],
    ]);
    const { samples, notes } = await open("meld", root, { split });
    const ids = samples.map(({ id }) => id);
    assert.is(ids.includes(`dia${dialogue}_utt${utterance}`), at < 0);
    assert.is(samples.length, at < 0 ? rows : rows - 1);
    if (at < 0) assert.equal(notes, []);
    else {
      assert.equal([ids[at - 1], ids[at]], [`dia${1000 + at - 1}_utt0`, `dia${1000 + at + 1}_utt0`]);
      assert.is(notes.length, 1);
      assert.match(
        notes[0],
        new RegExp(`^row ${at + 1} \\(line ${at + 2}\\) \\(dia${dialogue}_utt${utterance}\\) is left out`),
      );
    }
  }
});

// Orders, windows, geometry.

test("moviegraphs: clips stay in the order of the file, which an object would sort by number", async () => {
  const { samples, classes } = await open("moviegraphs", place("moviegraphs"));
  assert.equal(
    samples.map(({ id }) => id),
    ["tt0000001 clip 1", "tt0000001 clip 0"],
  );
  const hot = (sample: BenchmarkSample) => classes.filter((_, i) => sample.labels![i] === 1);
  assert.equal(samples.map(hot), [["Fear"], ["Anger", "Peace"]]);
  assert.equal(framesOf(samples[0])[0], "frame_10.jpg");
  assert.equal(framesOf(samples[0]).at(-1), "frame_202.jpg", "an open end takes 192 frames");
  assert.equal(framesOf(samples[1]).at(-1), "frame_9.jpg", "the shot ends before the next");
});

test("bold: a label is a score of at least 0.5, and values are the annotation's, not the class of that name", async () => {
  const video = "003/abc.mp4/0001.mp4";
  const scores = Array.from({ length: 26 }, (_, i) => (i % 2 ? 0.5 : 0.49999));
  const root = place("bold", [["annotations/train.csv", boldRow(video, 0, [0, 3], scores)]]);
  const [{ labels: hot, values }] = (await open("bold", root)).samples;
  assert.equal(
    [...hot!],
    scores.map((score) => Number(score >= 0.5)),
  );
  assert.equal([...values!], [5.5, 4.5, 3.5]);
  assert.is(labels.bold_columns.filter((name) => name === "confidence").length, 2);
});

test("bold: frames are sorted by name, numbered by the field behind the first _, and hidden files are none", async () => {
  const video = "003/abc.mp4/0001.mp4";
  const changes = ["img_00010_x.v2.png", ".DS_Store"].map((name) => [`mmextract/${video}/${name}`, ""] as const);
  const root = place("bold", changes);
  const [{ source }] = (await open("bold", root)).samples;
  assert.ok(source.kind === "files" && source.mask.kind === "joints");
  assert.equal(source.mask.numbers, [1, 1, 2, 2, 3, 3, 4, 10]);
  const bad = place("bold", [[`mmextract/${video}/cover.jpg`, ""]]);
  const error = await refusal(loadSample((await open("bold", bad)).samples[0], { frames: 8, side: 32 }));
  assert.match(error.message, /"cover.jpg" is not <prefix>_<number>.<ext>/);
});

test("bold: the box around joints holds every seen one, tightly, and unseen ones do not count", () => {
  const joint = fc.tuple(
    fc.double({ min: -50, max: 900, noNaN: true }),
    fc.double({ min: -50, max: 900, noNaN: true }),
    fc.constantFrom(0, 0.5),
  );
  fc.assert(
    fc.property(fc.array(joint, { minLength: 1, maxLength: 18 }), fc.nat(18), (seen, unseen) => {
      const all = [...seen, ...new Array(unseen).fill([0, 0, 0])];
      const box = boxAround(all.flat());
      const known = seen.filter(([x, y, c]) => x !== 0 || y !== 0 || c !== 0);
      assert.is(box === undefined, known.length === 0);
      if (!box) return;
      const [left, top, right, bottom] = box;
      for (const [x, y] of known) assert.ok(left <= x && x <= right && top <= y && y <= bottom);
      const edge = (axis: number, at: number) => known.some((each) => Math.abs(each[axis] - at) <= 1);
      assert.ok(edge(0, left) && edge(0, right) && edge(1, top) && edge(1, bottom));
      assert.ok(box.every(Number.isInteger));
    }),
    { numRuns: 300, seed: 2, includeErrorInReport: true },
  );
});

test("bold: the smallest frame number of the file becomes 1, whoever it belongs to", () => {
  const row = (frame: number, person: number, x: number) => [
    frame,
    person,
    x,
    1,
    1,
    x + 2.5,
    3.5,
    1,
    ...new Array(48).fill(0),
  ];
  const root = place("bold", [
    ["j.npy", npy([4, 56], [row(50, 0, 1), row(48, 1, 2), row(49, 0, 3), row(50, 0, 9)].flat())],
  ]);
  assert.equal(
    [...jointBoxes(root, "j.npy", 0)],
    [
      [3, [9, 1, 12, 4]], // a later row of the same frame wins
      [2, [3, 1, 6, 4]],
    ],
  );
  assert.equal([...jointBoxes(root, "j.npy", 1)], [[1, [2, 1, 5, 4]]]);
  assert.is(jointBoxes(root, "j.npy", 7).size, 0);
});

test("liris: the seconds that are kept are those of the written rule, for any number of frames and rows", async () => {
  const name = (second: number) => `${String(second + 1).padStart(8, "0")}.jpg`;
  await fc.assert(
    fc.asyncProperty(fc.nat(22), fc.integer({ min: 1, max: 22 }), fc.nat(24), async (frames, rows, missing) => {
      const present = Array.from({ length: frames }, (_, i) => name(i)).filter((_, i) => i !== missing);
      for (const [split, dir] of [
        ["train", "DevSet"],
        ["test", "xTESTx"],
      ]) {
        const table = ["Time\tValence\tArousal", ...Array.from({ length: rows }, (_, i) => `${i}\t0.${i}\t0`)].join(
          "\n",
        );
        const root = join(folder, String(count++));
        write(
          root,
          new Map([
            [`annotations/${dir}/annotations/M_1_Valence-Arousal.txt`, table],
            ["bboxes/M_1.mp4/human_boxes.json", "[]"],
            ["frames/M_1.mp4/.keep", ""],
            ...present.map((file): [string, string] => [`frames/M_1.mp4/${file}`, ""]),
          ]),
        );
        // the specification's words, one second after another
        const n = Math.min(present.length, rows);
        const kept: number[] = [];
        for (let i = 0; i < n; i++) {
          let [start, position] = [i - 4, 4];
          if (i < 4) [start, position] = [0, i];
          else if (n - i < 4) [start, position] = [n - 8, i - (n - 8)];
          if (split === "train" && (i < 4 || n - i < 4)) continue;
          let whole = true;
          for (let k = start; k < start + 8; k++) whole &&= present.includes(name(k));
          if (whole) kept.push(start + position);
        }
        if (kept.length === 0) await refusal(open("liris", root, { split }));
        else {
          const { samples } = await open("liris", root, { split });
          assert.equal(
            samples.map(({ id }) => id),
            kept.map((second) => `M_1 second ${second}`),
          );
          assert.equal(
            samples.map((sample) => framesOf(sample)[0]),
            kept.map(name),
          );
        }
        rmSync(root, { recursive: true });
      }
    }),
    { numRuns: 120, seed: 7, includeErrorInReport: true },
  );
});

test("emotic: numbers of boxes may be fractions; rows of one picture are samples of their own", async () => {
  const { samples, frames } = await open("emotic", place("emotic"));
  assert.is(frames, 1);
  assert.equal(
    samples.map(({ id }) => id),
    ["mscoco/images/a.jpg, row 1", "mscoco/images/a.jpg, row 2"],
  );
  const [first] = samples;
  assert.ok(first.source.kind === "files" && first.source.mask.kind === "box");
  assert.equal(first.source.mask.box, [1, 2, 30.5, 31]);
});

test("the mask at full size is that of the whole resized mask, cropped, for any boxes and sizes", () => {
  const whole = fc.integer({ min: -20, max: 120 });
  const boxes = fc.array(fc.tuple(whole, whole, whole, whole), { maxLength: 4 });
  const side = fc.integer({ min: 1, max: 90 });
  fc.assert(
    fc.property(
      side,
      side,
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      boxes,
      (width, height, a, b, drawn) => {
        const [short, crop] = [Math.max(a, b), Math.min(a, b)];
        const full = new Float32Array(width * height);
        maskInto(full, 0, drawn, { x: 0, y: 0, width, height });
        const size = shortSideSize({ width, height }, short);
        const resized = resizeBilinear(full, { width, height }, size);
        const [left, top] = [centreOffset(size.width, crop), centreOffset(size.height, crop)];
        const want = Uint8Array.from({ length: crop * crop }, (_, i) => {
          const [y, x] = [Math.floor(i / crop), i % crop];
          return Number(resized[(top + y) * size.width + left + x] > 0.5);
        });
        const got = new Uint8Array(crop * crop + 2).fill(7);
        maskFullSizeInto(got, 1, drawn, { width, height }, short, crop);
        assert.equal(got, Uint8Array.of(7, ...want, 7));
      },
    ),
    { numRuns: 500, seed: 3, includeErrorInReport: true },
  );
});

test("a smaller model sees the same part of the picture: both sizes shrink together", async () => {
  const published = [publishedResize(224), publishedResize(224, 224), publishedResize(64), publishedResize(64, 224)];
  assert.equal(published, [256, 224, 73, 64]);
  assert.equal([64, 223, 224, 336].map(modelResize), [64, 223, 256, 384]); // its own pictures it sees whole
  const jpeg = await picture(57);
  const changes = [...layoutOf("bold").keys()]
    .filter((path) => path.endsWith(".jpg"))
    .map((path) => [path, jpeg] as const);
  const { samples } = await open("bold", place("bold", changes));
  const { frames, mask } = await loadSample(samples[0], { frames: 8, side: 64 });
  assert.equal([frames.length, mask.length], [8 * 3 * 64 * 64, 8 * 64 * 64]);
  const image = await decodeImage(jpeg, "x");
  const size = shortSideSize(image, 73);
  const want = new Float32Array(3 * 64 * 64);
  frameInto(want, 0, image, size, {
    x: centreOffset(size.width, 64),
    y: centreOffset(size.height, 64),
    width: 64,
    height: 64,
  });
  const shown = planes(frames, 64);
  for (let t = 0; t < 8; t++) assert.equal(shown.slice(t * want.length, (t + 1) * want.length), want);
  assert.ok(mask.some((v) => v === 1) && mask.some((v) => v === 0) && mask.every((v) => v === 0 || v === 1));
});

test("what is missing when a sample is loaded is named with the sample; its neighbours load", async () => {
  const jpeg = await picture(57);
  const pictures = (name: Name) =>
    [...layoutOf(name).keys()].filter((path) => path.endsWith(".jpg")).map((path) => [path, jpeg] as const);
  const view = { frames: 8, side: 32 };
  const said = async (sample: BenchmarkSample) => {
    const error = await refusal(loadSample(sample, view));
    assert.instance(error, FormatError);
    return error.message;
  };

  const meld = place("meld", pictures("meld"));
  rmSync(join(meld, "frames/train_splits/dia0_utt0"), { recursive: true });
  const turns = (await open("meld", meld)).samples;
  assert.match(await said(turns[0]), /^"dia0_utt0": .*"frames\/train_splits\/dia0_utt0" cannot be opened \(ENOENT\)/);
  await loadSample(turns[1], view);
  unlinkSync(join(meld, "frames/train_splits/dia0_utt1/frame_1.jpg"));
  assert.match(await said(turns[1]), /^"dia0_utt1": frame_1.jpg: .*cannot be opened \(ENOENT\)/);

  const cut = place("meld", [
    ...pictures("meld"),
    ["frames/train_splits/dia0_utt1/frame_0.jpg", jpeg.subarray(0, -40)],
  ]);
  assert.match(await said((await open("meld", cut)).samples[1]), /^"dia0_utt1": frame_0.jpg: does not decode/);

  const unseen = place("meld", [...pictures("meld"), ["train_human_boxes.json", '{"dia0_utt0": {"frame_0.jpg": []}}']]);
  assert.match(
    await said((await open("meld", unseen)).samples[0]),
    /^"dia0_utt0": train_human_boxes.json: has no entry for "frames\/train_splits\/dia0_utt0\/frame_1.jpg"/,
  );

  const bold = place("bold", pictures("bold"));
  rmSync(join(bold, "joints"), { recursive: true });
  assert.match(await said((await open("bold", bold)).samples[0]), /0001.npy: "joints\/.*0001.npy" cannot be opened/);
  write(bold, new Map([["joints/003/abc.mp4/0001.npy", joints([7, 8, 9, 10])]]));
  await loadSample((await open("bold", bold)).samples[0], view);
});

test("a picture too long and thin to be resized is refused before memory is taken", async () => {
  const strip = await picture(60_000);
  const root = place("meld", [["frames/train_splits/dia0_utt0/frame_0.jpg", strip]]);
  const error = await refusal(
    loadSample((await open("meld", root, { frames: 1 })).samples[0], { frames: 1, side: 224 }),
  );
  assert.match(error.message, /frame_0.jpg: is 60000x32, too long and thin/);
});

test.run();
