// The moving average of the weights: what it follows and when it stays, that it takes the model's place and gives it back, and what
// checkpoints and plans have of it.
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { checkpointName } from "../../model/checkpoint/folder.ts";
import { named } from "../../model/params.ts";
import { trainLoop } from "../../train/loop.ts";
import type { GroupSettings } from "../../train/rates.ts";
import { RunFolder } from "../../train/runs/run-folder.ts";
import { planStep } from "../../train/step-plan.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { inTemporary } from "../kit/temporary.ts";
import { settings, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

const gpu = await sharedGpu();
const averaged: GroupSettings = { ...settings, modelEmaDecay: 0.75 };

type Numbers = Record<string, number[]>;

async function numbersOf(tensors: Iterable<[string, { data(): Promise<ArrayLike<number>> }]>): Promise<Numbers> {
  const found: Numbers = {};
  for (const [name, t] of tensors) found[name] = Array.from(await t.data());
  return found;
}

const weightsOf = ({ model }: Trainer) => numbersOf(named(model));
const averageOf = ({ average }: Trainer) => numbersOf(average!.weights());

function poisoned(step: number) {
  const { frames, ...batch } = syntheticBatch(step);
  const floats = Float32Array.from(frames);
  floats[7] = Number.NaN;
  return { ...batch, frames: floats };
}

test("the average begins as the weights, follows each update, and a step that is skipped does not move it", async () => {
  const trainer = new Trainer(tiny, tokenizer, averaged);
  trainer.average!.begin();
  const want = await weightsOf(trainer);
  assert.equal(await averageOf(trainer), want);
  for (let step = 1; step <= 4; step++) {
    const before = await averageOf(trainer);
    const { bad } = await trainer.update(step, step === 3 ? poisoned(step) : syntheticBatch(step), settings.lr);
    const now = await averageOf(trainer);
    if (step === 3) {
      assert.ok(bad > 0);
      assert.equal(now, before);
      continue;
    }
    for (const [name, weights] of Object.entries(await weightsOf(trainer)))
      for (const [i, weight] of weights.entries()) {
        want[name][i] += 0.25 * (weight - want[name][i]);
        assert.ok(Math.abs(now[name][i] - want[name][i]) < 1e-6 * (1 + Math.abs(weight)), `${name}[${i}]`);
      }
  }
});

test("the weights train with the same bits beside an average, and its launches are one a shard", async () => {
  const [plain, beside] = [settings, averaged].map((given) => new Trainer(tiny, tokenizer, given));
  beside.average!.begin();
  for (let step = 1; step <= 3; step++)
    for (const trainer of [plain, beside]) await trainer.update(step, syntheticBatch(step), settings.lr);
  assert.equal(await weightsOf(beside), await weightsOf(plain));
  const plans = [settings, averaged].map((given) => planStep(tiny, given, gpu.facts));
  const shards = [...beside.shards.values()].flat();
  assert.is(plans[1].launches - plans[0].launches, shards.length);
  const flat = shards.reduce((sum, { numel }) => sum + 4 * numel, 0);
  assert.equal([plans[0].memory.optimizer, plans[1].memory.optimizer], [2 * flat, 3 * flat]);
  assert.is(beside.checkpointBytes - plain.checkpointBytes, 4 * plain.parameters);
});

test("the average takes the place of the weights for a while, and gives it back with their bits, whatever happens", async () => {
  const trainer = new Trainer(tiny, tokenizer, averaged);
  trainer.average!.begin();
  for (let step = 1; step <= 2; step++) await trainer.update(step, syntheticBatch(step), settings.lr);
  const [weights, average] = [await weightsOf(trainer), await averageOf(trainer)];
  assert.not.equal(average, weights);
  assert.equal(await trainer.average!.inPlace(() => weightsOf(trainer)), average);
  assert.equal(Object.fromEntries(await entriesOf(trainer)), average);
  const failing = trainer.average!.inPlace(async () => {
    throw new Error("as a measurement may");
  });
  await failing.then(
    () => assert.unreachable(),
    () => {},
  );
  assert.equal([await weightsOf(trainer), await averageOf(trainer)], [weights, average]);
});

async function entriesOf(trainer: Trainer): Promise<[string, number[]][]> {
  const found: [string, number[]][] = [];
  for (const { name, bytes } of trainer.averageEntries())
    found.push([name, Array.from(new Float32Array(((await bytes()) as Uint8Array).slice().buffer))]);
  return found;
}

/** As a command trains; resumed where the folder has a checkpoint. Skips step 4. */
async function train(folder: string, given: GroupSettings, until = given.steps) {
  const trainer = new Trainer(tiny, tokenizer, given);
  const run = await RunFolder.open(folder, { ...settings });
  let step = 0;
  const said: string[] = [];
  const loader = {
    stepsPerEpoch: 100,
    async *batches(from = 0, to = 0) {
      for (step = from + 1; step <= to; step++) yield step === 4 ? poisoned(step) : syntheticBatch(step);
    },
  };
  const stop = {
    get requested() {
      return step >= until && until < given.steps ? 130 : undefined;
    },
  };
  const progress = { start: () => {}, at: () => {}, say: (line: string) => void said.push(line) };
  try {
    await trainLoop({ trainer, loader, run, gpu, progress, stop });
    return { trainer, said };
  } finally {
    await run.close();
  }
}

test("a stopped and resumed run has the average of one that was not stopped, and its checkpoints hold it", () =>
  inTemporary(async (folder) => {
    const whole = await train(join(folder, "whole"), averaged);
    await train(join(folder, "parts"), averaged, 3);
    const resumed = await train(join(folder, "parts"), averaged);
    assert.equal(await averageOf(resumed.trainer), await averageOf(whole.trainer));
    const file = await SafetensorsFile.open(
      join(folder, "parts", checkpointName(averaged.steps), "optimizer.safetensors"),
    );
    const names = [...file.tensors.keys()].filter((name) => name.endsWith(".ema"));
    await file.close();
    assert.is(names.length, Object.keys(await weightsOf(whole.trainer)).length);
  }));

test("an average that a checkpoint does not have begins there, and that is said", () =>
  inTemporary(async (folder) => {
    await train(folder, settings, 3);
    const { trainer, said } = await train(folder, averaged);
    assert.match(said.join("\n"), /warning: the checkpoint has no average of the weights: it begins as they are now/);
    assert.not.equal(await averageOf(trainer), await weightsOf(trainer));
  }));

test.run();
