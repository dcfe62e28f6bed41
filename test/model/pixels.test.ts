// Pixels on their way to the device: bytes become the floats that the host would have made, bit for bit, and floats stay as they are.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Side } from "../../data/pixels/side.ts";
import { compute, ShapeError } from "../../engine/index.ts";
import { encodeVideos } from "../../eval/features/encode.ts";
import { configFromValue, loadModel } from "../../model/index.ts";
import { pixelTensors } from "../../model/pixels.ts";
import { sharedGpu, uniform } from "../kernels/derive.ts";
import { goldenJson, goldenPath } from "../kit/golden.ts";
import { planes } from "../kit/planes.ts";
import { failure, refusal } from "../kit/refusal.ts";

await sharedGpu();
const config = configFromValue(goldenJson("emotionclip/tiny/config.json"), "config.json");

const random = uniform(5);
const bytes = (n: number, below: number) => Uint8Array.from({ length: n }, () => below * random());

/** Frames of this size, on bytes that begin `offset` beyond a word. */
function pixelsOf(frames: number, [height, width]: readonly [number, number], offset = 0) {
  const cells = frames * height * width;
  return {
    frames: bytes(3 * cells + offset, 256).subarray(offset),
    mask: bytes(cells + offset, 2).subarray(offset),
  };
}

const read = (pixels: Parameters<typeof pixelTensors>[0], side: Side, ...range: [from?: number, count?: number]) =>
  compute(() => {
    const { frames_N3SS, mask_NSS } = pixelTensors(pixels, side, ...range);
    return [frames_N3SS, mask_NSS];
  });

test("bytes of any size and place become the floats of the host, bit for bit", async () => {
  for (const side of [
    [8, 8],
    [5, 5],
    [3, 7],
    [4, 6],
  ] as const)
    for (const offset of [0, 1]) {
      const pixels = pixelsOf(3, side, offset);
      const [frames, mask] = await read(pixels, side);
      assert.equal(frames, planes(pixels.frames, side));
      assert.equal(mask, Float32Array.from(pixels.mask));
      const [some, own] = await read(pixels, side, 1, 2);
      assert.equal([some, own], [frames.subarray(frames.length / 3), mask.subarray(mask.length / 3)]);
    }
  const every = { frames: Uint8Array.from({ length: 768 }, (_, i) => i / 3), mask: new Uint8Array(256) };
  assert.equal((await read(every, 16))[0], planes(every.frames, 16));
});

test("floats go as they are, each of the two for itself", async () => {
  const { frames, mask } = pixelsOf(2, [4, 4]);
  const soft = Float32Array.from(mask, (value) => value / 3);
  const own = Float32Array.from(frames, (value) => value - 0.5);
  assert.equal(await read({ frames, mask: soft }, 4), [planes(frames, 4), soft]);
  assert.equal(await read({ frames: own, mask }, 4), [own, Float32Array.from(mask)]);
});

test("a model has the same features of bytes and of their floats; both in one batch, and other sizes, are refused", async () => {
  const { model, free } = await loadModel(goldenPath("emotionclip/tiny/model.safetensors"), { config });
  try {
    const { frames: T, side } = model.takes;
    const clips = [0, 1, 2].map(() => pixelsOf(T, [Number(side), Number(side)]));
    const floats = clips.map(({ frames, mask }) => ({ frames: planes(frames, side), mask: Float32Array.from(mask) }));
    assert.equal((await encodeVideos(model, clips)).data, (await encodeVideos(model, floats)).data);
    const mixed = await refusal(encodeVideos(model, [clips[0], floats[1]]));
    assert.instance(mixed, ShapeError);
    assert.match(mixed.message, /frames of item 1 of a batch: is no Uint8Array.*encode bytes and floats apart/);
  } finally {
    free();
  }
  const beyond = await failure(read(pixelsOf(3, [4, 4]), 4, 1, 3));
  assert.match(beyond.message, /frames 1 to 3 of 3/);
  const wrong = await failure(read({ frames: new Uint8Array(48), mask: new Uint8Array(15) }, 4));
  assert.match(
    wrong.message,
    /48 numbers of frames and 15 of masks; the model takes \[T, 3, 4, 4\], in bytes \[T, 4, 4, 3\]/,
  );
});

test.run();
