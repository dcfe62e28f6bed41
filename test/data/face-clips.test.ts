// Clips of faces through the loader: the same bits by any number of threads, in bytes and in floats, texts drawn, classes balanced.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { sourcesOf, turned, turnedBytes } from "../../data/faces/augment.ts";
import { FaceClips, type FaceClipsOptions } from "../../data/faces/clip-set.ts";
import { openFaceSet } from "../../data/faces/sets.ts";
import { surveyFaces } from "../../data/faces/survey.ts";
import { normaliseInto } from "../../data/pixels/image.ts";
import type { ClipBatch } from "../../data/shards/batch.ts";
import { heldBy, Loader, type LoaderOptions } from "../../data/shards/loader.ts";
import { Several } from "../../data/sources/several.ts";
import { sevenClasses, writeDfew } from "../kit/face-set.ts";
import { inTemporary } from "../kit/temporary.ts";

const labels = [0, 0, 0, 0, 1, 3];
const how = { every: 2, window: "random", augment: true } as const;
const view = { frames: 4, side: 16, resize: 16, sampling: "random", crop: "centre" } as const;
const options: LoaderOptions = { ...view, batch: 3, order: "shuffled", seed: 5, workers: 0 };

async function clipsIn(root: string, more: Partial<FaceClipsOptions> = {}): Promise<FaceClips> {
  await writeDfew(root, "train", labels);
  const set = await openFaceSet("dfew", root, { split: "train" });
  const { clips } = await surveyFaces(set);
  const textsOf = ({ label }: { label: number }) => [sevenClasses[label], `a face of ${sevenClasses[label]}`];
  return new FaceClips(clips, { root: set.root, how, textsOf, ...more });
}

async function collect(set: ConstructorParameters<typeof Loader>[0], given: LoaderOptions, until: number) {
  const loader = new Loader(set, given);
  const batches: ClipBatch[] = [];
  try {
    for await (const batch of loader.batches(0, until)) batches.push(batch);
  } finally {
    await loader.close();
  }
  return batches;
}

const digest = ({ frames, mask, captions, keys }: ClipBatch): string =>
  createHash("sha256")
    .update(frames)
    .update(mask)
    .update(JSON.stringify([captions, keys]))
    .digest("hex");

test("any number of threads gives the same batches, in bytes and in floats; an epoch draws other windows than the one before", () =>
  inTemporary(async (root) => {
    const set = await clipsIn(root);
    for (const numbers of ["bytes", "floats"] as const) {
      const given = { ...options, numbers };
      const [alone, threads] = [await collect(set, given, 4), await collect(set, { ...given, workers: 2 }, 4)];
      assert.equal(alone.map(digest), threads.map(digest));
      assert.is(new Set(alone.map(digest)).size, 4);
      const [{ frames, mask }] = alone;
      assert.is(frames instanceof Float32Array, numbers === "floats");
      assert.equal([frames.length, mask.length, mask.some(Boolean)], [3 * 4 * 3 * 256, 3 * 4 * 256, false]);
      const { batchBytes } = heldBy({ ...given });
      assert.is(batchBytes, frames.byteLength + mask.byteLength);
    }
  }));

test("of several texts one is drawn for each showing, of one clip in one epoch always the same", () =>
  inTemporary(async (root) => {
    const batches = await collect(await clipsIn(root), options, 40);
    const said = batches.flatMap(({ captions }) => captions);
    const long = said.filter((text) => text.startsWith("a face of")).length;
    assert.is(said.length, 120);
    assert.ok(long > 35 && long < 85, `${long}`);
  }));

test("balanced, an epoch shows each class as often as the largest, and each clip of one as often as its neighbours", () =>
  inTemporary(async (root) => {
    const set = await clipsIn(root, { balanced: true });
    assert.equal(
      set.shares,
      [4, 1, 1].map((samples) => ({ samples, factor: 4 / samples })),
    );
    const twice = new Several([
      { name: "a", set, factor: 1 },
      { name: "b", set, factor: 2 },
    ]);
    assert.equal(
      twice.shares.map(({ factor }) => factor),
      [1, 4, 4, 2, 8, 8],
    );
    const batches = await collect(set, { ...options, batch: 4 }, 3);
    const counts = new Map<string, number>();
    for (const key of batches.flatMap(({ keys }) => keys)) counts.set(key, (counts.get(key) ?? 0) + 1);
    assert.equal(Object.fromEntries(counts), {
      ...{ "train-0": 1, "train-1": 1, "train-2": 1, "train-3": 1 },
      ...{ "train-4": 4, "train-5": 4 },
    });
  }));

test("a clip whose pictures cannot be read is counted, and another shown in its place", () =>
  inTemporary(async (root) => {
    const set = await clipsIn(root);
    for (const t of [0, 2, 4]) writeFileSync(join(root, "DFEW_Frame_Face", "train-1", `00${t}.png`), "no picture");
    const heard: string[] = [];
    const given = { ...options, maxBad: 0.5, onBad: ({ reason }: { reason: string }) => heard.push(reason) };
    const batches = await collect(set, given, 2);
    assert.is(heard.length, 1);
    assert.match(heard[0], /00\d\.png/);
    assert.equal(
      batches.flatMap(({ replaced }) => replaced),
      ["train-1"],
    );
  }));

test("a picture in bytes is turned as its planes are; what has no source is the mean grey of both", () => {
  const [height, width] = [9, 7];
  const picture = Uint8Array.from({ length: 3 * height * width }, (_, i) => (37 * i) % 256);
  const planesOf = (data: Uint8Array) => {
    const planes = new Float32Array(data.length);
    normaliseInto(planes, 0, { data, width, height });
    return planes;
  };
  for (const turn of [
    { angle: 5.5, flip: false },
    { angle: -30, flip: true },
  ]) {
    const from = sourcesOf(height, width, turn);
    const [want, got] = [turned(planesOf(picture), from), planesOf(turnedBytes(picture, from))];
    // a byte is 1/255 of a range that is some 4.4 deviations wide: half of it is what rounding the mean colour costs
    for (const [i, value] of want.entries()) assert.ok(value === 0 ? Math.abs(got[i]) < 0.01 : got[i] === value);
  }
});

test.run();
