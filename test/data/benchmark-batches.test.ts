// Benchmarks as batches: the same bytes for any number of threads and any batch, bad samples left out and counted, and the
// embedded data set through the same door.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type BatchOptions, type BenchmarkBatch, benchmarkBatches } from "../../data/sets/batches.ts";
import type { Benchmark } from "../../data/sets/benchmark.ts";
import { openBenchmark } from "../../data/sets/index.ts";
import { loadSample } from "../../data/sets/load.ts";
import { forEvaluation, Loader } from "../../data/shards/loader.ts";
import { openShards } from "../../data/shards/shards.ts";
import { writeShards } from "../../data/shards/writer.ts";
import { categories, emotions, makeStage } from "../../data/stage/index.ts";
import { FormatError, HealthError, UsageError } from "../../engine/errors.ts";
import { type Layout, layoutOf, meldHeader, meldRow, picture, write } from "./benchmark-layouts.ts";
import { failure, refusal } from "../kit/refusal.ts";

const folder = mkdtempSync(join(tmpdir(), "emotionclip-batches-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;

/** MELD of `n` clips of two frames; every picture is of its own brightness. */
async function clips(n: number): Promise<{ root: string; split: Benchmark }> {
  const root = join(folder, String(count++));
  const layout: Layout = layoutOf("meld");
  layout.set(
    "MELD.Raw/train_sent_emo.csv",
    [meldHeader, ...Array.from({ length: n }, (_, i) => meldRow(i, 0))].join("\n"),
  );
  const box = [100, 100, 300, 300, 0.9];
  const boxes: Record<string, object> = {};
  for (let i = 0; i < n; i++) {
    boxes[`dia${i}_utt0`] = { "frame_0.jpg": [box], "frame_1.jpg": [] };
    for (const k of [0, 1])
      layout.set(`frames/train_splits/dia${i}_utt0/frame_${k}.jpg`, await picture(57, 20 + 9 * i + k));
  }
  layout.set("train_human_boxes.json", JSON.stringify(boxes));
  write(root, layout);
  return { root, split: await openBenchmark("meld", root, { split: "train", frames: 3 }) };
}

const options = { batch: 4, side: 32, workers: 0 } satisfies BatchOptions;

async function all(split: Benchmark, change: Partial<BatchOptions> = {}): Promise<BenchmarkBatch[]> {
  const found: BenchmarkBatch[] = [];
  for await (const batch of benchmarkBatches(split, { ...options, ...change })) found.push(batch);
  return found;
}

const joined = (parts: readonly Uint8Array[]) => Buffer.concat(parts);

test("batches: threads, batch sizes and reading ahead change no byte", async () => {
  const { split } = await clips(11);
  const want = joined((await all(split)).map(({ frames }) => frames));
  const mask = joined((await all(split)).map((batch) => batch.mask));
  const one = await Promise.all(split.samples.map((sample) => loadSample(sample, { frames: 3, side: 32 })));
  assert.equal(want, joined(one.map(({ frames }) => frames)));
  assert.is.not(Buffer.compare(want.subarray(0, 100), want.subarray(-100)), 0, "samples differ");
  for (const change of [
    { workers: 1 },
    { workers: 2 },
    { workers: 3, batch: 1 },
    { batch: 11, ahead: 1 },
    { ahead: 100 },
  ]) {
    const batches = await all(split, change);
    assert.equal(joined(batches.map(({ frames }) => frames)), want, JSON.stringify(change));
    assert.equal(joined(batches.map((batch) => batch.mask)), mask);
    assert.equal(
      batches.flatMap(({ indices }) => [...indices]),
      [...split.samples.keys()],
    );
  }
});

test("batches: the last one is short, and a later start gives the rest", async () => {
  const { split } = await clips(6);
  const whole = await all(split);
  assert.equal(
    whole.map(({ first, next }) => [first, next]),
    [
      [0, 4],
      [4, 6],
    ],
  );
  assert.is(whole[1].frames.length, 2 * 3 * 3 * 32 * 32);
  const [rest, ...none] = await all(split, { from: 4, workers: 1 });
  assert.equal([rest.first, none.length], [4, 0]);
  assert.equal(rest.frames, whole[1].frames);
  assert.equal(await all(split, { from: 6 }), []);
});

test("batches: a bad sample is left out, named once with its file, and shifts nothing", async () => {
  const { root, split } = await clips(9);
  const good = await all(split);
  writeFileSync(join(root, "frames/train_splits/dia5_utt0/frame_1.jpg"), "no picture");
  for (const workers of [0, 2]) {
    const heard: string[] = [];
    const batches = await all(split, {
      workers,
      maxBad: 0.2,
      onBad: ({ index, reason }) => heard.push(`${index} ${reason}`),
    });
    assert.is(heard.length, 1);
    assert.match(heard[0], /^5 "dia5_utt0": frame_1.jpg: starts with 6e6f2070/);
    assert.equal(
      batches.map(({ indices }) => [...indices]),
      [[0, 1, 2, 3], [4, 6, 7], [8]],
    );
    assert.equal(
      batches.map(({ bad }) => bad.map(({ index }) => index)),
      [[], [5], []],
    );
    assert.equal(batches[0].frames, good[0].frames);
    const clip = 3 * 3 * 32 * 32;
    assert.equal(batches[1].frames.slice(clip), good[1].frames.slice(2 * clip));
    assert.equal(batches[1].mask.length, 3 * 3 * 32 * 32);
    assert.equal(batches[2].frames, good[2].frames);
  }
});

test("batches: too many bad samples stop the work, as does a batch without a good one, and `stop` the first", async () => {
  const { root, split } = await clips(8);
  const spoil = (i: number) => rmSync(join(root, `frames/train_splits/dia${i}_utt0/frame_0.jpg`));
  spoil(2);
  const share = await refusal(all(split));
  assert.instance(share, HealthError);
  assert.match(share.message, /^1 of 8 samples cannot be read \(12.5 %\), allowed are 1.0 %; the last: "dia2_utt0"/);
  assert.is((await all(split, { maxBad: 0.125 })).length, 2);
  const stop = await refusal(all(split, { onBadSample: "stop", maxBad: 1, workers: 1 }));
  assert.instance(stop, FormatError);
  assert.match(stop.message, /^"dia2_utt0": frame_0.jpg: /);
  for (const i of [0, 1, 3]) spoil(i);
  const none = await refusal(all(split, { maxBad: 1 }));
  assert.match(none.message, /all samples from 0 to 3 are bad; the first: "dia0_utt0"/);
  assert.is((await all(split, { maxBad: 1, from: 4 })).length, 1);
});

test("batches: a consumer that stops early leaves no thread behind", async () => {
  const { split } = await clips(9);
  const threads = () => (process.report.getReport() as unknown as { workers: unknown[] }).workers.length;
  for (const workers of [0, 2]) {
    for await (const { first } of benchmarkBatches(split, { ...options, workers, batch: 2 })) {
      assert.is(threads(), workers);
      if (first === 2) break;
    }
    assert.is(threads(), 0);
  }
});

test("batches: numbers that make no sense are refused", async () => {
  const { split } = await clips(1);
  for (const change of [
    { batch: 0 },
    { side: 0 },
    { side: 1.5 },
    { workers: -1 },
    { ahead: 0 },
    { from: -1 },
    { maxBad: Number.NaN },
  ])
    assert.instance(await failure(all(split, change), JSON.stringify(change)), UsageError);
  assert.is((await all(split, { batch: 1, ahead: 1, from: 0, maxBad: 0 })).length, 1);
});

test("stage: the embedded data set has categories, values and emotions, and the pixels of the training loader", async () => {
  const root = join(folder, "stage");
  await writeShards(root, "test", makeStage({ seed: 3, split: "test", count: 5 }), { categories });
  const split = await openBenchmark("stage", root, { split: "test", frames: 4 });
  assert.equal([split.kind, split.classes, split.emotions, split.decisions], ["video", categories, emotions, []]);
  const set = await openShards(root, "test");
  const infos = [...set.infos()];
  split.samples.forEach(({ id, text, labels, values, label }, i) => {
    const { labels: want, caption, meta } = infos[i];
    assert.equal(
      [id, text, [...labels!], emotions[label!]],
      [set.keys[i], caption, want!.categories, (meta as { emotion: string }).emotion],
    );
    assert.equal(values, Float32Array.from(want!.vad!));
  });
  const loader = new Loader(set, { ...forEvaluation, frames: 4, side: 48, resize: 48, batch: 5, seed: 0, workers: 0 });
  const [batch] = await all(split, { batch: 5, side: 48, workers: 1 });
  for await (const want of loader.epoch(0)) assert.equal([batch.frames, batch.mask], [want.frames, want.mask]);
  await loader.close();
});

test.run();
