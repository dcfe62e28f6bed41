// The full-size check on a small model: what it measures, what it verifies, what it counts.
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fullSizePage } from "../../bench/full-size.ts";
import { fullSize } from "../../bench/full-step.ts";
import { vitB32 } from "../../model/emotionclip/presets.ts";
import { fittingMicro, planForward, planStep } from "../../train/step-plan.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { runProgram } from "../run/program.ts";
import { settings, tiny } from "../train/synthetic.ts";

const gpu = await sharedGpu();
const small = { ...tiny, vision: { ...tiny.vision, image: 32, width: 64, layers: 2 } };

for (const micro of [0, 3])
  test(`a small model passes every check, ${micro ? `${micro} clips at a time` : "all clips at once"}`, async () => {
    gpu.planner.forget();
    const result = await fullSize(gpu, small, { model: "small", batch: 8, micro, rounds: 1, sampleMs: 20 });
    for (const { claim, found, holds } of result.checks)
      if (!/near ln/.test(claim)) assert.ok(holds, `${claim}: ${found}`); // 16 channels are similar by chance
    assert.is(result.micro, micro);
    assert.ok(result.step.gflop > 2 * result.forward.gflop, "a step is more than two passes");
    assert.ok(result.ratio > 0 && result.matmulGflopsPerSecond > result.step.gflopsPerSecond);
    const text = fullSizePage(result);
    assert.match(text, /^small, /);
    assert.match(text, /training step, 8 clips x 2 frames/);
    assert.match(text, result.reached ? /0\.45: reached/ : /0\.45: MISSED/);
  });

test("the work of ViT-B/32 is that of its products counted by hand, and at most 3 % more", () => {
  const tower = (tokens: number, width: number, layers: number) =>
    layers * (24 * tokens * width ** 2 + 4 * tokens ** 2 * width);
  const frame = 2 * 49 * 3072 * 768 + tower(51, 768, 12) + 2 * 768 * 512;
  const text = tower(77, 512, 12) + 2 * 512 * 512;
  const head = 6 * (8 * (8 * 512 ** 2 + 4 * 512 * 2048) + 4 * 8 ** 2 * 512);
  const products = 8 * frame + text + head;
  const { flops } = planForward(vitB32, gpu.facts);
  assert.ok(flops >= products && flops < 1.03 * products, `${flops}, by hand ${products}`);
  const step = planStep(vitB32, { ...settings, batch: 2 }, gpu.facts);
  assert.ok(step.flops > 2 * 2.9 * products && step.flops < 2 * 3.1 * products, `${step.flops} for a step of two`);
});

test("a batch is cut into parts only where it has to be, and no further", () => {
  const given = { ...settings, batch: 64 };
  const peak = (micro: number) => planStep(small, { ...given, micro }, gpu.facts).peak;
  const fit = (budget: number) => fittingMicro(small, given, gpu.facts, { budget, maxBinding: 2 ** 31 });
  assert.is(fit(peak(0)), 0);
  assert.is(fit(peak(0) - 1), 32);
  assert.is(fit(peak(16)), 16);
  assert.is(fit(peak(1) - 1), undefined);
});

test("the published batch needs some 38 GiB at once, and a fifth of it in parts of 16", () => {
  const [atOnce, inParts] = [0, 16].map(
    (micro) => planStep(vitB32, { ...settings, batch: 128, micro }, gpu.facts).peak,
  );
  assert.ok(atOnce > 30 * 2 ** 30 && atOnce < 45 * 2 ** 30, `${atOnce}`);
  assert.ok(inParts < 0.2 * atOnce, `${inParts}`);
});

const emotionclip = (...words: string[]) => runProgram(join("dist", "cli.js"), words);

test("emotionclip full-size refuses a batch of one with exit code 2; plan names the parts that fit", async () => {
  const { code, stderr } = await emotionclip("full-size", "--batch-size", "1");
  assert.is(code, 2);
  assert.match(stderr, /--batch-size: "1" is not a whole number from 2 to 65536/);
  const planned = JSON.parse((await emotionclip("plan", "--json", "--gpu-memory", "50M")).stdout);
  assert.ok(planned.refusal && planned.parts >= 1 && planned.parts < planned.clips, `${planned.parts}`);
  const again = await emotionclip("plan", "--json", "--gpu-memory", "50M", "--micro", `${planned.parts}`);
  assert.is(JSON.parse(again.stdout).refusal, undefined);
});

test.run();
