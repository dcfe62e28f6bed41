// The memory plan of a training step against what the engine really allocates.
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LimitError, placeholder, Scope, UsageError } from "../../engine/index.ts";
import { bytesOf } from "../../cli/gpu.ts";
import { vitB32 } from "../../model/emotionclip/presets.ts";
import { preset, presetNames } from "../../model/emotionclip/presets.ts";
import { planStep } from "../../train/step-plan.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { runProgram } from "../run/program.ts";
import { settings, syntheticBatch, tiny, tokenizer } from "../train/synthetic.ts";

const gpu = await sharedGpu();

/** Large enough that rounding to whole buffers does not decide. */
const small = { ...tiny, vision: { ...tiny.vision, image: 32, width: 32, layers: 2 } };

test("the plan of a step is what the engine holds after two of them, within 1 %", async () => {
  const planned = planStep(small, settings, gpu.facts);
  const before = { ...gpu.store.live };
  const trainer = new Trainer(small, tokenizer, settings);
  for (let step = 1; step <= 2; step++) await trainer.update(step, syntheticBatch(step, small), settings.lr);
  const held = (name: keyof typeof before) => gpu.store.live[name] - before[name];
  assert.is(held("parameters"), planned.memory.parameters);
  assert.is(held("gradients"), planned.memory.gradients);
  assert.is(held("optimizer"), planned.memory.optimizer);
  const total = Object.values(gpu.store.live).reduce((a, b) => a + b) - Object.values(before).reduce((a, b) => a + b);
  assert.ok(Math.abs(total - planned.peak) <= 0.01 * planned.peak, `planned ${planned.peak}, held ${total}`);
  assert.is(gpu.last.launches, planned.launches);
});

test("planning allocates nothing on the device", () => {
  const before = { ...gpu.counters, ...gpu.store.live };
  planStep(vitB32, { ...settings, batch: 128 }, gpu.facts);
  assert.equal({ ...gpu.counters, ...gpu.store.live }, before);
});

test("the published model has 4 bytes per value in parameters and gradients, 8 in moments", () => {
  const { values, memory } = planStep(vitB32, { ...settings, batch: 2 }, gpu.facts);
  assert.ok(values > 170e6 && values < 180e6, `${values} values`); // CLIP ViT-B/32 has 151 M, the temporal head about 19 M
  for (const [bytes, each] of [
    [memory.parameters, 4],
    [memory.gradients, 4],
    [memory.optimizer, 8],
  ])
    assert.ok(bytes >= each * values && bytes < each * values * 1.001, `${bytes} bytes`);
});

test("twice the batch takes twice the activations and the work, and the same parameters", () => {
  const [one, two] = [8, 16].map((batch) => planStep(vitB32, { ...settings, batch }, gpu.facts));
  assert.is(two.memory.parameters, one.memory.parameters);
  const ratio = two.memory.activations / one.memory.activations;
  assert.ok(ratio > 1.9 && ratio < 2.01, `activations x ${ratio}`);
  const work = two.flops / one.flops; // AdamW does not grow
  assert.ok(work > 1.9 && work <= 2.01, `work x ${work}`);
});

test("a step with a tensor beyond the largest binding is refused by name, a smaller one is planned", () => {
  assert.throws(
    () => planStep(small, settings, gpu.facts, 2 ** 14),
    (error: unknown) => error instanceof LimitError && /needs a binding of/.test(error.message),
  );
  assert.ok(planStep(small, settings, gpu.facts, 2 ** 27).peak > 0);
});

test("a budget is read as a person writes it; what is no size is refused", () => {
  assert.is(bytesOf("800M"), 800 * 2 ** 20);
  assert.is(bytesOf("2.5g"), 2.5 * 2 ** 30);
  assert.is(bytesOf("4096"), 4096);
  for (const text of ["", "0", "2T", "-1G", "1e9", "lots", "99999999G"])
    assert.throws(
      () => bytesOf(text),
      (error: unknown) => error instanceof UsageError && error.message.includes(`"${text}"`),
    );
});

test("a placeholder on a device is refused: its data would be missing", () => {
  using scope = new Scope();
  assert.throws(() => placeholder([2]), /only a plan/);
  void scope;
});

/** The command line as the launcher has built it. */
const emotionclip = (...words: string[]) => runProgram(join("dist", "cli.js"), words);

test("emotionclip plan prints the plan; a batch that does not fit comes with the largest that does", async () => {
  const { code, stdout } = await emotionclip("plan", "--json", "--gpu-memory", "50M");
  assert.is(code, 0);
  const { clips, peak, budget, refusal, fits } = JSON.parse(stdout);
  assert.is(clips, 64);
  assert.ok(peak > budget && /more than the budget of 50.0 MiB/.test(refusal), refusal);
  const again = JSON.parse(
    (await emotionclip("plan", "--json", "--gpu-memory", "50M", "--batch-size", `${fits}`)).stdout,
  );
  assert.ok(again.refusal === undefined && again.peak <= budget, again.refusal);
  const more = JSON.parse(
    (await emotionclip("plan", "--json", "--gpu-memory", "50M", "--batch-size", `${fits + 1}`)).stdout,
  );
  assert.ok(more.refusal !== undefined);
});

test("a parameter that no binding holds is refused before training, with both sizes", () => {
  const plan = (largest: number) => () => planStep(preset("ViT-L-14"), { ...settings, batch: 2 }, gpu.facts, largest);
  assert.throws(
    plan(140 * 2 ** 20),
    /parameter of shape \[49408,768\] takes 144\.8 MiB; a binding holds at most 140\.0 MiB/,
  );
  assert.not.throws(plan(145 * 2 ** 20)); // its token table is the largest tensor of two clips
});

test("every published model can be planned, with the number of values that its sizes make", () => {
  const values = presetNames.map((name) => planStep(preset(name), { ...settings, batch: 2 }, gpu.facts).values);
  const of = (name: string) => values[presetNames.indexOf(name)] / 1e6;
  for (const [name, millions] of [
    ["ViT-B-32", 170.197], // counted by the official code; the others by adding up the shapes of its table
    ["ViT-L-14", 460.708],
    ["ViT-H-14", 1036.519],
    ["ViT-g-14", 1417.088],
  ] as const)
    assert.ok(Math.abs(of(name) - millions) < 0.001, `${name}: ${of(name)}`);
});

test("emotionclip plan refuses a model it does not know, and frames that are no number, with exit code 2", async () => {
  const unknown = await emotionclip("plan", "--model", "vit-b32");
  assert.is(unknown.code, 2);
  assert.match(unknown.stderr, /unknown model "vit-b32" \(did you mean ViT-B-32\?\)/);
  const frames = await emotionclip("plan", "--frames", "0");
  assert.is(frames.code, 2);
  assert.match(frames.stderr, /--frames: "0" is not a whole number from 1 to 1024/);
});

test.run();
