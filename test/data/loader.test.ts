import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { BadSample } from "../../data/bad-samples.ts";
import type { ClipBatch } from "../../data/shards/batch.ts";
import type { Clip } from "../../data/shards/clip.ts";
import { chooseFrames } from "../../data/shards/frames.ts";
import { decodeImage } from "../../data/pixels/image.ts";
import { forEvaluation, forTraining, heldBy, Loader, type LoaderOptions } from "../../data/shards/loader.ts";
import { Random } from "../../data/philox.ts";
import { resize } from "../../data/pixels/resize.ts";
import { badSamples, indexShards } from "../../data/shards/check.ts";
import { indexName } from "../../data/shards/index-file.ts";
import { writeShards } from "../../data/shards/writer.ts";
import { openShards, ShardReader, type ShardSet } from "../../data/shards/shards.ts";
import { FormatError, HealthError, UsageError } from "../../engine/errors.ts";
import { failure, refusal } from "../kit/refusal.ts";

const folder = mkdtempSync(join(tmpdir(), "loader "));
const width = 20;
const height = 12;
const samples = 23;

/** A frame whose colour tells its clip and number. */
async function picture(i: number, t: number): Promise<Uint8Array> {
  const random = new Random(i, "picture", t);
  const raw = Uint8Array.from({ length: width * height * 3 }, () => random.below(256));
  return sharp(raw, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90, chromaSubsampling: i % 2 ? "4:4:4" : "4:2:0" })
    .toBuffer();
}

async function makeClip(i: number): Promise<Clip> {
  const frames = await Promise.all(Array.from({ length: 5 + (i % 4) }, (_, t) => picture(i, t)));
  return {
    key: `clip-${i}`,
    caption: `caption ${i}`,
    sentiment: [i, 0, 0, 0, 0, 0, 1],
    boxes: frames.map((_, t) => [t, 2, t + 8, 10]),
    frames,
    fps: 8,
    width,
    height,
    labels: { categories: [i % 2, 1, 0], vad: [i / 100, 0.5, -0.5] },
  };
}

const clips = await Promise.all(Array.from({ length: samples }, (_, i) => makeClip(i)));
await writeShards(folder, "train", clips, { perShard: 10, categories: ["a", "b", "c"] });
const set = await openShards(folder, "train");

const training: LoaderOptions = { ...forTraining, batch: 5, frames: 3, side: 8, resize: 10, seed: 7, workers: 0 };
const evaluation: LoaderOptions = { ...training, ...forEvaluation };

async function collect(options: LoaderOptions, from: number, until: number, of: ShardSet = set): Promise<ClipBatch[]> {
  const loader = new Loader(of, options);
  const out: ClipBatch[] = [];
  try {
    for await (const batch of loader.batches(from, until)) out.push(batch);
  } finally {
    await loader.close();
  }
  return out;
}

function digest(batch: ClipBatch): string {
  const hash = createHash("sha256");
  for (const part of [batch.frames, batch.mask, batch.sentiment, batch.categories, batch.vad, batch.indices])
    hash.update(part);
  return hash.update(JSON.stringify([batch.step, batch.epoch, batch.captions, batch.keys])).digest("hex");
}

test("0, 1, 2 and 4 workers give identical batches, over the end of an epoch", async () => {
  const want = (await collect(training, 0, 10)).map(digest);
  assert.is(new Set(want).size, 10);
  for (const workers of [1, 2, 4])
    assert.equal((await collect({ ...training, workers }, 0, 10)).map(digest), want, `${workers} workers`);
  assert.equal((await collect({ ...training, workers: 2, prefetch: 5 }, 0, 10)).map(digest), want, "prefetch 5");
});

test("a run that goes on from any step sees the same batches", async () => {
  const want = (await collect(training, 0, 9)).map(digest);
  for (const from of [1, 4, 7]) assert.equal((await collect(training, from, 9)).map(digest), want.slice(from));
});

test("the parts of a batch are disjoint and complete, in the order of the whole", async () => {
  const whole = await collect(training, 0, 9);
  const { batch } = training;
  for (const parts of [1, 2, 3, batch]) {
    const cuts = Array.from({ length: parts + 1 }, (_, i) => Math.floor((i * batch) / parts));
    const of = (i: number) => ({ ...training, part: { from: cuts[i], count: cuts[i + 1] - cuts[i] } });
    const cut = await Promise.all(cuts.slice(1).map((_, i) => collect(of(i), 0, 9)));
    for (const [step, { keys, frames }] of whole.entries()) {
      const pieces = cut.map((batches) => batches[step]);
      assert.equal(
        pieces.flatMap((piece) => piece.keys),
        keys,
      );
      assert.equal(
        pieces.map((piece) => digestOf(piece.frames)),
        cuts.slice(1).map((end, i) => digestOf(rowsOf(frames, batch, cuts[i], end))),
      );
    }
  }
});

const digestOf = (pixels: ClipBatch["frames"]) => createHash("sha256").update(pixels).digest("hex");
const rowsOf = (frames: ClipBatch["frames"], batch: number, from: number, to: number) =>
  frames.subarray((from * frames.length) / batch, (to * frames.length) / batch);

test("an epoch of training shows no sample twice and drops the incomplete batch", async () => {
  const loader = new Loader(set, training);
  assert.is(loader.stepsPerEpoch, 4);
  const seen: number[][] = [];
  for (const epoch of [0, 1]) {
    const indices: number[] = [];
    for await (const batch of loader.epoch(epoch)) {
      assert.is(batch.epoch, epoch);
      indices.push(...batch.indices);
    }
    assert.is(indices.length, 20);
    assert.is(new Set(indices).size, 20);
    seen.push(indices);
  }
  assert.not.equal(seen[0], seen[1]);
  await loader.close();
});

test("evaluation shows every sample once in stored order, the last batch short", async () => {
  const batches = await collect(evaluation, 0, 5);
  assert.equal(
    batches.map(({ keys }) => keys.length),
    [5, 5, 5, 5, 3],
  );
  assert.equal(
    batches.flatMap(({ keys }) => keys),
    set.keys,
  );
  const last = batches[4];
  assert.equal([...last.indices], [20, 21, 22]);
  assert.equal(last.captions, ["caption 20", "caption 21", "caption 22"]);
  assert.is(last.frames.length, 3 * 3 * 3 * 8 * 8);
  assert.is(last.mask.length, 3 * 3 * 8 * 8);
  assert.equal([...last.sentiment.slice(7, 14)], [21, 0, 0, 0, 0, 0, 1]);
  assert.equal([...last.categories], [0, 1, 0, 1, 1, 0, 0, 1, 0]);
  assert.equal(last.vad, Float32Array.of(0.2, 0.5, -0.5, 0.21, 0.5, -0.5, 0.22, 0.5, -0.5));
});

test("evaluation's pixels and mask are those of the frame, resized and cropped by hand", async () => {
  const [batch] = await collect({ ...evaluation, batch: 1 }, 3, 4);
  const reader = new ShardReader();
  const count = set.frameCount(3);
  assert.is(count, 8);
  for (const [slot, t] of [0, 3, 7].entries()) {
    const image = await decodeImage(reader.frame(set.items[3], t), "x");
    const { data } = resize(image, { width: 16, height: 10 }); // short side 10, ⌊10 · 20 / 12⌋ = 16
    const centre = new Uint8Array(8 * 8 * 3);
    for (let y = 0; y < 8; y++) centre.set(data.subarray(((y + 1) * 16 + 4) * 3, ((y + 1) * 16 + 12) * 3), y * 24);
    assert.equal(batch.frames.slice(slot * 192, slot * 192 + 192), centre);
    // box [t, 2, t + 8, 10], scaled by 1 / 1.2: columns ⌊t / 1.2⌋ … ⌈(t + 8) / 1.2⌉, rows 1 … 9; the crop is at (4, 1)
    const mask = batch.mask.slice(slot * 64, slot * 64 + 64);
    const columns = Math.min(Math.ceil((t + 8) / 1.2), 12) - Math.max(Math.floor(t / 1.2), 4);
    assert.is(
      mask.reduce((s, v) => s + v, 0),
      columns * 8,
    );
    assert.ok(mask.every((v) => v === 0 || v === 1));
  }
  reader.close();
});

test("training takes distinct ascending frames and a crop of its own for each", async () => {
  const starts = new Set<string>();
  for (let index = 0; index < 40; index++) {
    const frames = chooseFrames(training, { seed: 7, epoch: 0, index }, 8);
    assert.is(new Set(frames).size, 3);
    assert.equal(frames, frames.slice().sort());
    starts.add(frames.join());
  }
  assert.ok(starts.size > 20);
  const [batch] = await collect({ ...training, batch: 20, frames: 1 }, 0, 1);
  const masks = Array.from({ length: 20 }, (_, i) => batch.mask.slice(i * 64, i * 64 + 64).join(""));
  assert.ok(new Set(masks).size > 10);
});

test("a clip with too few frames repeats them in order, in evaluation and in training", async () => {
  const draw = { seed: 1, epoch: 0, index: 0 };
  for (const view of [evaluation, training])
    assert.equal([...chooseFrames({ ...view, frames: 8 }, draw, 3)], [0, 0, 0, 0, 1, 1, 1, 2]);
  assert.equal([...chooseFrames({ ...training, frames: 3 }, draw, 3)], [0, 1, 2]);
  for (const view of [evaluation, training]) {
    const named: BadSample[] = [];
    const options = { ...view, frames: 9, batch: 1, onBad: (bad: BadSample) => void named.push(bad) };
    for (const batch of await collect(options, 0, samples)) assert.ok(batch.frames.every(Number.isFinite));
    assert.equal(named, []);
  }
});

test("short clips can be left out of a set, which then shows only the others", async () => {
  const long = set.ofAtLeast(6); // clips have 5 to 8 frames
  assert.equal(
    long.keys,
    set.keys.filter((_, i) => set.frameCount(i) >= 6),
  );
  assert.is(long.samples, 17);
  const batches = await collect({ ...evaluation, frames: 6 }, 0, 4, long);
  assert.equal(
    batches.flatMap(({ keys }) => keys),
    long.keys,
  );
});

test("batches stay as they were while later ones are made", async () => {
  const loader = new Loader(set, { ...training, workers: 2, prefetch: 4 });
  const held: [ClipBatch, string][] = [];
  for await (const batch of loader.batches(0, 12)) held.push([batch, digest(batch)]);
  await loader.close();
  for (const [batch, was] of held) assert.is(digest(batch), was);
  assert.is(new Set(held.map(([batch]) => batch.frames.buffer)).size, 12);
});

test("a loader holds no more than it says, however long its consumer takes", async () => {
  for (const [workers, prefetch, batches] of [
    [0, undefined, 2],
    [2, undefined, 3],
    [2, 4, 5],
  ] as const) {
    let asked = 0;
    const watched = {
      ...{ samples: set.samples, categories: set.categories },
      nameOf: (i: number) => set.nameOf(i),
      placeOf: (i: number) => {
        asked++;
        return set.placeOf(i);
      },
    };
    const options = { ...training, workers, prefetch };
    const loader = new Loader(watched, options);
    const source = loader.batches();
    const { value } = await source.next();
    for (let wait = 0; wait < 20; wait++) await new Promise((done) => setTimeout(done, 5));
    assert.is(asked, batches * options.batch);
    await source.return(undefined);
    await loader.close();
    const held = heldBy(options);
    assert.is(held.batches, batches);
    assert.is(held.batchBytes, value!.frames.byteLength + value!.mask.byteLength);
    assert.is(held.clips, 2 * Math.max(1, workers));
    assert.is(held.bytes, batches * held.batchBytes + (held.clips * held.batchBytes) / options.batch);
  }
});

// ---- bad samples ----

/** A copy of the data set whose samples `bad` have a frame cut in the middle of its JPEG. */
async function damaged(name: string, bad: readonly number[]): Promise<ShardSet> {
  const at = join(folder, name);
  const halves = (clip: Clip) => ({ ...clip, frames: clip.frames.map((f) => f.subarray(0, f.length >> 1)) });
  const cut = clips.map((clip, i) => (bad.includes(i) ? halves(clip) : clip));
  await writeShards(at, "train", cut, { perShard: 10, categories: ["a", "b", "c"] });
  return openShards(at, "train");
}

test("a bad sample is replaced by the same other one for any number of workers, and moves nobody else", async () => {
  const broken = await damaged("one", [4]);
  const good = await collect(training, 0, 8);
  let first: string[] | undefined;
  for (const workers of [0, 2]) {
    const named: BadSample[] = [];
    const options = { ...training, workers, maxBad: 0.05, onBad: (bad: BadSample) => void named.push(bad) };
    const batches = await collect(options, 0, 8, broken);
    first ??= batches.map(digest);
    assert.equal(batches.map(digest), first);
    assert.is(named.length, 1, "named once, although met in two epochs");
    assert.is(named[0].index, 4);
    assert.match(named[0].reason, /^train-00000\.tar: clip-4\.\d{4}: does not decode/);
    let replaced = 0;
    batches.forEach((batch, step) => {
      batch.indices.forEach((index, slot) => {
        assert.is.not(index, 4);
        if (good[step].indices[slot] === 4) replaced++;
        else assert.is(index, good[step].indices[slot]);
      });
    });
    assert.ok(replaced > 0);
  }
});

test("more bad samples than allowed stop the run with both numbers", async () => {
  const broken = await damaged("many", [2, 9]);
  const error = await refusal(collect({ ...training, maxBad: 0.05 }, 0, 8, broken));
  assert.instance(error, HealthError);
  assert.match(error.message, /^2 of 23 samples are bad \(8\.7 %\), allowed are 5\.0 %/);
  assert.is((await collect({ ...training, maxBad: 0.1 }, 0, 8, broken)).length, 8);
});

test("under the policy stop the first bad sample ends the run, in workers too", async () => {
  const broken = await damaged("stop", [0]);
  for (const workers of [0, 1]) {
    const error = await refusal(collect({ ...evaluation, workers, onBadSample: "stop" }, 0, 5, broken));
    assert.instance(error, FormatError);
    assert.match(error.message, /^train-00000\.tar: clip-0\.\d{4}: does not decode/);
  }
});

test("a batch without a good sample stops the run", async () => {
  const broken = await damaged("batch", [5, 6, 7, 8, 9]);
  const error = await refusal(collect({ ...training, batch: 1, maxBad: 1 }, 0, 23, broken));
  assert.instance(error, HealthError);
  assert.match(error.message, /^step \d+: all 1 samples of the batch are bad/);
});

test("in stored order a bad sample is left out, named once and counted, and the others keep their pixels", async () => {
  const bad = [1, 5, 6, 7, 8, 9, 22];
  const broken = await damaged("measured", bad);
  const good = await collect({ ...evaluation, batch: 1 }, 0, samples);
  const left = good.filter((_, i) => !bad.includes(i));
  for (const workers of [0, 2]) {
    const named: BadSample[] = [];
    const options = { ...evaluation, workers, maxBad: 0.5, onBad: (each: BadSample) => void named.push(each) };
    const batches = await collect(options, 0, 5, broken);
    assert.equal(
      batches.map(({ count, captions, indices }) => [count, captions.length, [...indices]]),
      [
        [4, 4, [0, 2, 3, 4]], // of the second batch nothing is left
        [5, 5, [10, 11, 12, 13, 14]],
        [5, 5, [15, 16, 17, 18, 19]],
        [2, 2, [20, 21]],
      ],
    );
    assert.equal(
      named.map(({ index }) => index),
      bad,
    );
    const joined = (list: ClipBatch[], name: "frames" | "mask" | "sentiment" | "categories" | "vad") =>
      list.flatMap((batch) => [...batch[name]]);
    for (const name of ["frames", "mask", "sentiment", "categories", "vad"] as const)
      assert.equal(joined(batches, name), joined(left, name), name);
  }
  const error = await refusal(collect({ ...evaluation, maxBad: 0.1 }, 0, 5, broken));
  assert.instance(error, HealthError);
  assert.match(error.message, /^3 of 23 samples are bad \(13\.0 %\), allowed are 10\.0 %/);
});

test("a batch of training says for whom others stand in", async () => {
  const broken = await damaged("said", [4]);
  const batches = await collect({ ...training, maxBad: 1 }, 0, 4, broken);
  assert.equal(
    batches.flatMap(({ replaced = [] }) => replaced),
    ["clip-4"],
  );
});

test("frames of another size than the clip's are a bad sample", async () => {
  const at = join(folder, "size");
  const mixed = clips.map((clip, i) => (i === 1 ? { ...clip, width: 21 } : clip));
  await writeShards(at, "train", mixed, { categories: ["a", "b", "c"] });
  const error = await refusal(collect({ ...evaluation, onBadSample: "stop" }, 0, 1, await openShards(at, "train")));
  assert.match(error.message, /clip-1\.0000: is 20x12, the clip's JSON says 21x12/);
});

test("the check lists every bad sample, and nothing of a good set", async () => {
  const list = async (of: ShardSet) => {
    const found: BadSample[] = [];
    for await (const bad of badSamples(of)) found.push(bad);
    return found;
  };
  assert.equal(await list(set), []);
  const found = await list(await damaged("check", [3, 17]));
  assert.equal(
    found.map(({ index }) => index),
    [3, 17],
  );
  assert.match(found[1].reason, /^train-00001\.tar: clip-17\.0000: does not decode/);
});

test("shards without an index get one, equal to the writer's", async () => {
  const at = join(folder, "unindexed");
  const want = await writeShards(at, "train", clips, { perShard: 10, categories: ["a", "b", "c"] });
  rmSync(join(at, indexName("train")));
  assert.equal(await indexShards(at, "train", ["a", "b", "c"]), want);
  assert.is((await openShards(at, "train", { hash: true })).samples, samples);
  assert.match((await refusal(indexShards(at, "val", []))).message, /^val-index\.json: no file named val-….tar/);
});

test("settings that cannot work are refused before anything is read", () => {
  const cases: [Partial<LoaderOptions>, RegExp][] = [
    [{ batch: 0 }, /batch is 0, expected a whole number of at least 1/],
    [{ frames: 1.5 }, /frames is 1\.5/],
    [{ workers: -1 }, /workers is -1/],
    [{ prefetch: 0 }, /prefetch is 0/],
    [{ side: 11 }, /a crop of 11 pixels does not fit frames resized to 10/],
    [{ batch: 24 }, /a batch of 24 clips, but the split has only 23/],
  ];
  for (const [change, message] of cases)
    assert.throws(
      () => new Loader(set, { ...training, ...change }),
      (e: Error) => e instanceof UsageError && message.test(e.message),
    );
  new Loader(set, { ...training, batch: 23, side: 10 });
});

test("closing in the middle ends the workers, and breaking off early is clean", async () => {
  const loader = new Loader(set, { ...training, workers: 2, prefetch: 4 });
  for await (const batch of loader.batches()) if (batch.step === 2) break;
  const again: number[] = [];
  for await (const batch of loader.batches(1, 3)) again.push(batch.step);
  assert.equal(again, [1, 2], "the same loader goes on after a break");
  const waiting = loader.batches(50);
  const pending = failure(waiting.next());
  await loader.close();
  assert.match((await pending).message, /the loader was closed/);
  assert.match((await failure(loader.batches(0, 1).next())).message, /the loader was closed/);
});

test("a shard that is damaged on disk between two epochs is noticed", async () => {
  const at = await damaged("later", []);
  const loader = new Loader(at, { ...evaluation, onBadSample: "stop" });
  for await (const _ of loader.epoch(0));
  await loader.close();
  const path = at.items[0].path;
  const bytes = readFileSync(path);
  bytes.fill(0x20, at.items[0].json.offset, at.items[0].json.offset + at.items[0].json.size);
  writeFileSync(path, bytes);
  const error = await refusal(collect({ ...evaluation, onBadSample: "stop" }, 0, 1, at));
  assert.match(error.message, /^train-00000\.tar: clip-0\.json: not valid JSON/);
});

test.after(() => rmSync(folder, { recursive: true, force: true }));
/** Threads that have started, each with its first batch. */
async function startThreads(count: number): Promise<void> {
  const loader = new Loader(set, { ...training, workers: count, prefetch: count });
  try {
    const batches = loader.batches();
    for (let i = 0; i < count; i++) await batches.next();
    await batches.return(undefined);
  } finally {
    await loader.close();
  }
}

test("a thread that starts sets nothing of the whole process", async () => {
  const picture = { create: { width: 8, height: 8, channels: 3, background: "red" } } as const;
  const gif = await sharp(picture).gif().toBuffer();
  await startThreads(1);
  assert.match((await failure(sharp(gif).metadata())).message, /unsupported image format/);
  const operation = ["VipsForeignLoadNsgif"];
  sharp.unblock({ operation }); // if another thread set up the codec, this would be undone
  try {
    await startThreads(2);
    assert.is((await sharp(gif).metadata()).width, 8);
  } finally {
    sharp.block({ operation });
  }
});

test("good pictures decode while threads start", async () => {
  const reader = new ShardReader();
  const bytes = reader.frame(set.items[3], 0);
  let starting = true;
  const decode = async () => {
    for (let count = 0; ; count++) {
      await decodeImage(bytes, "a good picture");
      if (!starting) return count;
    }
  };
  const decoding = Promise.all(Array.from({ length: 4 }, decode));
  decoding.catch(() => {}); // awaited below
  for (let round = 0; round < 4; round++) await startThreads(6);
  starting = false;
  assert.ok((await decoding).every((count) => count > 0));
  reader.close();
});

test.run();
