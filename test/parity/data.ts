// The paper's data sets in miniature: which samples there are, their frames, masks and targets, and the rules for boxes.
import { readFileSync } from "node:fs";
import { basename, posix } from "node:path";
import { jointBoxes } from "../../data/sets/bold.ts";
import { type Benchmark, openBenchmark } from "../../data/sets/index.ts";
import { labels } from "../../data/sets/labels.ts";
import { loadSample } from "../../data/sets/load.ts";
import type { BenchmarkSample } from "../../data/sets/benchmark.ts";
import { type Box, boxesOf, decodeImage, type Detection, letterbox, maskInto, scaleBox } from "../../data/index.ts";
import { squareMeans } from "../kit/square-means.ts";
import { type Check, isTensors } from "./check.ts";
import type { Folder } from "./folder.ts";
import { manyFrames, regrouped, trainingRules, trainingSamples, trainingTensors } from "./training-set.ts";
import type { Verdict } from "./verdict.ts";
import { planes } from "../kit/planes.ts";

const sets = ["bold", "meld", "moviegraphs", "liris", "emotic"] as const;
type SetName = (typeof sets)[number];

/** A sample as expected.json has it; which fields there are depends on the data set. */
interface Case {
  readonly split?: string;
  readonly i: number;
  readonly mask_pixels: readonly number[];
  readonly video_id?: string;
  readonly person_id?: number;
  readonly boxes_yxyx?: Record<string, [number, number, number, number]>;
  readonly target?: number | readonly number[];
  readonly frames?: readonly number[];
  readonly movie_id?: string;
  readonly clip_id?: number;
  readonly start_frame?: number;
  readonly label_frame?: number;
}

interface Expected extends Record<SetName, { readonly samples: readonly Case[] } | undefined> {
  readonly letterbox?: { h: number; w: number; scale: number; resized_wh: [number, number] }[];
  readonly box_rescale?: { size_wh: number[]; boxes: Detection[]; rescaled: number[][]; mask_pixels: number }[];
  readonly emotic_box?: { box: Box; new_wh: number[]; orig_wh: number[]; out: number[] }[];
  readonly jpeg?: { file: string; w: number; h: number }[];
}

/** What is compared of a loaded sample. */
interface Summary {
  readonly sample: BenchmarkSample;
  /** Mask pixels of each frame. */
  readonly counts: readonly number[];
  readonly video16: Float32Array;
  readonly mask32: Float32Array;
}

const side = 224;
const loaded = new WeakMap<Folder, Map<string, Promise<Summary>>>();

/** Splits by the name that they have in files of expected values; MELD's miniature has one. */
const splitOf = (name: SetName, { split }: Case) => split ?? (name === "meld" ? "test" : "train");

function open(folder: Folder, name: SetName, split: string, beside: string): Promise<Benchmark> {
  return openBenchmark(name, folder.path(posix.join(posix.dirname(beside), name)), { split });
}

/** Loads a sample once for all files that speak of it. */
function summary(folder: Folder, name: SetName, item: Case, beside: string): Promise<Summary> {
  const known = loaded.get(folder) ?? new Map<string, Promise<Summary>>();
  loaded.set(folder, known);
  const key = `${beside} ${name} ${splitOf(name, item)} ${item.i}`;
  if (!known.has(key)) known.set(key, summarise(folder, name, item, beside));
  return known.get(key)!;
}

async function summarise(folder: Folder, name: SetName, item: Case, beside: string): Promise<Summary> {
  const sample = (await open(folder, name, splitOf(name, item), beside)).samples[item.i];
  if (!sample) throw new Error(`${name}: the split ${splitOf(name, item)} has no sample ${item.i}`);
  const { frames, mask } = await loadSample(sample, { frames: item.mask_pixels.length, side });
  const counts = item.mask_pixels.map((_, t) =>
    mask.subarray(t * side * side, (t + 1) * side * side).reduce((sum, v) => sum + v, 0),
  );
  return { sample, counts, video16: squareMeans(16, planes(frames, side), side), mask32: squareMeans(32, mask, side) };
}

/** Names, frames, boxes and masks of one data set's samples. */
async function samples(verdict: Verdict, name: SetName, cases: readonly Case[], beside: string): Promise<void> {
  const { folder } = verdict;
  for (const item of cases) {
    const what = `${name}.${splitOf(name, item)}.${item.i}`;
    const { sample, counts } = await summary(folder, name, item, beside);
    verdict.same(`${what}: mask_pixels`, counts, item.mask_pixels);
    const id = idOf(item);
    if (id) verdict.same(`${what}: id`, sample.id, id);
    if (typeof item.target === "number") verdict.same(`${what}: target`, sample.label, item.target);
    else if (item.target) verdict.compare(`${what}: target`, sample.values ?? [], item.target, { rtol: 1e-6, atol: 0 });
    if (item.frames && sample.source.kind === "files")
      verdict.same(
        `${what}: frames`,
        sample.source.frames.map((path) => Number(/(\d+)\.\w+$/.exec(path)?.[1])),
        item.frames,
      );
    if (item.boxes_yxyx) joints(verdict, what, item, beside);
  }
}

/** How our readers name the sample; undefined where the expected file does not tell. */
function idOf({ video_id, person_id, movie_id, clip_id, start_frame, label_frame }: Case): string | undefined {
  if (video_id !== undefined) return `${video_id} person ${person_id}`;
  if (clip_id !== undefined) return `${movie_id} clip ${clip_id}`;
  return label_frame === undefined ? undefined : `${movie_id} second ${start_frame! + label_frame}`;
}

function joints(verdict: Verdict, what: string, { video_id, person_id, boxes_yxyx }: Case, beside: string): void {
  const root = verdict.folder.path(posix.join(posix.dirname(beside), "bold"));
  const boxes = jointBoxes(root, `joints/${video_id!.slice(0, -4)}.npy`, person_id!);
  const want = Object.entries(boxes_yxyx!).map(([frame, [y1, x1, y2, x2]]) => [Number(frame), [x1, y1, x2, y2]]);
  verdict.same(`${what}: boxes`, [...boxes], want);
}

const expectedBeside = (file: string) => posix.join(posix.dirname(file), "expected.json");

/** A folder in a data set's layout, with expected.json beside it. */
export const dataFolders: Check = {
  takes: (file, folder) =>
    folder.entry(file).kind === "folder" &&
    (basename(file) === "jpeg" || isSet(basename(file))) &&
    folder.has(expectedBeside(file)),
  run: async (verdict) => {
    const expected = verdict.folder.json<Expected>(expectedBeside(verdict.file));
    const name = basename(verdict.file);
    if (isSet(name)) await samples(verdict, name, expected[name]?.samples ?? [], verdict.file);
    else await jpegSizes(verdict, expected, verdict.file);
  },
};

const isSet = (name: string): name is SetName => (sets as readonly string[]).includes(name);

async function jpegSizes(verdict: Verdict, { jpeg = [] }: Expected, beside: string): Promise<void> {
  for (const { file, w, h } of jpeg) {
    const { width, height } = await picture(verdict.folder, beside, file);
    verdict.same(file, [width, height], [w, h]);
  }
}

const picture = (folder: Folder, beside: string, file: string) =>
  decodeImage(readFileSync(folder.path(posix.join(posix.dirname(beside), "jpeg", file))), file);

/** The sections that this project computes; others are named. */
export const dataValues: Check = {
  takes: (file, folder) =>
    basename(file) === "expected.json" &&
    [...sets, "letterbox", "jpeg"].some((name) => name in folder.json<object>(file)),
  run: async (verdict) => {
    const expected = verdict.folder.json<Expected>(verdict.file);
    for (const { h, w, scale, resized_wh, ...padding } of expected.letterbox ?? []) {
      const want = { scale, width: resized_wh[0], height: resized_wh[1], ...padding };
      verdict.same(`letterbox of ${w} x ${h}`, sorted(letterbox({ width: w, height: h })), sorted(want));
    }
    for (const [i, each] of (expected.box_rescale ?? []).entries()) rescaled(verdict, i, each);
    for (const [i, { box, new_wh, orig_wh, out }] of (expected.emotic_box ?? []).entries()) {
      const [from, to] = [orig_wh, new_wh].map(([width, height]) => ({ width, height }));
      verdict.same(`emotic_box ${i}`, scaleBox(box, from, to), out);
    }
    await jpegSizes(verdict, expected, verdict.file);
    for (const name of sets) await samples(verdict, name, expected[name]?.samples ?? [], verdict.file);
    regrouped(verdict);
    trainingRules(verdict);
    await trainingSamples(verdict);
    await manyFrames(verdict, "many.hdf5");
    const ours = ["letterbox", "box_rescale", "emotic_box", "jpeg", "regroup", "train", "many_hdf5"];
    const known = [...sets, ...ours] as readonly string[];
    const left = Object.keys(expected).filter((name) => !known.includes(name));
    if (left.length) verdict.note(`without a check: ${left.join(", ")}`);
  },
};

const sorted = (fields: object) => Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));

function rescaled(
  verdict: Verdict,
  i: number,
  { size_wh, boxes, rescaled, mask_pixels }: NonNullable<Expected["box_rescale"]>[0],
) {
  const size = { width: size_wh[0], height: size_wh[1] };
  const got = boxesOf(boxes, size);
  const confident = rescaled.filter((box) => box[4] > 0.5).map((box) => box.slice(0, 4));
  const mask = new Uint8Array(size.width * size.height);
  maskInto(mask, 0, got, { x: 0, y: 0, ...size });
  verdict.same(`box_rescale ${i}`, got, confident);
  verdict.same(
    `box_rescale ${i}: pixels`,
    mask.reduce((sum, v) => sum + v, 0),
    mask_pixels,
  );
}

/** Means of frames and masks, targets, and decoded pictures. */
export const dataTensors: Check = {
  takes: (file, folder) =>
    isTensors(file) && basename(file) === "expected.safetensors" && folder.has(expectedBeside(file)),
  run: async (verdict) => {
    const { folder, file } = verdict;
    const expected = folder.json<Expected>(expectedBeside(file));
    const tensors = folder.tensors(file);
    for (const name of sets) for (const item of expected[name]?.samples ?? []) await sampleTensors(verdict, name, item);
    await trainingTensors(verdict, (step, planes) => squareMeans(step, planes, side));
    for (const { file: picked } of expected.jpeg ?? []) {
      const name = `jpeg.${picked.replace(/\.\w+$/, "")}`;
      if (!tensors.has(name)) continue;
      const got = (await picture(folder, file, picked)).data;
      // the manifest's words: mean difference of 2 grey levels, of 1 where colour is not subsampled
      verdict.number(name, meanDifference(got, tensors.tensor(name).data), 0, {
        rtol: 0,
        atol: /444|grey/.test(name) ? 1 : 2,
      });
    }
  },
};

async function sampleTensors(verdict: Verdict, name: SetName, item: Case): Promise<void> {
  const tensors = verdict.folder.tensors(verdict.file);
  const { sample, video16, mask32 } = await summary(verdict.folder, name, item, verdict.file);
  const prefix = item.split === undefined ? `${name}.${item.i}` : `${name}.${item.split}.${item.i}`;
  const got: Record<string, ArrayLike<number> | undefined> = {
    video16,
    mask32,
    target: sample.labels ?? sample.values,
    vad: sample.values,
    cont: sample.values,
  };
  for (const [what, values] of Object.entries(got)) {
    const full = `${prefix}.${what}`;
    // of a frame that LIRIS-ACCEDE repeats only one is kept
    if (values && tensors.has(full))
      await verdict.tensor(full, Array.from(values).slice(0, tensors.tensor(full).data.length));
  }
}

function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / a.length;
}

/** Names of classes and columns, in order. */
export const classTables: Check = {
  takes: (file) => basename(file) === "labels.json",
  run: (verdict) => {
    const want = verdict.folder.json<Record<string, unknown>>(verdict.file);
    for (const [name, table] of Object.entries(want))
      verdict.same(name, (labels as unknown as Record<string, unknown>)[name], table);
  },
};
