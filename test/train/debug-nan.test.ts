// The first tensor that is not finite is found and named wherever it comes from: a weight, a pixel, a sentiment logit, or an op's own
// forward or backward pass; a sound step has none, and the search changes nothing.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Inspector } from "../../engine/device/inspector.ts";
import { assign, assignPart, compute, parameter, Tape } from "../../engine/index.ts";
import { useRunner } from "../../engine/record/runner.ts";
import { clamp, notFinite, sqrt, sum } from "../../kernels/index.ts";
import { named } from "../../model/params.ts";
import { firstNotFinite, notFiniteText } from "../../train/first-not-finite.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { settings, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

const gpu = await sharedGpu();

const weightOf = ({ model }: Trainer, name: string) => new Map(named(model)).get(name)!;
const NaNs = (n: number) => new Float32Array(n).fill(Number.NaN);
const text = (found: Parameters<typeof notFiniteText>[0] | undefined) => (found ? notFiniteText(found) : "none");

for (const micro of [0, 3]) {
  const given = { ...settings, micro };
  const how = micro ? `, ${micro} clips at a time` : "";

  test(`a sound step has no such tensor, and the search changes nothing${how}`, async () => {
    const trainer = new Trainer(tiny, tokenizer, given);
    await trainer.update(1, syntheticBatch(1), settings.lr);
    const before = await Promise.all([...named(trainer.model)].map(([, t]) => t.data()));
    const live = { ...gpu.store.live };
    assert.is(await trainer.firstNotFinite(2, syntheticBatch(2)), undefined);
    const after = await Promise.all([...named(trainer.model)].map(([, t]) => t.data()));
    assert.equal(after, before);
    assert.is(gpu.store.live.other, live.other);
    const { bad } = await trainer.update(2, syntheticBatch(2), settings.lr);
    assert.is(bad, 0);
  });

  test(`a pixel, a mask and a sentiment logit are found with their clips${how}`, async () => {
    const trainer = new Trainer(tiny, tokenizer, given);
    const bytes = syntheticBatch(1);
    const pixels = { ...bytes, frames: Float32Array.from(bytes.frames) };
    const each = pixels.frames.length / settings.batch;
    pixels.frames[5 * each + 7] = Number.POSITIVE_INFINITY;
    const pixel = await trainer.firstNotFinite(1, pixels);
    assert.equal([pixel?.isInput, pixel?.infinities, pixel?.clip], [true, 1, "clip-1-5"]);
    assert.match(text(pixel), /is the frames of the batch\n[\s\S]*, of the clip clip-1-5/);
    const logits = syntheticBatch(2);
    logits.sentiment[7 * 6 + 3] = Number.NaN;
    const logit = await trainer.firstNotFinite(1, logits);
    assert.equal([logit?.isInput, logit?.nans, logit?.clip, logit?.first], [true, 1, "clip-2-6", [6, 3]]);
    assert.is(logit?.tensor.of, "the sentiment logits of the batch");
  });
}

test("a NaN in a weight is found as that parameter", async () => {
  const trainer = new Trainer(tiny, tokenizer, settings);
  const name = [...named(trainer.model)].map(([name]) => name).find((each) => /visual.*mlp\.c_fc\.weight/.test(each))!;
  assignPart(weightOf(trainer, name), 5, NaNs(2));
  const found = await trainer.firstNotFinite(1, syntheticBatch(1));
  assert.equal([found?.isInput, found?.pass, found?.nans, found?.infinities], [true, "forward", 2, 0]);
  assert.is(found?.tensor.of, name);
  assert.match(text(found), new RegExp(`is ${name}\\n.*forward pass of \\w+, at .*${name}`));
});

test("an op that overflows is named with its inputs and the parameters around it", async () => {
  const trainer = new Trainer(tiny, tokenizer, settings);
  assign(trainer.model.logit_scale, [200]);
  const found = await trainer.firstNotFinite(1, syntheticBatch(1));
  assert.equal([found?.isInput, found?.pass], [false, "forward"]);
  assert.ok(found!.nans + found!.infinities > 0);
  assert.ok(found!.inputs.length > 0 && found!.inputs.every(({ shape }) => Array.isArray(shape)));
  assert.match(found!.where, /logit_scale/);
});

/** What an inspector finds in a computation of its own. */
async function foundIn(work: () => void) {
  const inspector = new Inspector(gpu, notFinite);
  const before = useRunner(inspector);
  try {
    work();
  } finally {
    useRunner(before);
  }
  return firstNotFinite(await inspector.looks(), new Map());
}

test("a gradient that is not finite while all of the forward pass is: the op and its backward pass", async () => {
  const x = parameter([4, 0, 1], [3]);
  const found = await foundIn(() => {
    using tape = new Tape();
    tape.gradients(sum(sqrt(x)));
  });
  assert.equal([found?.op, found?.pass, found?.isInput], ["sqrt", "backward", false]);
  assert.equal([found?.infinities, found?.first], [1, [1]]);
});

test("a NaN that an op drops on the way is found where it began", async () => {
  const x = parameter([-1, 4], [2]);
  const found = await foundIn(() => void compute(() => clamp(sqrt(x), { low: 0, high: 9 })));
  assert.equal([found?.op, found?.pass, found?.nans, found?.first], ["sqrt", "forward", 1, [0]]);
  assert.equal(found?.inputs, [{ name: "x", shape: [2] }]);
});

test.run();
