// A batch in parts: the same step as at once, in less memory.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { planStep } from "../../train/step-plan.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { settings, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

const gpu = await sharedGpu();

/** Every gradient after one step of a batch of 8, by shard. */
async function gradientsAfter(micro: number, dropout = 0.1) {
  const trainer = new Trainer(tiny, tokenizer, { ...settings, micro, dropout });
  const report = await trainer.update(1, syntheticBatch(1), settings.lr);
  const gradients: Float32Array[] = [];
  for (const shard of [...trainer.shards.values()].flat())
    gradients.push((await shard.gradients.data()) as Float32Array);
  return { report, gradients };
}

for (const micro of [1, 3, 4, 7])
  test(`parts of ${micro} give the gradients of a batch of 8 at once, dropout included`, async () => {
    const [whole, parts] = [await gradientsAfter(0), await gradientsAfter(micro)];
    assert.ok(Math.abs(parts.report.loss - whole.report.loss) < 1e-5, `${parts.report.loss}, ${whole.report.loss}`);
    assert.is(parts.report.bad, 0);
    for (const [i, want] of whole.gradients.entries()) {
      const most = want.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      assert.ok(most > 0, `shard ${i} has no gradient`);
      // sums over the batch in another order: some 1e-6 of the largest term, and terms cancel
      const worst = want.reduce((a, b, k) => Math.max(a, Math.abs(b - parts.gradients[i][k])), 0);
      assert.ok(worst <= 2e-5 * most, `shard ${i}: off by ${worst}, the largest is ${most}`);
    }
  });

test("dropout reaches the parts of a batch: without it the gradients are others", async () => {
  const [whole, without] = [await gradientsAfter(4), await gradientsAfter(4, 0)];
  assert.is.not(whole.report.norm, without.report.norm);
});

test("a step in parts gives the same bits again", async () => {
  const [a, b] = [await gradientsAfter(3), await gradientsAfter(3)];
  assert.equal(a, b);
});

test("steps in parts make no buffer, bind group, pipeline or plan after the third", async () => {
  const trainer = new Trainer(tiny, tokenizer, { ...settings, micro: 3 });
  const train = async (step: number) => trainer.update(step, syntheticBatch(step), settings.lr);
  for (let step = 1; step <= 3; step++) await train(step);
  const before = { ...gpu.counters, ...gpu.store.live };
  for (let step = 4; step <= 8; step++) await train(step);
  assert.equal({ ...gpu.counters, ...gpu.store.live }, before);
});

/** Large enough that activations decide. */
const small: ModelConfig = { ...tiny, vision: { ...tiny.vision, image: 64, width: 32, layers: 2 } };

test("the plan of a step in parts is what the engine holds, within 5 %, and less than at once", async () => {
  const inParts = { ...settings, batch: 32, micro: 4 };
  const planned = planStep(small, inParts, gpu.facts);
  const atOnce = planStep(small, { ...inParts, micro: 0 }, gpu.facts);
  assert.ok(planned.memory.activations < 0.2 * atOnce.memory.activations);
  assert.ok(planned.flops > 1.25 * atOnce.flops && planned.flops < 1.4 * atOnce.flops, "one forward more");
  gpu.planner.forget();
  const before = gpu.store.total;
  const trainer = new Trainer(small, tokenizer, inParts);
  for (let step = 1; step <= 2; step++)
    await trainer.update(step, syntheticBatch(step, small, inParts.batch), settings.lr);
  const held = gpu.store.total - before;
  assert.ok(Math.abs(held - planned.peak) <= 0.05 * planned.peak, `planned ${planned.peak}, held ${held}`);
});

test.run();
