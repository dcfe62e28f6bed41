// Going on from an official checkpoint: its rates, decays, moments and schedule, its epochs and iterations, by a run that may be stopped.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runTraining } from "../../cli/training.ts";
import { draftRecipe, extentOf, type PreparedTraining, prepare } from "../../cli/training-plan.ts";
import type { Meter } from "../../data/threads/long-work.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { named } from "../../model/params.ts";
import { resumeOfficial } from "../../train/official.ts";
import { decaysOf } from "../../train/rates.ts";
import { learningRate } from "../../train/schedule.ts";
import { presetLayer } from "../../train/recipes/index.ts";
import { Trainer } from "../../train/trainer.ts";
import { goldenJson, goldenPath } from "../kit/golden.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { refusal } from "../kit/refusal.ts";
import { writeFileSync } from "node:fs";

const test = suite();
const root = mkdtempSync(join(tmpdir(), "emotionclip-official-"));
test.after(() => rmSync(root, { recursive: true, force: true }));
const gpu = await openTestGpu();
test.after(() => gpu.close());

const checkpoint = goldenPath("emotionclip/checkpoints/emotionclip_official.pt");
const official = goldenPath("emotionclip/data/train");
const { config, last_iter, param_groups } = goldenJson<{
  config: object;
  last_iter: number;
  param_groups: { initial_lr: number; weight_decay: number }[];
}>("emotionclip/checkpoints/emotionclip_official.expected.json");
writeFileSync(join(root, "model.json"), JSON.stringify(config));

/** The checkpoint's vocabulary has 64 ids, which no byte-pair table has. */
const tokenizer = {
  context: 12,
  vocabulary: 64,
  encode: (texts: readonly string[]) =>
    Uint32Array.from(
      texts.flatMap((text) => Array.from({ length: 12 }, (_, i) => (i === 11 ? 63 : text.charCodeAt(i) % 60 || 1))),
    ),
};

const quiet: Meter = { start: () => {}, at: () => {}, say: () => {} };

async function prepared(change: Record<string, unknown> = {}): Promise<PreparedTraining> {
  const values = { resume: checkpoint, model: join(root, "model.json"), trainData: official, batch: 2, ...change };
  const drafted = await draftRecipe([presetLayer("paper"), { values, from: (name) => `--${name}` }]);
  const { frames, side, vocabulary } = drafted.draft.takes;
  assert.equal([frames, side, vocabulary], [3, 16, 64]);
  return prepare(
    drafted,
    official,
    () => {},
    async () => ({ config: drafted.draft.config, tokenizer }),
  );
}

test("the recipe has the checkpoint's rates, decays and schedule, and says so", async () => {
  const { recipe, from, official: training, draft } = await prepared();
  const want = (i: number) => [param_groups[i].initial_lr, param_groups[i].weight_decay];
  assert.equal([recipe.lrBackboneGb, recipe.lrHeadGb], [want(0)[0], want(4)[0]]);
  assert.equal([recipe.lrBackboneRest, recipe.wdBackbone], want(1));
  assert.equal([recipe.lrHeadRest, recipe.wdHead], want(5));
  assert.is(from.lrHeadRest, "emotionclip_official.pt");
  assert.is(training!.iterations, last_iter);
  const groups = param_groups.map((_, i) => ({ name: training!.groups[i].name, decay: want(i)[1] > 0 }));
  assert.equal(
    Object.values(decaysOf(groups, recipe)),
    param_groups.map(({ weight_decay }) => weight_decay),
  );
  await draft.close();
});

test("what a flag says comes before the checkpoint", async () => {
  const { recipe, draft } = await prepared({ lrHeadGb: 0.5, epochs: 7 });
  assert.equal([recipe.lrHeadGb, recipe.epochs], [0.5, 7]);
  await draft.close();
});

const run = async (folder: string, steps: number) => {
  const ready = await prepared({ steps });
  await runTraining(
    ready,
    { folder: join(root, folder), override: ["steps"] },
    { gpu, progress: quiet, stop: { requested: undefined } },
  );
  await ready.draft.close();
  return readFileSync(join(root, folder, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
};

test("a run goes on with the checkpoint's next epoch, update and rate, and its moments", async () => {
  const ready = await prepared({ steps: 3 });
  const { updates, iterations, epoch, schedule, groups } = ready.official!;
  assert.equal(extentOf(ready), { steps: updates + 3, stepsPerEpoch: 2, begun: { updates, batches: 2 * epoch } });
  await ready.draft.close();
  const lines = await run("whole", 3);
  assert.equal(
    lines.map(({ step }) => step),
    [updates + 1, updates + 2, updates + 3],
  );
  for (const [i, { rates }] of lines.entries())
    for (const { name, base } of groups) assert.is(rates[name], learningRate(base, iterations + i, schedule), name);

  const learner = new Trainer(ready.text.config, tokenizer, { ...ready.recipe, steps: 1 });
  const file = await openWeights(checkpoint);
  await resumeOfficial(learner, file);
  await file.close();
  const loader = ready.source.open(ready.recipe, {});
  const rates = Object.fromEntries(groups.map(({ name, base }) => [name, learningRate(base, iterations, schedule)]));
  for await (const batch of loader.batches(2 * epoch, 2 * epoch + 1)) {
    const { loss } = await learner.update(updates + 1, batch, rates);
    assert.is(loss, lines[0].loss);
  }
  let count = 0;
  for (const [, tensor] of named(learner.model)) count += tensor.numel;
  assert.ok(count > 10_000);
  learner.free();
});

test("a run that stopped after two steps comes to the same", async () => {
  const whole = await run("whole", 3); // finished: nothing is trained again
  await run("parts", 2);
  const parts = await run("parts", 3);
  assert.equal(
    parts.map(({ loss }) => loss),
    whole.map(({ loss }) => loss),
  );
});

test("weights without a training state are refused", async () => {
  const values = {
    resume: goldenPath("emotionclip/checkpoints/openclip_backbone.pth"),
    model: join(root, "model.json"),
    batch: 2,
  };
  const error = await refusal(draftRecipe([presetLayer("paper"), { values, from: (name) => `--${name}` }]));
  assert.match(error.message, /openclip_backbone\.pth: .*no training state of the official code/);
});

test.run();
