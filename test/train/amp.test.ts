// Mixed precision: what a step computes in half precision, how the scale of its loss backs off, recovers and is resumed, and what a
// step takes.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { assign, compute, GpuError, HealthError, type Shard, type Tensor, UsageError } from "../../engine/index.ts";
import { cast, linear, layernorm, attention } from "../../kernels/index.ts";
import { saveCheckpoint } from "../../model/checkpoint/folder.ts";
import type { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { families } from "../../model/families.ts";
import { named } from "../../model/params.ts";
import { locked } from "../../train/locks.ts";
import { Watch } from "../../train/loop.ts";
import { planStep } from "../../train/step-plan.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { inTemporary } from "../kit/temporary.ts";
import { settings, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

const gpu = await sharedGpu();
const amp = { ...settings, precision: "amp" } as const;
/** The distance of neighbouring numbers of f16 around 1. */
const epsilon = 2 ** -10;

/** A trainer that may have had any number of sound steps. */
class Scaled extends Trainer {
  from(scale: number, sound = 0): this {
    this.scaleLoss(scale);
    assign(this.lossScale!.sound, [sound]);
    return this;
  }
}

const scaled = (scale: number, given: typeof amp = amp) => new Scaled(tiny, tokenizer, given).from(scale);

const bitsOf = (data: ArrayLike<number>) => new Uint32Array(Float32Array.from(data).buffer);

/** Bits of all that a checkpoint holds: parameters, moments, the scale and its counter. */
async function stateOf(trainer: Trainer): Promise<Record<string, Uint32Array>> {
  const found: Record<string, Uint32Array> = {};
  for (const entry of [...trainer.modelEntries(), ...trainer.optimizerEntries()]) {
    const bytes = (await entry.bytes()) as Uint8Array;
    found[entry.name] = new Uint32Array(bytes.slice().buffer);
  }
  return found;
}

const update = (trainer: Trainer, step: number) => trainer.update(step, syntheticBatch(step), settings.lr);

/** Every gradient, by parameter, without the scale of the loss. */
async function gradientsOf(trainer: Trainer, scale = 1): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for (const [name, shard, i] of trainer.places()) {
    const data = (await shard.part(shard.gradients, i).data()) as Float32Array;
    found.set(
      name,
      data.map((value) => value / scale),
    );
  }
  return found;
}

const norm = (x: ArrayLike<number>) => Math.hypot(...Array.from(x));
const distance = (a: Float32Array, b: Float32Array) => norm(a.map((value, i) => value - b[i])) / norm(b);

const whereThere = gpu.facts.f16 ? test : test.skip;

// ---- what it takes; first, while no other plan has buffers to share ----

whereThere(
  "the plan of a step is what the engine holds after two of them, and activations are about half",
  async () => {
    const small = { ...tiny, vision: { ...tiny.vision, image: 64, width: 32, layers: 2 } };
    const given = { ...amp, batch: 16 };
    const planned = planStep(small, given, gpu.facts);
    const before = { ...gpu.store.live };
    const trainer = new Trainer(small, tokenizer, given);
    for (let step = 1; step <= 2; step++) await trainer.update(step, syntheticBatch(step, small, 16), settings.lr);
    const held = (name: keyof typeof before) => gpu.store.live[name] - before[name];
    for (const name of ["parameters", "gradients", "optimizer"] as const)
      assert.is(held(name), planned.memory[name], name);
    const total = Object.values(gpu.store.live).reduce((a, b) => a + b) - Object.values(before).reduce((a, b) => a + b);
    assert.ok(Math.abs(total - planned.peak) <= 0.01 * planned.peak, `planned ${planned.peak}, held ${total}`);
    const { memory } = planStep(small, { ...given, precision: "f32" }, gpu.facts);
    const ratio = planned.memory.activations / memory.activations;
    assert.ok(ratio > 0.45 && ratio < 0.75, `activations x ${ratio}`);
    const state = ({ parameters, gradients, optimizer }: typeof memory) => parameters + gradients + optimizer;
    assert.ok(state(planned.memory) < 1.1 * state(memory), "parameters, gradients and moments take 16 bytes a value");
  },
);

// ---- what is computed ----

whereThere("a chain of products, norm and attention in f16 is that of f32 within some roundings of f16", async () => {
  const trainer = new Trainer<EmotionClip>(tiny, tokenizer, settings);
  const { attn, ln_1 } = trainer.model.backbone.transformer.resblocks[0];
  const { in_proj_weight, in_proj_bias } = attn;
  const table = trainer.model.backbone.positional_embedding;
  const run = (dtype: "f32" | "f16") => () => {
    const of = (t: Tensor) => cast(t, dtype);
    const y = layernorm(of(table.reshape([1, ...table.shape])), ln_1.weight, ln_1.bias);
    return [cast(attention(linear(y, of(in_proj_weight), of(in_proj_bias)), { heads: 2 }), "f32")];
  };
  const [[half], [full]] = [await compute(run("f16")), await compute(run("f32"))];
  // three results are rounded to half an epsilon each, and the operands before them
  assert.ok(distance(half as Float32Array, full as Float32Array) < 4 * epsilon);
});

whereThere(
  "gradients through the halves come to the masters within some roundings of f16, and are unscaled",
  async () => {
    const [half, full] = [scaled(256), new Trainer(tiny, tokenizer, settings)];
    const [a, b] = [await update(half, 1), await update(full, 1)];
    assert.is(a.bad, 0);
    assert.ok(Math.abs(a.loss - b.loss) < 2 * epsilon, `${a.loss}, ${b.loss}`);
    assert.ok(Math.abs(a.norm - b.norm) < 8 * epsilon * b.norm, `${a.norm}, ${b.norm}`);
    const [found, want] = [await gradientsOf(half, 256), await gradientsOf(full)];
    assert.equal([...found.keys()].sort(), [...want.keys()].sort());
    for (const [name, gradient] of want) {
      const off = distance(found.get(name)!, gradient);
      assert.ok(off < 10 * epsilon, `${name} is off by ${off}`);
    }
  },
);

whereThere("a batch in parts has the gradients of the batch at once, within some roundings of f16", async () => {
  const [parts, whole] = [scaled(256, { ...amp, micro: 3 }), scaled(256)];
  const [a, b] = [await update(parts, 1), await update(whole, 1)];
  assert.is(a.bad, 0);
  assert.ok(Math.abs(a.loss - b.loss) < epsilon);
  const [found, want] = [await gradientsOf(parts), await gradientsOf(whole)];
  for (const [name, gradient] of want) {
    const off = distance(found.get(name)!, gradient);
    assert.ok(off < 10 * epsilon, `${name} is off by ${off}`);
  }
});

whereThere("what is locked has halves that are used, and stays as it is", async () => {
  const family = locked(families[0], { lockImage: true, lockText: false, lockLayers: 0 });
  const trainer = new Trainer<EmotionClip>(tiny, tokenizer, amp, family);
  const full = new Trainer(tiny, tokenizer, settings, family);
  const before = (await trainer.model.backbone.visual.conv1.weight.data()).slice();
  for (let step = 1; step <= 8; step++) await update(trainer, step);
  assert.equal(await trainer.model.backbone.visual.conv1.weight.data(), before);
  const [a, b] = [await update(new Trainer(tiny, tokenizer, amp, family), 1), await update(full, 1)];
  assert.ok(Math.abs(a.loss - b.loss) < 2 * epsilon);
  assert.is(trainer.frozen + trainer.parameters, full.frozen + full.parameters);
});

// ---- the scale ----

whereThere("a scale that is too large backs off, step by step, changes nothing meanwhile, and recovers", async () => {
  const trainer = scaled(2 ** 30);
  const before = await stateOf(trainer);
  let step = 0;
  let scale = 2 ** 30;
  for (;;) {
    const report = await update(trainer, ++step);
    if (report.bad === 0) break;
    scale /= 2;
    assert.is(report.lossScale, scale);
    const { "grad_scaler.scale": _, ...state } = await stateOf(trainer);
    const { "grad_scaler.scale": __, ...old } = before;
    assert.equal(state, old);
    assert.ok(scale > 1, "no scale is small enough");
  }
  assert.ok(step > 10, `2^30 is taken after ${step} steps`);
  assert.not.equal(await stateOf(trainer), before);
});

whereThere("after 2000 sound steps the scale doubles, and counts anew", async () => {
  const trainer = scaled(16).from(16, 1998);
  const scales: (number | undefined)[] = [];
  for (let step = 1; step <= 3; step++) scales.push((await update(trainer, step)).lossScale);
  assert.equal(scales, [16, 32, 32]);
  assert.is((await stateOf(trainer))["grad_scaler._growth_tracker"][0], bitsOf([1])[0]);
});

test("steps of a scale that backs off do not end training; a scale below 1 does, with exit code 5", () => {
  const watch = new Watch();
  const report = { step: 1, loss: 1, norm: 1, bad: 3, logitScale: 2 };
  for (let step = 1; step <= 16; step++) {
    const said = watch.note({ ...report, step, lossScale: 2 ** (16 - step) }, []);
    assert.match(said!, /^skipped: 3 gradient elements are not finite, .*; the loss scale is now \d+$/);
  }
  assert.is(watch.skipped.length, 16);
  assert.is(watch.note({ ...report, step: 17, bad: 0, lossScale: 1 }, []), undefined);
  const end = () => watch.note({ ...report, step: 18, lossScale: 0.5 }, []);
  assert.throws(end, (error: unknown) => error instanceof HealthError && error.exitCode === 5);
  assert.throws(end, /stopped at step 18: gradients are not finite at any scale of the loss, which is now 0.5/);
});

test("steps of a scale that backs off are none of those in a row after a resume either", () => {
  const watch = new Watch();
  const report = { step: 1, loss: 1, norm: 1, bad: 3, logitScale: 2 };
  for (const step of [1, 2]) watch.note({ ...report, step, lossScale: 4 / step }, []);
  const { skipped, backedOff } = JSON.parse(JSON.stringify(watch));
  assert.equal(
    [skipped, backedOff],
    [
      [1, 2],
      [1, 2],
    ],
  );
  const unsound = { ...report, step: 3, bad: 0, loss: Number.NaN, lossScale: 2 };
  assert.type(new Watch(skipped, backedOff).note(unsound, []), "string");
  assert.throws(() => new Watch(skipped).note(unsound, []), /3 steps in a row/);
});

whereThere("a NaN among the pixels is skipped at every scale", async () => {
  const trainer = scaled(4);
  const batch = syntheticBatch(1);
  const frames = Float32Array.from(batch.frames);
  frames[7] = Number.NaN;
  const before = await stateOf(trainer);
  const { bad, lossScale } = await trainer.update(1, { ...batch, frames }, settings.lr);
  assert.ok(bad > 0);
  assert.is(lossScale, 2);
  const { "grad_scaler.scale": _, ...state } = await stateOf(trainer);
  const { "grad_scaler.scale": __, ...old } = before;
  assert.equal(state, old);
});

// ---- what is saved ----

const at = { step: 3, epoch: 0, position: 0, seed: 0, rng: {}, best: null, state: null, config: "0".repeat(64) };
const made = { adapter: "", subgroupSize: 8, commit: "" };

async function reloaded(folder: string, from: Trainer, into: Trainer): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const tensors = { model: from.modelEntries(), optimizer: from.optimizerEntries() };
  await saveCheckpoint(folder, { ...at, ...made, tensors });
  const open = (name: string) => SafetensorsFile.open(join(folder, "ckpt-00000003", name));
  const [model, optimizer] = [await open("model.safetensors"), await open("optimizer.safetensors")];
  await into.load(model, optimizer);
  await model.close();
  await optimizer.close();
}

whereThere("a checkpoint holds the scale and its counter, and a resumed run has the same bits", () =>
  inTemporary(async (folder) => {
    const whole = scaled(2 ** 14);
    for (let step = 1; step <= 3; step++) await update(whole, step);
    const again = new Trainer(tiny, tokenizer, amp);
    await reloaded(folder, whole, again);
    assert.equal(await stateOf(again), await stateOf(whole));
    for (let step = 4; step <= 6; step++) assert.equal(await update(again, step), await update(whole, step));
    assert.equal(await stateOf(again), await stateOf(whole));
  }),
);

whereThere("a checkpoint of f32 is gone on with at the first scale, one of amp without", () =>
  inTemporary(async (folder) => {
    const full = new Trainer(tiny, tokenizer, settings);
    const half = new Trainer(tiny, tokenizer, amp);
    await reloaded(join(folder, "a"), full, half);
    assert.is((await stateOf(half))["grad_scaler.scale"][0], bitsOf([2 ** 16])[0]);
    await reloaded(join(folder, "b"), half, full);
    for (const [name, t] of named(full.model)) assert.equal(bitsOf(await t.data()), (await stateOf(half))[name]);
  }),
);

whereThere("after the second step no buffer, bind group, pipeline or plan is made", async () => {
  const trainer = scaled(256);
  for (let step = 1; step <= 2; step++) await update(trainer, step);
  const before = { ...gpu.counters, ...gpu.store.live };
  for (let step = 3; step <= 6; step++) await update(trainer, step);
  assert.equal({ ...gpu.counters, ...gpu.store.live }, before);
});

whereThere("all its memory is given back", async () => {
  const before = gpu.store.total;
  const trainer = scaled(256);
  const own = [...trainer.shards.values()].flat().reduce((sum, { bytes }: Shard) => sum + bytes.parameters, 0);
  assert.ok(gpu.store.total >= before + own);
  trainer.free();
  assert.is(gpu.store.total, before);
});

// ---- where it cannot be ----

test("a device without half precision refuses it in one sentence, and a family that knows none", () => {
  const facts = { ...gpu.facts, f16: false };
  assert.throws(
    () => planStep(tiny, amp, facts),
    (error: unknown) =>
      error instanceof GpuError && /has no half precision \(shader-f16\); --precision f32/.test(error.message),
  );
  const plain = { ...families[0], halves: undefined };
  assert.throws(
    () => planStep(tiny, amp, gpu.facts, undefined, plain),
    (error: unknown) => error instanceof UsageError && /does not say which of its parameters/.test(error.message),
  );
});

test.run();
