// Batches of the official training set as it lies, made by the loader that shards have: the same whatever makes them.
import { createHash } from "node:crypto";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { BadSample } from "../../data/bad-samples.ts";
import { TrainingSet } from "../../data/official/training-set.ts";
import type { ClipBatch } from "../../data/shards/batch.ts";
import { forTraining, Loader } from "../../data/shards/loader.ts";
import { goldenPath } from "../kit/golden.ts";
import { inTemporary } from "../kit/temporary.ts";

const official = goldenPath("emotionclip/data/train");
const view = { frames: 8, side: 32, resize: 37 } as const;
const options = { ...forTraining, ...view, batch: 2, seed: 5, workers: 0, maxBad: 1 } as const;

async function collect(set: TrainingSet, change: object, from: number, until: number): Promise<ClipBatch[]> {
  const loader = new Loader(set, { ...options, ...change });
  const batches: ClipBatch[] = [];
  try {
    for await (const batch of loader.batches(from, until)) batches.push(batch);
  } finally {
    await loader.close();
  }
  return batches;
}

function digest({ frames, mask, sentiment, indices, ...rest }: ClipBatch): string {
  const hash = createHash("sha256");
  for (const part of [frames, mask, sentiment, indices]) hash.update(part);
  const { step, epoch, captions, keys, replaced } = rest;
  return hash.update(JSON.stringify([step, epoch, captions, keys, replaced])).digest("hex");
}

test("0, 1, 2 and 4 threads make the same batches, from any step, and they are the set's own samples", async () => {
  const set = TrainingSet.open(official, view);
  const batches = await collect(set, {}, 0, 6);
  const want = batches.map(digest);
  assert.is(new Set(want).size, 6);
  for (const workers of [1, 2, 4])
    assert.equal((await collect(set, { workers }, 0, 6)).map(digest), want, `${workers} threads`);
  assert.equal((await collect(set, { workers: 2 }, 3, 6)).map(digest), want.slice(3));
  for (const { epoch, indices, frames, mask, captions } of batches)
    for (const [slot, index] of indices.entries()) {
      const sample = await set.sample({ seed: 5, epoch, index });
      assert.equal(frames.slice(slot * sample.frames.length, (slot + 1) * sample.frames.length), sample.frames);
      assert.equal(mask.slice(slot * sample.mask.length, (slot + 1) * sample.mask.length), sample.mask);
      assert.is(captions[slot], sample.text);
    }
});

test("a sentence that cannot be read is replaced by the same other one on any number of threads, and named once", () =>
  inTemporary(async (folder) => {
    const root = join(folder, "train");
    cpSync(official, root, { recursive: true });
    writeFileSync(join(root, "videos/AbCdEfGhIjK/human_boxes.json"), '[{"00000001.jpg": []}]');
    const runs = [];
    for (const workers of [0, 1, 2, 4]) {
      const bad: BadSample[] = [];
      const batches = await collect(
        TrainingSet.open(root, view),
        { workers, batch: 4, onBad: (each: BadSample) => bad.push(each) },
        0,
        4,
      );
      assert.ok(batches.every(({ indices, replaced }) => indices.every((i) => i >= 2) && replaced!.length === 2));
      runs.push([...batches.map(digest), ...bad.map(({ reason }) => reason)]);
    }
    assert.is(runs[0].length, 4 + 2);
    for (const run of runs) assert.equal(run, runs[0]);
  }));

test.run();
