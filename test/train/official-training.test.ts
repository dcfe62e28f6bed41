// The training state of the official checkpoint: moments by parameter, counts, rates.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Json } from "../../data/formats/json.ts";
import { configFromValue } from "../../model/emotionclip/official-config.ts";
import { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { groupsOf } from "../../model/emotionclip/groups.ts";
import { Init, named } from "../../model/params.ts";
import type { Content, WeightFile } from "../../data/formats/weights.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { Learner } from "../../train/learner.ts";
import { readOfficialTraining, resumeOfficial } from "../../train/official.ts";
import { learningRate } from "../../train/schedule.ts";
import { defaults } from "../../train/settings.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { fixture, goldenJson, goldenPath } from "../kit/golden.ts";
import { refusal } from "../kit/refusal.ts";

const gpu = await sharedGpu();

interface Expected {
  config: Json;
  optimizer_index_to_name: Record<string, string>;
  param_groups: { lr: number; initial_lr: number; weight_decay: number; eps: number; n: number }[];
  last_iter: number;
  epoch: number;
}

const folder = "emotionclip/checkpoints";
const expected = goldenJson<Expected>(`${folder}/emotionclip_official.expected.json`);
const config = configFromValue(expected.config, "expected.json");
const of = fixture("checkpoints/emotionclip_official.expected.safetensors");
const open = () => openWeights(goldenPath(`${folder}/emotionclip_official.pt`));
const groups = groupsOf(named(new EmotionClip(config, new Init(0))));

test("a parameter's place in the groups is its number in the official optimiser", () => {
  const names = groups.flatMap(({ members }) => members.map(([name]) => name));
  assert.equal({ ...names }, expected.optimizer_index_to_name);
});

test("rates, decays and counts are those of the checkpoint, and the schedule gives its rates", async () => {
  const file = await open();
  const training = await readOfficialTraining(file, groups);
  await file.close();
  assert.is(training.epoch, expected.epoch + 1);
  assert.is(training.iterations, expected.last_iter);
  assert.is(training.updates, 2);
  assert.equal([training.beta1, training.beta2, training.eps], [0.98, 0.9, 1e-6]);
  assert.is(training.scale, 65536);
  for (const [i, { base, lr, decay }] of training.groups.entries()) {
    const want = expected.param_groups[i];
    assert.equal([base, lr, decay], [want.initial_lr, want.lr, want.weight_decay]);
    const next = learningRate(base, training.iterations, training.schedule);
    assert.ok(Math.abs(next - want.lr) < 1e-15, `${next}, the official scheduler has ${want.lr}`); // float64 rounding
  }
});

test("a learner goes on with the official parameters and moments, bit for bit", async () => {
  const learner = new Learner(config, { ...defaults, batch: 2 });
  const file = await open();
  await resumeOfficial(learner, file);
  await file.close();
  for (const [name, t] of named(learner.model))
    assert.equal(await t.data(), of(`model.${name}`).data as Float32Array, name);
  let count = 0;
  for (const [name, shard, i] of learner.places())
    for (const [k, kind] of ["exp_avg", "exp_avg_sq"].entries()) {
      assert.equal(await shard.part(shard.moments[k], i).data(), of(`optim.${kind}.${name}`).data as Float32Array);
      count++;
    }
  assert.is(count, 2 * 89);
});

(gpu.facts.f16 ? test : test.skip)("in mixed precision the scale of its losses is that of the next one", async () => {
  class Scaled extends Learner {
    readonly state = () => this.lossScale!.scale.item();
  }
  const learner = new Scaled(config, { ...defaults, batch: 2, precision: "amp" });
  learner.scaleLoss(8);
  assert.is(await learner.state(), 8);
  const file = await open();
  await resumeOfficial(learner, file);
  await file.close();
  assert.is(await learner.state(), 65536);
  learner.free();
});

/** The checkpoint with its content changed. */
async function edited(edit: (content: Map<string | number, Content>) => void): Promise<WeightFile> {
  const file = await open();
  const copy = (content: Content): Content => {
    if (content instanceof Map) return new Map([...content].map(([key, value]) => [key, copy(value)]));
    return Array.isArray(content) ? content.map(copy) : content;
  };
  const content = copy(file.content) as Map<string | number, Content>;
  edit(content);
  return { ...file, content };
}

const inside = (content: Content, ...path: (string | number)[]) =>
  path.reduce(
    (inner, key) => (Array.isArray(inner) ? inner[key as number] : (inner as Map<string | number, Content>).get(key)!),
    content,
  ) as Map<string | number, Content>;

test("a count of updates may be a plain number, as older versions of PyTorch have it", async () => {
  const file = await edited((content) => {
    const state = inside(content, "optimizer", "state") as unknown as Map<number, Map<string, Content>>;
    for (const each of state.values()) each.set("step", 2);
  });
  assert.is((await readOfficialTraining(file, groups)).updates, 2);
  await file.close();
});

const faults: [string, (content: Map<string | number, Content>) => void, RegExp][] = [
  ["no optimizer", (content) => content.delete("optimizer"), /no optimizer\.param_groups/],
  ["no scheduler", (content) => content.delete("lr_scheduler"), /lr_scheduler\.last_iter is missing/],
  [
    "a parameter in no group",
    (content) => inside(content, "optimizer", "param_groups", 0).set("params", [0, 1, 2]),
    /groups of 3,11,18,11,18,9,1 parameters; this model has 21,/,
  ],
  [
    "moments in each other's place",
    (content) =>
      inside(content, "optimizer", "param_groups", 1).set("params", [22, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31]),
    /optimizer\.state\.22\.exp_avg is \[32,16\], but backbone\.visual\.positional_embedding is \[5,32\]/,
  ],
  ["different counts", (content) => inside(content, "optimizer", "state", 5).set("step", 3), /different steps/],
  [
    "a count below zero",
    (content) => inside(content, "optimizer", "state", 5).set("step", -1),
    /step is missing or no/,
  ],
  ["a moment that is a number", (content) => inside(content, "optimizer", "state", 5).set("exp_avg", 1), /no tensor/],
  ["an unknown warm-up", (content) => inside(content, "lr_scheduler").set("warmup_mode", "slow"), /warmup_mode is not/],
];

for (const [what, edit, message] of faults)
  test(`${what} is refused`, async () => {
    const file = await edited(edit);
    const error = await refusal(readOfficialTraining(file, groups), what);
    await file.close();
    assert.match(error.message, message);
    assert.match(error.message, /^emotionclip_official\.pt: /);
  });

test.run();
