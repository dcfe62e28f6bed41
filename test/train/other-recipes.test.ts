// What a recipe says besides EmotionCLIP's way: other optimisers with their moments in checkpoints, what a family thaws, equal captions.
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { EmoClip, emoClip, type EmoClipConfig, emotionClip, type Family, Init, named } from "../../model/index.ts";
import { idleValues, type ReadBy } from "../../train/idle-values.ts";
import { Learner } from "../../train/learner.ts";
import { locked } from "../../train/locks.ts";
import { resolveRecipe } from "../../train/recipe.ts";
import { presetLayer } from "../../train/recipes/index.ts";
import { planStep } from "../../train/step-plan.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { inTemporary } from "../kit/temporary.ts";
import { writeSafetensors } from "../kit/write-safetensors.ts";
import { settings, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

const gpu = await sharedGpu();

const other: EmoClipConfig = {
  embed: 16,
  vision: { ...tiny.vision, layers: 2 },
  text: { ...tiny.text, layers: 2 },
  temporal: { frames: 2, positions: 4, layers: 1, heads: 2, headWidth: 6, hidden: 16 },
  activation: "quickGelu",
};

const bitsOf = async (trainer: Trainer) => {
  const all: number[] = [];
  for (const [, t] of named(trainer.model)) all.push(...new Uint32Array((await t.data()).slice().buffer));
  return all;
};

for (const [optimizer, names] of [
  ["sgd", ["momentum_buffer"]],
  ["adam", ["exp_avg", "exp_avg_sq"]],
] as const)
  test(`${optimizer}: its moments are planned, saved, and gone on with to the same bits`, async () => {
    const given = { ...settings, optimizer, momentum: 0.9, modelEmaDecay: 0.5, lr: 1e-2 };
    const make = () => new Trainer(other, tokenizer, given, emoClip);
    const [whole, first] = [make(), make()];
    const plan = planStep(other, given, gpu.facts, undefined, emoClip);
    assert.is(plan.memory.optimizer, (names.length + 1) * plan.memory.gradients);
    for (const trainer of [whole, first]) {
      trainer.average!.begin();
      const { bad } = await trainer.update(1, syntheticBatch(1), 1e-2);
      assert.is(bad, 0);
    }
    const moments = [...first.optimizerEntries()];
    const kinds = new Set(moments.map(({ name }) => name.split(".").at(-1)!));
    assert.equal([...kinds].sort(), [...names, "ema"].sort());
    const bytes = [...first.modelEntries(), ...moments].reduce(
      (sum, { shape }) => sum + 4 * shape.reduce((n, size) => n * size, 1),
      0,
    );
    assert.is(bytes, first.checkpointBytes);
    const resumed = make();
    await inTemporary(async (folder) => {
      const [model, optimizer] = [join(folder, "model.safetensors"), join(folder, "optimizer.safetensors")];
      await writeSafetensors(model, [...first.modelEntries()]);
      await writeSafetensors(optimizer, moments);
      const files = [await SafetensorsFile.open(model), await SafetensorsFile.open(optimizer)] as const;
      assert.equal(await resumed.load(...files), []);
      for (const file of files) await file.close();
    });
    for (const trainer of [whole, resumed]) await trainer.update(2, syntheticBatch(2), 1e-2);
    assert.equal(await bitsOf(resumed), await bitsOf(whole));
    for (const trainer of [whole, first, resumed]) trainer.free();
  });

const asIs = { lockImage: false, lockText: false, lockLayers: 0 };
const trained = (locks: object) => {
  const { trains } = locked(emoClip, { ...asIs, ...locks });
  return [...named(new EmoClip(other, new Init(0)))].map(([name]) => name).filter(trains);
};

test("a family that keeps CLIP as it is thaws its towers on request, of the text tower the blocks alone", () => {
  const added = trained({}).filter((name) => !trained({ unlockImage: true, unlockText: true }).includes(name));
  assert.equal(added, []);
  const image = trained({ unlockImage: true }).filter((name) => name.startsWith("backbone."));
  assert.ok(image.every((name) => name.startsWith("backbone.visual.")) && image.includes("backbone.visual.proj"));
  const text = trained({ unlockText: true }).filter((name) => name.startsWith("backbone."));
  assert.ok(text.length > 0 && text.every((name) => name.startsWith("backbone.transformer.resblocks.")));
  const upper = trained({ unlockImage: true, unlockText: true, lockLayers: 1 });
  assert.not(upper.some((name) => /resblocks\.0\.|conv1|class_embedding/.test(name)));
  assert.ok(upper.includes("backbone.visual.proj") && upper.some((name) => name.includes("resblocks.1.")));
});

test("where all trains there is nothing to unlock", () => {
  assert.throws(
    () => locked(emotionClip, { ...asIs, unlockText: true }),
    /^unlock-text: all of EmotionCLIP trains unless it is locked/,
  );
});

test("equal captions are negatives of each other, or masked; where no two are equal both are the same bits", async () => {
  const lossOf = async (equalCaptions: "negatives" | "masked", captions: readonly string[], micro = 0) => {
    const given = { ...settings, beta: 0, equalCaptions, batch: 4, micro, dropout: 0 };
    const trainer = new Trainer(tiny, tokenizer, given);
    const { loss } = await trainer.update(1, { ...syntheticBatch(3, tiny, 4), captions: [...captions] }, 1e-3);
    trainer.free();
    return loss;
  };
  const alike = ["he laughs", "she weeps", "he laughs", "they shout"];
  const [masked, negatives] = [await lossOf("masked", alike), await lossOf("negatives", alike)];
  assert.ok(masked < negatives - 1e-3, `${masked}, ${negatives}`);
  assert.ok(Math.abs((await lossOf("masked", alike, 2)) - masked) < 1e-6);
  const differing = ["he laughs", "she weeps", "she laughs", "they shout"];
  assert.is(await lossOf("masked", differing), await lossOf("negatives", differing));
});

test("what is given on purpose and that nothing reads is told, with what does", () => {
  const of = (values: object, kinds: string[], from = "") =>
    idleValues(resolveRecipe([presetLayer("stage"), { values, from: (name) => from || `--${name}` }]), { kinds });
  assert.equal(of({ momentum: 0.5, leaveOut: "fear" }, ["shards"]), [
    "--momentum has no effect here; it goes with optimizer sgd",
    "--leaveOut has no effect here; it goes with clips of faces",
  ]);
  assert.equal(of({ momentum: 0.5, optimizer: "sgd", leaveOut: "fear" }, ["shards", "clips of faces"]), []);
  assert.equal(of({ optimizer: "sgd", beta1: 0.5 }, ["shards"]), [
    "--beta1 has no effect here; it goes with optimizer adamw or adam",
  ]);
  assert.equal(of({ every: 4, texts: "classes" }, ["shards"], "a.yaml"), [
    "a.yaml: texts has no effect here; it goes with clips of faces",
  ]);
  assert.equal(of({}, ["shards"]), []);
});

test("a value that clips of faces, their measurement or the groups that train do not read is told, and one that they read is not", () => {
  const told = (values: object, by: ReadBy) =>
    idleValues(resolveRecipe([presetLayer("stage"), { values, from: (name) => `--${name}` }]), by).map(
      (line) => line.split(" ")[0],
    );
  const onFaces = { kinds: ["clips of faces"] };
  const measured = { kinds: ["shards"], measuresFaces: true };
  assert.equal(told({ crop: "centre", sampling: "uniform" }, onFaces), ["--sampling", "--crop"]);
  assert.equal(told({ crop: "centre", sampling: "uniform" }, { kinds: ["shards", "clips of faces"] }), []);
  const ofFaces = { augment: true, window: "centre", resample: true, texts: "classes" };
  assert.equal(told(ofFaces, measured), ["--window", "--augment", "--texts", "--resample"]);
  assert.equal(told(ofFaces, onFaces), []);
  assert.equal(told({ every: 2, fold: 2, leaveOut: "fear", classes: "a.txt" }, measured), []);
  assert.equal(told({ classes: "a.txt" }, onFaces), ["--classes"]);
  assert.equal(told({ classes: "a.txt", texts: "classes" }, onFaces), []);
  const rates = { lrBackboneGb: 1, lrBackboneRest: 1, lrHeadGb: 1, lrHeadRest: 1, wdBackbone: 1, wdHead: 1 };
  const groupsOf = (family: Family, config: object, trains = family.trains) =>
    family.groups([...named(family.build(config, new Init(0)))].filter(([name]) => trains(name)));
  const of = (groups: ReturnType<typeof groupsOf>) => told(rates, { kinds: ["shards"], groups });
  assert.equal(of(groupsOf(emotionClip, tiny)), []);
  const isHead = (name: string) => name.includes("visual_head") || name === "logit_scale";
  assert.equal(of(groupsOf(emotionClip, tiny, isHead)), ["--lrBackboneGb", "--wdBackbone"]);
  const small = emoClip.small!["emoclip-stage"](30);
  assert.equal(of(groupsOf(emoClip, small)), ["--lrBackboneGb", "--lrBackboneRest", "--lrHeadGb", "--wdBackbone"]);
  assert.equal(of(groupsOf(emoClip, small, () => true)), ["--lrBackboneGb", "--lrHeadGb"]);
});

test("a step whose inputs number no texts cannot mask them, and says so", () => {
  const learner = new Learner(tiny, { ...settings, equalCaptions: "masked" });
  const inputs = { clips: () => assert.unreachable(), sentiment: () => assert.unreachable() };
  assert.throws(() => learner.record(1, 1e-3, inputs as never), /equalCaptions masked: the inputs .* do not number/);
  learner.free();
});

test.run();
