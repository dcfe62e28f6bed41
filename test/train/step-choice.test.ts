// --memory: the cheapest of the ways to take a step that fit, told in a sentence; run, it stays within what was planned.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LimitError } from "../../engine/index.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { chooseStep } from "../../train/step-choice.ts";
import { planStep } from "../../train/step-plan.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { settings as tinySettings, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

const { facts, maxBinding } = await sharedGpu();

/** A model whose activations decide, and more clips than some memory holds. */
const config: ModelConfig = {
  ...tiny,
  vision: { ...tiny.vision, image: 64, width: 32, mlp: 128, layers: 6 },
  text: { ...tiny.text, layers: 4 },
};
const settings = { ...tinySettings, batch: 16 };
const planned = (micro: number, gradCheckpointing: boolean) =>
  planStep(config, { ...settings, micro, gradCheckpointing }, facts);
const choose = (budget: number, fixed: string[] = [], given = settings) =>
  chooseStep({ config, settings: given, fixed: new Set(fixed) }, facts, { budget, maxBinding });

test("where all fits nothing is computed twice; where less does, first blocks are made again, then the batch is divided", () => {
  const ways = [planned(0, false), planned(0, true), planned(2, true)].map(({ peak }) => choose(peak));
  assert.equal(
    ways.map(({ way }) => way.gradCheckpointing || way.micro),
    [0, true, true],
  );
  assert.is(ways[1].way.micro, 0);
  assert.is(ways[2].way.micro, 2);
  assert.match(ways[0].why, /^all 16 clips at once, everything kept: .* so nothing has to be computed twice$/);
  assert.match(ways[1].why, /^all 16 clips at once, blocks made again \(--grad-checkpointing\): .* % more arithmetic/);
  assert.match(ways[2].why, /clips at a time \(--micro \d+\), blocks made again/);
});

test("of all ways that fit, none has less arithmetic than the chosen one, whatever the memory", () => {
  const all = [0, 8, 4, 2, 1].flatMap((micro) => [planned(micro, false), planned(micro, true)]);
  for (const { peak: budget } of [all[1], all[4], all[7]]) {
    const { plan } = choose(budget);
    const least = Math.min(...all.filter(({ peak }) => peak <= budget).map(({ flops }) => flops));
    assert.ok(plan.peak <= budget && plan.flops <= least, `${budget}: ${plan.flops} flops, ${least} would fit`);
  }
});

test("what somebody gave stays as it is", () => {
  const { peak } = planned(0, true);
  assert.equal(choose(peak, ["gradCheckpointing"]).way.gradCheckpointing, false);
  const given = choose(peak, ["micro"], { ...settings, micro: 4 });
  assert.is(given.way.micro, 4);
});

test("where nothing fits both numbers and the least possible one are told", () => {
  const least = planned(1, true).peak;
  assert.ok(choose(least).plan.peak <= least);
  assert.throws(
    () => choose(least / 2),
    (error: unknown) =>
      error instanceof LimitError &&
      /^a step of 16 clips takes [\d.]+ MiB; [\d.]+ MiB are allowed\n {2}the least it can take is [\d.]+ MiB: 1 of 16 clips at a time/.test(
        error.message,
      ),
  );
});

test("a tensor that cannot be bound divides the batch as well", () => {
  const image = 4 * 16 * 2 * 3 * 64 * 64; // bytes of the frames of 16 clips
  const { way } = chooseStep({ config, settings }, facts, { budget: Number.POSITIVE_INFINITY, maxBinding: image / 2 });
  assert.equal(way, { micro: 8, gradCheckpointing: false, precision: "f32" });
});

test("the chosen step, run on an engine that may have no more than was asked for, stays within its plan", async () => {
  const memory = Math.ceil(1.02 * planned(2, true).peak);
  const { way, plan } = choose(memory);
  assert.ok(way.micro > 0 && way.gradCheckpointing, JSON.stringify(way));
  const gpu = await openTestGpu({ memory });
  const trainer = new Trainer(config, tokenizer, { ...settings, ...way });
  for (let step = 1; step <= 2; step++)
    assert.is((await trainer.update(step, syntheticBatch(step, config, 16), settings.lr)).bad, 0);
  assert.ok(gpu.store.peak <= plan.peak, `planned ${plan.peak}, the most there was ${gpu.store.peak}`);
  gpu.close();
});

test.run();
