// Features of a split: rows of clips and texts in the order of the batches, each with its labels.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ClipBatch } from "../../data/shards/batch.ts";
import { tensor } from "../../engine/index.ts";
import { extractFeatures } from "../../eval/features/features.ts";
import { sharedGpu } from "../kernels/derive.ts";

await sharedGpu();

/** Clips `from` … `from + count − 1`, every number of which tells which clip it is. */
const batchOf = (from: number, count: number): ClipBatch => {
  const numbers = Array.from({ length: count }, (_, i) => from + i);
  return {
    step: 0,
    epoch: 0,
    count,
    frames: new Uint8Array(0),
    mask: new Uint8Array(0),
    captions: numbers.map((i) => `caption ${i}`),
    sentiment: new Float32Array(0),
    categories: Uint8Array.from(numbers.flatMap((i) => [i % 2, 1 - (i % 2)])),
    vad: Float32Array.from(numbers.flatMap((i) => [i, i + 0.25, i + 0.5])),
    keys: numbers.map(String),
    indices: Int32Array.from(numbers),
  };
};

test("videos, texts, captions and labels of a clip share a row, and batches keep their order", async () => {
  const batches = async function* () {
    yield batchOf(0, 3);
    yield batchOf(3, 3);
    yield batchOf(6, 1);
  };
  const seen: number[] = [];
  const row = (batch: ClipBatch, plus: number) =>
    tensor(
      Float32Array.from(batch.indices, (i) => i + plus),
      [batch.count, 1],
    );
  const encode = (batch: ClipBatch) => ({ v_BE: row(batch, 100), t_BE: row(batch, 200) });
  const found = await extractFeatures(batches(), 7, encode, (done) => seen.push(done));
  const numbers = [0, 1, 2, 3, 4, 5, 6];
  assert.equal(
    [...found.video.data],
    numbers.map((i) => 100 + i),
  );
  assert.equal(
    [...found.text.data],
    numbers.map((i) => 200 + i),
  );
  assert.equal(
    found.captions,
    numbers.map((i) => `caption ${i}`),
  );
  assert.equal(
    [...found.categories.data],
    numbers.flatMap((i) => [i % 2, 1 - (i % 2)]),
  );
  assert.equal(
    [...found.vad.data],
    numbers.flatMap((i) => [i, i + 0.25, i + 0.5]),
  );
  assert.equal(seen, [3, 6, 7]);
});

test.run();
