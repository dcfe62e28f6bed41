// Steps from what frozen towers made of clips and texts: those from pixels and tokens, without the towers.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute } from "../../engine/index.ts";
import type { Family } from "../../model/family.ts";
import { locked } from "../../train/locks.ts";
import { encode, Trainer, type TrainingBatch } from "../../train/trainer.ts";
import { asClips, pixelTensors } from "../../model/pixels.ts";
import { emoClip, type EmoClipConfig, emotionClip } from "../../model/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { settings, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

const gpu = await sharedGpu();

/** The same towers under EmoCLIP's temporal module. */
const emoClipTiny: EmoClipConfig = {
  ...{ embed: tiny.embed, vision: tiny.vision, text: tiny.text, activation: "quickGelu" },
  temporal: { frames: tiny.head.frames, positions: 8, layers: 1, heads: 2, headWidth: 12, hidden: 16 },
};

const locks = { lockImage: true, lockText: true, lockLayers: 0 };

/** Each family as it is when both towers are frozen. */
const frozen: readonly [Family, object][] = [
  [locked(emotionClip as Family, locks), tiny],
  [emoClip as Family, emoClipTiny],
];

const own = { ...settings, batch: 4 };
const batchOf = (step: number) => syntheticBatch(step, tiny, own.batch);

/** What the towers make of a batch, as a batch of it. */
async function keptOf({ model }: Trainer, batch: ReturnType<typeof batchOf>): Promise<TrainingBatch> {
  const { frames: T, side, colours } = model.takes;
  const [features, texts] = await compute(() => {
    const { frames_BT3SS, mask_BTSS } = asClips(pixelTensors(batch, side, 0, undefined, colours), T);
    return [model.encodeFrames(frames_BT3SS, mask_BTSS), encode(model, tokenizer, batch).t_BE];
  });
  const { captions, sentiment } = batch;
  return { features: features as Float32Array, texts: texts as Float32Array, captions, sentiment };
}

/** Losses and norms of three steps, each on what `inputOf` makes of its batch. */
async function stepsOf(
  [family, config]: (typeof frozen)[number],
  changed: Partial<typeof own>,
  inputOf: (trainer: Trainer, batch: ReturnType<typeof batchOf>) => TrainingBatch | Promise<TrainingBatch>,
): Promise<number[]> {
  const trainer = new Trainer(config, tokenizer, { ...own, ...changed }, family);
  const told: number[] = [];
  for (let step = 1; step <= 3; step++) {
    const { loss, norm } = await trainer.update(step, await inputOf(trainer, batchOf(step)), 0.01);
    told.push(loss, norm);
  }
  trainer.free();
  return told;
}

for (const each of frozen)
  for (const changed of [{}, { micro: 2 }, { gradCheckpointing: true }])
    test(`${each[0].name}: steps from kept features are those from pixels, bit for bit ${JSON.stringify(changed)}`, async () => {
      const pixels = await stepsOf(each, changed, (_, batch) => batch);
      assert.equal(await stepsOf(each, changed, keptOf), pixels);
      assert.ok(pixels.every((value) => Number.isFinite(value) && value > 0));
    });

test("kept frames alone, and kept captions alone, do the same", async () => {
  const pixels = await stepsOf(frozen[0], {}, (_, batch) => batch);
  const framesAlone = await stepsOf(frozen[0], {}, async (trainer, batch) => {
    const { texts: _, ...kept } = await keptOf(trainer, batch);
    return kept;
  });
  const textsAlone = await stepsOf(frozen[0], {}, async (trainer, batch) => {
    const { texts } = await keptOf(trainer, batch);
    return { ...batch, texts };
  });
  assert.equal([framesAlone, textsAlone], [pixels, pixels]);
});

(gpu.facts.f16 ? test : test.skip)(
  "in mixed precision kept features of f32 stay as near as half precision is",
  async () => {
    const pixels = await stepsOf(frozen[0], { precision: "amp" }, (_, batch) => batch);
    const kept = await stepsOf(frozen[0], { precision: "amp" }, keptOf);
    for (const [i, value] of pixels.entries()) assert.ok(Math.abs(kept[i] / value - 1) < 0.02, `${kept[i]}, ${value}`);
  },
);

for (const [family, config] of frozen)
  test(`${family.name}: a clip is its frames, joined`, async () => {
    const { model } = new Trainer(config, tokenizer, own, family);
    const { frames: T, side } = model.takes;
    const [whole, joined] = await compute(() => {
      const { frames_BT3SS, mask_BTSS } = asClips(pixelTensors(batchOf(1), side), T);
      const f_BTE = model.encodeFrames(frames_BT3SS, mask_BTSS);
      return [model.encodeVideo(frames_BT3SS, mask_BTSS), model.joinFrames(f_BTE)];
    });
    assert.equal(joined, whole);
  });

test.run();
