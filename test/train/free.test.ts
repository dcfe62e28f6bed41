// Trainers one after the other: what a freed one leaves behind is nothing.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ShapeError } from "../../engine/index.ts";
import type { Settings } from "../../train/settings.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { settings, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

const gpu = await sharedGpu();

/** Bytes by purpose and plans known, while a trainer is at work and when it is freed. */
async function heldBy(own: Settings) {
  const trainer = new Trainer(tiny, tokenizer, own);
  for (let step = 1; step <= 2; step++) await trainer.update(step, syntheticBatch(step), own.lr);
  const during = { ...gpu.store.live, plans: gpu.planner.known };
  trainer.free();
  return { trainer, during, after: { ...gpu.store.live, plans: gpu.planner.known } };
}

for (const [name, own] of [
  ["whole batches", settings],
  ["batches in parts", { ...settings, micro: 3 }],
] as const)
  test(`six trainers one after the other take the memory of one, and leave no plans: ${name}`, async () => {
    const before = { ...gpu.store.live, plans: gpu.planner.known };
    const first = await heldBy(own);
    assert.ok(first.during.parameters > before.parameters && first.during.plans > before.plans);
    assert.equal({ ...first.after, staging: 0 }, { ...before, staging: 0 }, "buffers for reading stay in their pool");
    for (let k = 1; k < 6; k++) {
      const next = await heldBy({ ...own, seed: k });
      assert.equal(next.during, first.during);
      assert.equal(next.after, first.after);
    }
  });

test("a freed trainer is refused by name, and one beside it goes on as before", async () => {
  const losses = async (beside: boolean) => {
    const trainer = new Trainer(tiny, tokenizer, settings);
    const found: number[] = [];
    for (let step = 1; step <= 3; step++) {
      found.push((await trainer.update(step, syntheticBatch(step), settings.lr)).loss);
      if (beside) await heldBy({ ...settings, seed: step });
    }
    trainer.free();
    return found;
  };
  assert.equal(await losses(true), await losses(false));
  const { trainer } = await heldBy(settings);
  const error = await trainer.update(3, syntheticBatch(3), settings.lr).catch((reason: unknown) => reason);
  assert.instance(error, ShapeError);
  assert.match((error as Error).message, /the memory of \w+ was freed/);
  trainer.free(); // a second time does nothing
});

test.run();
