// Features on disk: whatever happens to the process or the files, what is read back is what was computed, and work goes on from
// whole batches.
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readNpyFile } from "../../data/formats/npy.ts";
import { watchDisk } from "../../data/formats/disk.ts";
import { DiskError, FormatError, ShapeError } from "../../engine/errors.ts";
import { type CacheKey, cacheName, FeatureCache } from "../../eval/features/cache.ts";
import { matrix } from "../../eval/matrix.ts";
import { failure, refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const key: CacheKey = {
  benchmark: "bold",
  split: "val",
  checkpoint: "c0ffee",
  input: { side: 224, frames: 8 },
  data: "da7a",
  samples: 10,
  width: 3,
};

const rows = (from: number, to: number) => Float32Array.from({ length: 3 * (to - from) }, (_, i) => 3 * from + i);
const all = Array.from(rows(0, 10));

/** Goes on until all is there, four samples at a time. */
async function fill(folder: string): Promise<number[]> {
  const cache = await FeatureCache.open(folder, key);
  try {
    while (!cache.isComplete) {
      const to = Math.min(10, cache.next + 4);
      await cache.append(rows(cache.next, to), to);
    }
    return Array.from((await cache.read()).data);
  } finally {
    await cache.close();
  }
}

test("features come back as they were, and are not asked for again", () =>
  inTemporary(async (folder) => {
    const place = join(folder, "x");
    assert.equal(await fill(place), all);
    const again = await FeatureCache.open(place, key);
    assert.ok(again.isComplete);
    await again.close();
  }));

test("a process that ends at any call on the disk leaves a cache from which the same features come", async () => {
  let calls = 0;
  const stop = watchDisk(() => void calls++);
  await inTemporary((folder) => fill(join(folder, "x")));
  stop();
  assert.ok(calls > 20);
  for (let dead = 0; dead < calls; dead++)
    await inTemporary(async (folder) => {
      let call = 0;
      const end = watchDisk(({ op }) => {
        const now = call++;
        if (now < dead) return undefined;
        if (now === dead && op === "write") return 1; // a torn write is the last that happens
        throw new DiskError("gone");
      });
      await failure(fill(join(folder, "x")), `call ${dead}`);
      end();
      assert.equal(await fill(join(folder, "x")), all, `killed at call ${dead}`);
    });
});

test("damage anywhere costs the batches from there on, never a wrong number", () =>
  inTemporary((folder) =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom("features.f32", "batches.jsonl"),
        fc.constantFrom("flip", "cut", "add"),
        fc.nat(1e6),
        async (name, damage, at) => {
          const place = join(folder, `${Math.random()}`);
          await fill(place);
          const path = join(place, name);
          const bytes = readFileSync(path);
          const i = at % bytes.length;
          if (damage === "flip") writeFileSync(path, bytes.with(i, bytes[i] ^ (1 + (at % 255))));
          if (damage === "cut") truncateSync(path, i);
          if (damage === "add") appendFileSync(path, bytes.subarray(0, i));
          assert.equal(await fill(place), all);
        },
      ),
      { seed: 2022, numRuns: 60, includeErrorInReport: true },
    ),
  ));

test("samples that could not be read have no row, also after opening again", () =>
  inTemporary(async (folder) => {
    const first = await FeatureCache.open(folder, key);
    await first.append(rows(0, 3), 4, [2]);
    await first.close();
    const second = await FeatureCache.open(folder, key);
    assert.equal([second.next, second.bad], [4, [2]]);
    await second.append(rows(3, 8), 10, [9]);
    assert.equal([...(await second.read()).data], Array.from(rows(0, 8)));
    assert.equal(second.bad, [2, 9]);
    await second.close();
  }));

test("the official file holds features and targets back to back", () =>
  inTemporary(async (folder) => {
    await fill(folder);
    const cache = await FeatureCache.open(folder, key);
    const labels = matrix(10, 2, new Float32Array(20).fill(1));
    const path = await cache.exportNpy([labels]);
    await cache.close();
    assert.ok(path.endsWith("bold_val_features.npy") && existsSync(path));
    const [features, targets] = readNpyFile(path);
    assert.equal(
      [features.shape, targets.shape],
      [
        [10, 3],
        [10, 2],
      ],
    );
    assert.equal(Array.from(features.data as Float32Array), all);
  }));

test("another checkpoint, data set, input or size is another folder; the order of its fields is not", () => {
  const names = [
    key,
    { ...key, checkpoint: "c0ffef" },
    { ...key, data: "da7b" },
    { ...key, split: "train" },
    { ...key, input: { side: 64, frames: 8 } },
    { ...key, samples: 11 },
  ].map(cacheName);
  assert.is(new Set(names).size, names.length);
  assert.is(cacheName({ ...key, input: { frames: 8, side: 224 } }), names[0]);
});

test("a folder of other features is refused, and rows that do not fit are", () =>
  inTemporary(async (folder) => {
    await fill(folder);
    const error = await refusal(FeatureCache.open(folder, { ...key, data: "other" }));
    assert.instance(error, FormatError);
    assert.match(error.message, /holds other features/);
    const fresh = await FeatureCache.open(join(folder, "fresh"), key);
    for (const [data, next, bad] of [
      [rows(0, 2), 3, []],
      [rows(0, 11), 11, []],
      [rows(0, 2), 2, [0]],
    ] as [Float32Array, number, number[]][])
      assert.instance(await failure(fresh.append(data, next, bad)), ShapeError);
    await fresh.append(rows(0, 2), 2);
    await fresh.close();
  }));

test.run();
