// The five data sets of the paper in their real layouts: what our readers give is what the official classes give.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Benchmark } from "../../data/sets/benchmark.ts";
import { type OpenOptions, openBenchmark } from "../../data/sets/index.ts";
import { jointBoxes } from "../../data/sets/bold.ts";
import { labels } from "../../data/sets/labels.ts";
import type { Pixels } from "../../data/pixels/view.ts";
import { loadSample } from "../../data/sets/load.ts";
import type { BenchmarkName, Compat } from "../../data/sets/switches.ts";
import { deviation, golden, goldenJson, goldenPath } from "../kit/golden.ts";
import { squareMeans } from "../kit/square-means.ts";
import { planes } from "../kit/planes.ts";

const FILE = "emotionclip/data/expected.safetensors";
const expected = goldenJson<Expected>("emotionclip/data/expected.json");
const tensors = golden(FILE);
const root = (name: string) => goldenPath(`emotionclip/data/${name}`);

interface Case {
  readonly split: string;
  readonly i: number;
  readonly mask_pixels: readonly number[];
}
type Expected = {
  bold: { samples: (Case & { video_id: string; person_id: number; boxes_yxyx: Record<string, number[]> })[] };
  meld: { samples: (Case & { target: number; frames: number[] })[] };
  moviegraphs: { samples: (Case & { movie_id: string; clip_id: number; frames: number[] })[] };
  liris: { samples: (Case & { movie_id: string; start_frame: number; label_frame: number; target: number[] })[] };
  emotic: { samples: Case[] };
};

const open = (name: BenchmarkName, split: string, rest: Partial<OpenOptions> = {}): Promise<Benchmark> =>
  openBenchmark(name, root(name), { split, ...rest });

/** The manifest allows decoders to differ (0.02); ours gives PIL's bytes, so that only the rounding of f32 means is left. */
const ROUNDING = { rtol: 0, atol: 2e-6 };

function isGolden(got: Float32Array, name: string): void {
  const { share, at } = deviation(got, tensors.get(name)!.data, ROUNDING);
  assert.ok(share <= 1, `${name}[${at}] is ${share} times its tolerance away`);
}

function checkPixels({ frames, mask }: Pixels, name: string, { mask_pixels }: Case): void {
  const T = mask_pixels.length;
  const counts = mask_pixels.map((_, t) =>
    mask.subarray(t * 224 * 224, (t + 1) * 224 * 224).reduce((s, v) => s + v, 0),
  );
  assert.equal(counts, [...mask_pixels], name);
  if (!tensors.has(`${name}.video16`)) return;
  const shown = tensors.get(`${name}.video16`)!.shape[0]; // of LIRIS-ACCEDE's repeated frame only one is stored
  isGolden(squareMeans(16, planes(frames.subarray(0, shown * 3 * 224 * 224), 224)), `${name}.video16`);
  isGolden(squareMeans(32, mask.subarray(0, shown * 224 * 224)), `${name}.mask32`);
  assert.ok(T >= shown);
}

const view = { frames: 8, side: 224 };
const settings: readonly (Compat | undefined)[] = [undefined, "official"];

for (const compat of settings) {
  const under = compat ?? "the defaults";

  test(`bold: frames, masks, labels and values are the official ones under ${under}`, async () => {
    for (const item of expected.bold.samples) {
      const name = `bold.${item.split}.${item.i}`;
      const { samples, classes } = await open("bold", item.split, { compat });
      const sample = samples[item.i];
      assert.is(sample.id, `${item.video_id} person ${item.person_id}`);
      assert.is(classes.length, 26);
      isGolden(Float32Array.from(sample.labels!), `${name}.target`);
      isGolden(sample.values!, `${name}.vad`);
      checkPixels(await loadSample(sample, view), name, item);
    }
  });

  test(`meld: frames, masks and classes are the official ones under ${under}`, async () => {
    const { samples } = await open("meld", "test", { compat });
    assert.is(samples.length, 4);
    for (const item of expected.meld.samples) {
      const sample = samples[item.i];
      assert.is(sample.label, item.target);
      assert.equal(numbersOf(sample.source), item.frames);
      checkPixels(await loadSample(sample, view), `meld.${item.i}`, item);
    }
  });

  test(`moviegraphs: frames, masks and labels are the official ones under ${under}`, async () => {
    for (const item of expected.moviegraphs.samples) {
      const { samples } = await open("moviegraphs", item.split, { compat });
      const sample = samples[item.i];
      assert.is(sample.id, `${item.movie_id} clip ${item.clip_id}`);
      assert.equal(numbersOf(sample.source), item.frames);
      const name = `moviegraphs.${item.split}.${item.i}`;
      isGolden(Float32Array.from(sample.labels!), `${name}.target`);
      checkPixels(await loadSample(sample, view), name, item);
    }
  });

  test(`liris: which seconds are kept, their frames, masks and values are the official ones under ${under}`, async () => {
    for (const split of ["train", "test"]) {
      const wanted = expected.liris.samples.filter((item) => item.split === split);
      const { samples } = await open("liris", split, { compat });
      assert.is(samples.length, wanted.length);
      for (const item of wanted) {
        const sample = samples[item.i];
        assert.is(sample.id, `${item.movie_id} second ${item.start_frame + item.label_frame}`);
        assert.equal([...sample.values!], item.target);
        checkPixels(await loadSample(sample, view), `liris.${split}.${item.i}`, item);
      }
    }
  });

  test(`emotic: pictures, masks, labels and values are the official ones under ${under}`, async () => {
    for (const item of expected.emotic.samples) {
      const { samples, kind, frames } = await open("emotic", item.split, { compat });
      assert.equal([kind, frames], ["image", 1]);
      const name = `emotic.${item.split}.${item.i}`;
      isGolden(Float32Array.from(samples[item.i].labels!), `${name}.target`);
      isGolden(samples[item.i].values!, `${name}.cont`);
      checkPixels(await loadSample(samples[item.i], view), name, item);
    }
  });
}

const numbersOf = (source: Benchmark["samples"][number]["source"]) =>
  source.kind === "files" ? source.frames.map((path) => Number(/frame_(\d+)\.jpg$/.exec(path)![1])) : [];

test("bold: the boxes around a person's joints are the official ones", () => {
  for (const { video_id, person_id, boxes_yxyx } of expected.bold.samples) {
    const boxes = jointBoxes(root("bold"), `joints/${video_id.slice(0, -4)}.npy`, person_id);
    const want = Object.entries(boxes_yxyx).map(([frame, [y1, x1, y2, x2]]) => [Number(frame), [x1, y1, x2, y2]]);
    assert.equal([...boxes], want);
  }
});

test("the class tables are the official ones", () => {
  assert.equal(labels, goldenJson("emotionclip/labels.json"));
});

test.run();
