// Recipes: one schema, where each value comes from, the presets against the published numbers, and what stays as it is.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UsageError } from "../../engine/errors.ts";
import { families } from "../../model/families.ts";
import { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { groupsOf } from "../../model/emotionclip/groups.ts";
import { Init, named } from "../../model/params.ts";
import { locked } from "../../train/locks.ts";
import { planStep } from "../../train/step-plan.ts";
import { basesOf, decaysOf, recipeRates, scheduleOf } from "../../train/rates.ts";
import {
  dashed,
  type Layer,
  type Recipe,
  type RecipeName,
  recipeNamed,
  recipeNames,
  recipeSchema,
  resolveRecipe,
} from "../../train/recipe.ts";
import { type PresetName, presetLayer, presets, recipePresets } from "../../train/recipes/index.ts";
import { schedule } from "../../train/ramps.ts";
import { learningRate, paperSchedule, stepSchedule } from "../../train/schedule.ts";
import { defaults } from "../../train/settings.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

const gpu = await sharedGpu();
const groups = groupsOf(named(new EmotionClip(tiny, new Init(0))));

const layer = (values: Layer["values"], from: string): Layer => ({ values, from: () => from });
const paper = resolveRecipe([presetLayer("paper")]).recipe;
const stage = resolveRecipe([presetLayer("stage")]).recipe;

function refused(values: Layer["values"], message: RegExp, from = "recipe.yaml"): void {
  try {
    resolveRecipe([presetLayer("stage"), layer(values, from)]);
  } catch (error) {
    assert.instance(error, UsageError);
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable(`accepted: ${JSON.stringify(values)}`);
}

test("every value stands under one subject, with a sentence and a flag of its own", () => {
  assert.equal([...recipeNames].sort(), Object.keys(recipeSchema).sort());
  assert.is(new Set(recipeNames.map(dashed)).size, recipeNames.length);
  for (const name of recipeNames) assert.ok(recipeSchema[name].about.length > 10, name);
});

test("a value is named as in the library, as a flag, or with underscores as official options are", () => {
  for (const word of ["lrBackboneGb", "lr-backbone-gb", "lr_backbone_gb"]) assert.is(recipeNamed(word), "lrBackboneGb");
  for (const word of ["batch", "batch-size", "batch_size"]) assert.is(recipeNamed(word), "batch");
  assert.is(recipeNamed("lr-"), undefined);
});

test("the stage preset is the main job: its values are the defaults of `start`", () => {
  for (const name of Object.keys(defaults) as (keyof typeof defaults)[]) assert.is(stage[name], defaults[name], name);
  assert.is(basesOf(groups, stage), defaults.lr);
  assert.is(decaysOf(groups, stage), defaults.decay);
  assert.equal(scheduleOf(stage, 7), stepSchedule(defaults.steps, defaults.warmup, defaults.lrEnd));
});

test("the paper preset has the published values", () => {
  const want: Partial<Recipe> = {
    model: "ViT-B-32",
    subject: "sap",
    head: "transformer",
    dropout: 0.1,
    batch: 128,
    epochs: 25,
    steps: 0,
    seed: 2022,
    beta: 10,
    beta1: 0.98,
    beta2: 0.9,
    eps: 1e-6,
    clip: 0,
    warmup: 10_000,
    lrEnd: 1e-10,
    longerThan: 2,
    shorterThan: 10,
    minCharacters: 3,
    maxNeutral: 0.05,
    minPerson: 0,
    sampling: "random",
    crop: "random",
    together: 1,
    boxes: "compat",
  };
  for (const [name, value] of Object.entries(want)) assert.is(paper[name as RecipeName], value, name);
});

test("the paper preset has the seven published groups, and the published schedule", () => {
  const [gb, rest] = [5e-5, 1e-8];
  const rates = { frame_gb: gb, frame_rest: rest, text_gb: gb, text_rest: rest, temporal_gb: gb, temporal_rest: rest };
  assert.equal(basesOf(groups, paper), { ...rates, logit_scale: rest });
  const decays = Object.fromEntries(groups.map(({ name }) => [name, name.endsWith("_rest") ? 0.1 : 0]));
  assert.equal(decaysOf(groups, paper), decays);
  assert.equal(scheduleOf(paper, 600), paperSchedule(600));
  const at = recipeRates(paper, groups, 600);
  for (const iteration of [0, 9_999, 10_000, 14_999])
    assert.is((at(iteration) as Record<string, number>).frame_gb, learningRate(gb, iteration, paperSchedule(600)));
});

test("the jobs of EmoCLIP have the official values, and their rates by group", () => {
  const of = (name: PresetName) => resolveRecipe([presetLayer(name)]).recipe;
  const jobs = (["emoclip", "emoclip-finetune", "emoclip-ferv39k", "emoclip-supervised", "emoclip-loo"] as const).map(
    of,
  );
  for (const { optimizer, momentum, lr, decay, beta, clip, warmup, schedule, stepGamma } of jobs)
    assert.equal(
      [optimizer, momentum, lr, decay, beta, clip, warmup, schedule, stepGamma],
      ["sgd", 0.9, 1e-3, 5e-4, 0, 0, 0, "milestones", 0.1],
    );
  assert.equal(
    jobs.map(({ batch, epochs, milestones }) => [batch, epochs, milestones]),
    [
      [128, 30, "15,35,50"],
      [256, 30, "15,35,50"],
      [256, 50, "15,35,50"],
      [256, 50, "25,50"],
      [384, 30, "25,50"],
    ],
  );
  assert.equal(
    jobs.map(({ every, window, augment, texts }) => [every, window, augment, texts]),
    [
      [2, "random", true, "captions"],
      [4, "random", true, "captions"],
      [4, "random", true, "captions"],
      [4, "random", true, "classes"],
      [4, "random", true, "classes"],
    ],
  );
  const groups = [
    { name: "temporal", decay: true },
    { name: "backbone", decay: true },
  ];
  const at = recipeRates(jobs[1], groups, 10);
  assert.equal(
    [at(0), at(149)],
    [
      { temporal: 1e-3, backbone: 1e-6 },
      { temporal: 1e-3, backbone: 1e-6 },
    ],
  );
  assert.ok(Math.abs((at(150) as Record<string, number>).backbone - 1e-7) < 1e-20);
  assert.is(decaysOf(groups, jobs[1]), 5e-4);
  assert.ok(jobs[1].unlockImage && jobs[1].unlockText && !jobs[0].unlockImage);
});

test("every value of a preset has a source", () => {
  for (const name of recipePresets)
    for (const [value, { source }] of Object.entries(presets[name].values))
      assert.ok(source.length > 5, `${name}: ${value}`);
});

test("the tiny preset writes at least eight checkpoints and measures nothing", () => {
  const { steps, checkpointEvery, evalEvery } = resolveRecipe([presetLayer("tiny")]).recipe;
  assert.ok(steps / checkpointEvery >= 8);
  assert.is(evalEvery, 0);
});

test("every schedule of the library can be named, and is the library's", () => {
  const of = (values: Layer["values"]) =>
    scheduleOf(resolveRecipe([layer({ steps: 100, warmup: 10, lrEnd: 1e-6, ...values }, "--x")]).recipe, 7);
  const ends = { steps: 100, warmup: 10, floor: 1e-6 };
  assert.equal(of({ schedule: "constant" }), schedule.constant({ warmup: 10 }));
  assert.equal(of({ schedule: "cosine" }), schedule.cosine(ends));
  assert.equal(of({ schedule: "linear" }), schedule.linear(ends));
  assert.equal(of({ schedule: "cooldown", cooldown: 20 }), schedule.cooldown({ ...ends, cooldown: 20 }));
  assert.equal(
    of({ schedule: "step", stepEvery: 30, stepGamma: 0.5 }),
    schedule.step({ warmup: 10, every: 30, gamma: 0.5 }),
  );
  assert.equal(
    of({ schedule: "milestones", milestones: "3,5" }),
    schedule.milestones({ warmup: 10, at: [21, 35], gamma: 0.1 }),
  );
  refused({ schedule: "milestones" }, /schedule milestones and milestones go together/);
  for (const milestones of [undefined, null, "5,3", "a", [3, 5]]) {
    const given = { ...defaults, schedule: "milestones", milestones } as never;
    assert.throws(
      () => recipeRates(given, [], 7),
      (error: Error) => error instanceof UsageError && /milestones is .*; expected epochs/.test(error.message),
    );
  }
  for (const milestones of ["5,3", "3,3", "0", "1.5", "a", ""])
    refused({ schedule: "milestones", milestones }, /recipe.yaml: milestones is .*: expected whole numbers that rise/);
  assert.throws(() => of({ schedule: "linear", warmup: 200 }), /200 steps of warm-up do not fit into 100/);
  refused(
    { schedule: "cooldown" },
    /schedule "cooldown" .* and cooldown 0 .*: schedule cooldown and cooldown go together/,
  );
  refused({ stepEvery: 5 }, /schedule "steps-cosine" .* and step-every 5/);
});

test("a later layer comes before an earlier one, and each value says where it is from", () => {
  const file = layer({ seed: 7, beta: 2 }, "recipe.yaml");
  const flags = layer({ beta: 3, seed: undefined }, "--beta");
  const { recipe, from } = resolveRecipe([presetLayer("paper"), file, flags]);
  assert.equal([recipe.seed, recipe.beta, recipe.eps, recipe.workers], [7, 3, 1e-6, 1]);
  assert.equal([from.seed, from.beta, from.workers], ["recipe.yaml", "--beta", "default"]);
  assert.match(from.eps, /^preset paper: official/);
});

test("epochs that come later than the steps end the run alone; steps leave the epochs to the schedule", () => {
  const by = (values: Layer["values"], preset: "stage" | "paper") =>
    resolveRecipe([presetLayer(preset), layer(values, "--x")]);
  const { recipe, from } = by({ epochs: 3 }, "stage");
  assert.equal([recipe.epochs, recipe.steps, from.steps], [3, 0, "follows --x"]);
  const short = by({ steps: 3 }, "paper").recipe;
  assert.equal([short.epochs, short.steps], [25, 3]);
  const both = by({ steps: 3, epochs: 2 }, "stage").recipe;
  assert.equal([both.epochs, both.steps], [2, 3]);
});

test("one rate and one decay are those of all groups, where the groups have theirs from further below", () => {
  const { recipe, from } = resolveRecipe([presetLayer("paper"), layer({ lr: 1e-4, decay: 0.2 }, "--lr")]);
  assert.is(basesOf(groups, recipe), 1e-4);
  assert.is(decaysOf(groups, recipe), 0.2);
  assert.is(from.lrHeadGb, "follows --lr");
  const one = resolveRecipe([presetLayer("paper"), layer({ lr: 1e-4, lrHeadGb: 1e-3 }, "--lr")]).recipe;
  const bases = basesOf(groups, one) as Record<string, number>;
  assert.equal([bases.temporal_gb, bases.temporal_rest, bases.frame_gb, bases.logit_scale], [1e-3, 1e-4, 1e-4, 1e-4]);
});

test("a value out of its range is refused by its name, with where it is from and what is allowed", () => {
  refused({ lr: -1 }, /^recipe\.yaml: lr is -1: .*>=1e-12/);
  refused({ lrHeadGb: "fast" }, /^recipe\.yaml: lr-head-gb is "fast"/);
  refused({ batch: 1 }, /^--batch-size is 1: .*>=2/, "--batch-size");
  refused({ lockImage: "yes" }, /lock-image is "yes"/);
  refused({ schedule: "linear-ish" }, /schedule is "linear-ish": .*official/);
  refused({ seed: Number.NaN }, /seed is NaN/);
});

test("a name that is not known is refused with the nearest", () => {
  refused({ lrs: 1 } as object, /^recipe: unknown name "lrs" \(did you mean lr\?\)/);
  refused({ weight_decay_hed: 1 } as object, /unknown name "weight_decay_hed"/);
  refused({ __proto__x: 1 } as object, /unknown name/);
});

test("values that contradict each other are refused with both", () => {
  refused({ steps: 0 }, /steps 0 .* and epochs 0 .*: one of them ends the run/);
  refused({ longerThan: 10 }, /longer-than 10 .* and shorter-than 10/);
  refused({ resume: "a.pt", pretrained: "b.pt" }, /resume "a.pt" .* and pretrained "b.pt"/);
  refused({ resume: "a.pt", lockText: true }, /does not go with lock-image/);
  refused({ freshText: true }, /fresh-text true \(.*\) and pretrained null .*: without weights all begins at random/);
  refused({ resume: "a.pt", optimizer: "sgd" }, /the moments of an official checkpoint are AdamW's/);
  refused({ lockText: true, unlockText: true }, /lock-text true .* and unlock-text true/);
  refused({ schedule: "official" }, /the published schedule counts epochs/);
  refused({ best: "mAP" }, /best "mAP" .* and eval-every 0 .*: nothing is measured/);
  assert.is(resolveRecipe([layer({ best: "mAP", evalEvery: 5 }, "x")]).recipe.best, "mAP");
});

const [family] = families;
const unlocked = { lockImage: false, lockText: false, lockLayers: 0 };
const trained = (locks: Partial<typeof unlocked>) => {
  const { trains } = locked(family, { ...unlocked, ...locks });
  return [...named(new EmotionClip({ ...tiny, vision: { ...tiny.vision, layers: 2 } }, new Init(0)))]
    .map(([name]) => name)
    .filter(trains);
};

test("a locked tower stays whole, and everything else trains", () => {
  const all = trained({});
  const image = all.filter((name) => name.startsWith("backbone.visual."));
  const text = all.filter((name) => /^backbone\.(?!visual|logit)/.test(name));
  assert.equal(
    trained({ lockImage: true }),
    all.filter((name) => !image.includes(name)),
  );
  assert.equal(
    trained({ lockText: true }),
    all.filter((name) => !text.includes(name)),
  );
  assert.is(locked(family, unlocked), family);
});

test("locked layers are the first blocks of both towers and what lies before them", () => {
  const names = trained({ lockLayers: 1 });
  assert.not(names.some((name) => /conv1|class_embedding|positional_embedding|ln_pre|token_embedding/.test(name)));
  assert.not(names.some((name) => name.startsWith("backbone.") && /resblocks\.0\./.test(name)));
  for (const part of [
    "resblocks.1.",
    "ln_post",
    "visual.proj",
    "ln_final",
    "text_projection",
    "visual_head",
    "logit_scale",
  ])
    assert.ok(
      names.some((name) => name.includes(part)),
      part,
    );
});

test("what is locked costs neither gradients nor moments, and less work", () => {
  const settings = { ...defaults, batch: 4 };
  const plan = (lock: Partial<typeof unlocked>) =>
    planStep(tiny, settings, gpu.facts, undefined, locked(family, { ...unlocked, ...lock }));
  const [free, image, both] = [plan({}), plan({ lockImage: true }), plan({ lockImage: true, lockText: true })];
  assert.ok(both.values < image.values && image.values < free.values);
  assert.ok(both.memory.gradients < image.memory.gradients && image.memory.gradients < free.memory.gradients);
  assert.is(both.memory.optimizer, 2 * both.memory.gradients);
  assert.ok(both.flops < image.flops && image.flops < free.flops, `${both.flops} ${image.flops} ${free.flops}`);
});

/** By how much each group moves in one update, at most. */
async function moved(change: Partial<Recipe>): Promise<Record<string, number>> {
  const recipe = {
    ...paper,
    batch: 8,
    dropout: 0,
    epochs: 0,
    steps: 1,
    schedule: "steps-cosine",
    warmup: 0,
    ...change,
  } as Recipe;
  const trainer = new Trainer(tiny, tokenizer, recipe);
  const before = new Map<string, ArrayLike<number>>();
  for (const [name, t] of named(trainer.model)) before.set(name, await t.data());
  await trainer.update(1, syntheticBatch(1, tiny, 8), recipeRates(recipe, trainer.groups, 4)(0));
  const most: Record<string, number> = {};
  for (const { name: group, members } of trainer.groups)
    for (const [name, t] of members)
      for (const [i, value] of (await t.data()).entries())
        most[group] = Math.max(most[group] ?? 0, Math.abs(value - before.get(name)![i]));
  trainer.free();
  return most;
}

test("each group moves by its own rate, and eps is the recipe's", async () => {
  const rates = { lrBackboneGb: 0, lrBackboneRest: 1e-3, lrHeadGb: 1e-2, lrHeadRest: 0, wdBackbone: 0, wdHead: 0 };
  const most = await moved({ lr: 1, ...rates, lrEnd: 0 });
  for (const group of ["frame_gb", "text_gb", "temporal_rest"]) assert.is(most[group], 0, group);
  // a first step of AdamW is lr · g / (|g| + eps)
  for (const [group, rate] of [
    ["frame_rest", 1e-3],
    ["temporal_gb", 1e-2],
  ] as const)
    assert.ok(Math.abs(most[group] / rate - 1) < 0.01, `${group} moved by ${most[group]}`);
  const slow = await moved({ lr: 1, ...rates, lrEnd: 0, eps: 1 });
  assert.ok(slow.frame_rest < 0.9 * most.frame_rest, `${slow.frame_rest}`);
});

test.run();
