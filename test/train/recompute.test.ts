// Blocks whose results are made again: the same training in less memory.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { named } from "../../model/params.ts";
import type { Settings } from "../../train/settings.ts";
import { planStep } from "../../train/step-plan.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { settings, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

const gpu = await sharedGpu();

/** Losses, norms and all parameters after some updates. */
async function trained(config: ModelConfig, given: Partial<Settings>, steps: number) {
  const trainer = new Trainer(config, tokenizer, { ...settings, ...given });
  const reports = [];
  for (let step = 1; step <= steps; step++)
    reports.push(await trainer.update(step, syntheticBatch(step, config), settings.lr));
  const parameters = new Map<string, ArrayLike<number>>();
  for (const [name, t] of named(trainer.model)) parameters.set(name, await t.data());
  trainer.free();
  return { reports, parameters };
}

for (const [what, config, given] of [
  ["at once, with dropout", tiny, {}],
  ["in parts", tiny, { micro: 3 }],
  ["with attention that is moved to the subject", { ...tiny, subject: "saam" }, {}],
] as [string, ModelConfig, Partial<Settings>][])
  test(`20 steps ${what}: losses, norms and parameters are the bits of training that keeps everything`, async () => {
    const kept = await trained(config, given, 20);
    assert.equal(await trained(config, { ...given, gradCheckpointing: true }, 20), kept);
  });

/** Large enough that activations decide. */
const small: ModelConfig = {
  ...tiny,
  vision: { ...tiny.vision, image: 64, width: 32, mlp: 128, layers: 6 },
  text: { ...tiny.text, layers: 4 },
};

test("the planned peak falls by what blocks keep, for less than a third more arithmetic", () => {
  const wide = { ...settings, batch: 32 };
  const [kept, made] = [false, true].map((gradCheckpointing) =>
    planStep(small, { ...wide, gradCheckpointing }, gpu.facts),
  );
  assert.ok(made.peak < 0.5 * kept.peak, `${kept.peak} -> ${made.peak}`);
  const more = made.flops / kept.flops - 1;
  assert.ok(more > 0.15 && more < 1 / 3, `${more}`);
});

for (const micro of [0, 8])
  test(`what the engine allocates for steps ${micro ? "in parts" : "at once"} with blocks made again is what was planned`, async () => {
    const wide = { ...settings, batch: 32, micro, gradCheckpointing: true };
    const planned = planStep(small, wide, gpu.facts);
    gpu.store.trim(new Set());
    const before = gpu.store.total;
    const trainer = new Trainer(small, tokenizer, wide);
    for (let step = 1; step <= 2; step++)
      await trainer.update(step, syntheticBatch(step, small, wide.batch), settings.lr);
    const held = gpu.store.total - before;
    trainer.free();
    assert.ok(Math.abs(held - planned.peak) <= 0.05 * planned.peak, `planned ${planned.peak}, held ${held}`);
  });

test.run();
