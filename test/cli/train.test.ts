// `emotionclip train` as a user has it: whole runs in processes of their own, killed and gone on with, a ViT on the official layout
// against the library, and everything that is refused before anything is written.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { report, runCommand } from "../../cli/cli.ts";
import { TrainingSet } from "../../data/official/training-set.ts";
import { epochOf } from "../../data/sampling.ts";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { openTokenizer } from "../../data/tokenizer/clip.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { named } from "../../model/params.ts";
import { recipeRates } from "../../train/rates.ts";
import { type Layer, resolveRecipe } from "../../train/recipe.ts";
import { presetLayer } from "../../train/recipes/index.ts";
import { Trainer } from "../../train/trainer.ts";
import { goldenPath } from "../kit/golden.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { failure } from "../kit/refusal.ts";
import { writeSafetensors } from "../kit/write-safetensors.ts";
import { runProgram } from "../run/program.ts";

const CLI = resolve("dist", "cli.js");
const root = mkdtempSync(join(tmpdir(), "emotionclip-train-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
const official = resolve(goldenPath("emotionclip/data/train"));
const data = resolve("data", "stage", "shards");
process.chdir(root);

const emotionclip = (...words: string[]) => runProgram(CLI, words, { cwd: root });

async function done(...words: string[]) {
  const outcome = await emotionclip("train", ...words);
  assert.is(outcome.code, 0, outcome.stderr);
  return outcome;
}

const digest = async (name: string) => (await emotionclip("inspect", "--digest", join("runs", name))).stdout.trim();
const filesOf = (name: string) => readdirSync(join(root, "runs", name)).sort();
const logOf = (name: string) =>
  readFileSync(join(root, "runs", name, "metrics.jsonl"), "utf8").replace(
    /,"(clipsPerSecond|tflops|waiting|gpuBytes|rss)":[\d.e-]+/g,
    "",
  );

const small: ModelConfig = {
  embed: 16,
  vision: { image: 32, patch: 16, width: 16, layers: 1, heads: 2, mlp: 32 },
  text: { context: 77, vocabulary: 49408, width: 16, layers: 1, heads: 2 },
  head: { kind: "transformer", frames: 8, layers: 1, heads: 2, feedForward: 32, dropout: 0.1 },
  activation: "gelu",
  subject: "sap",
};
writeFileSync(join(root, "vit.json"), JSON.stringify(small));
const vit = ["--model", "vit.json", "--train-data", official, "--batch-size", "2"];

const runs = suite();

runs("tiny trains whole, and a run that is killed again and again ends with the same bits", async () => {
  const { stdout } = await done("--preset", "tiny", "--name", "whole");
  assert.match(stdout, /20 updates of [\d,]+ parameters\nruns.whole.checkpoint\.safetensors/);
  await killed("tiny", [3, 11]);
  await done("--preset", "tiny", "--name", "tiny");
  assert.is(await digest("tiny"), await digest("whole"));
  assert.is(logOf("tiny"), logOf("whole"));
  assert.equal(filesOf("tiny"), filesOf("whole"));
  assert.equal(filesOf("whole"), [
    "checkpoint.safetensors",
    "ckpt-00000018",
    "ckpt-00000020",
    "config.json",
    "metrics.jsonl",
    "report.html",
    "results.json",
    "words.json",
  ]);
  const written = (file: string) => statSync(join(root, "runs", "whole", file)).mtimeMs;
  assert.ok(
    written("results.json") >= written("report.html"),
    "results.json, which says that a run is done, comes last",
  );
});

runs("so does one of mixed precision, whose log and checkpoints have the scale of its loss", async () => {
  const words = ["--steps", "8", "--precision", "amp"];
  await done("--preset", "tiny", "--name", "half", ...words);
  await killed("halves", [4], words);
  await done("--preset", "tiny", "--name", "halves", ...words);
  assert.is(await digest("halves"), await digest("half"));
  assert.is(logOf("halves"), logOf("half"));
  const scales = readFileSync(join(root, "runs", "half", "metrics.jsonl"), "utf8").match(/"lossScale":\d+/g);
  const { precision } = JSON.parse(readFileSync(join(root, "runs", "half", "config.json"), "utf8"));
  assert.is(scales?.length ?? 0, precision === "amp" ? 8 : 0); // f32 where there is no half precision
});

/** Starts a run and kills it once its log is so many lines long, for each of these. */
async function killed(name: string, lines: readonly number[], words: readonly string[] = []): Promise<void> {
  for (const most of lines) {
    const child = spawn(process.execPath, [CLI, "train", "--preset", "tiny", "--name", name, ...words], {
      cwd: root,
      stdio: "ignore",
    });
    const log = join(root, "runs", name, "metrics.jsonl");
    const closed = new Promise((ended) => child.on("close", ended));
    const beat = setInterval(() => {
      if (existsSync(log) && readFileSync(log, "utf8").split("\n").length > most) child.kill("SIGKILL");
    }, 5);
    await closed;
    clearInterval(beat);
  }
}

runs("the same command with other values is refused, unless they are named", async () => {
  const first = await emotionclip("train", "--preset", "tiny", "--steps", "2", "--name", "other");
  assert.is(first.code, 0);
  rmSync(join(root, "runs", "other", "results.json"));
  const refused = await emotionclip("train", "--preset", "tiny", "--steps", "4", "--name", "other");
  assert.is(refused.code, 2);
  assert.match(refused.stderr, /its run began with other settings: steps 2 -> 4; .*--override steps/);
  const allowed = await emotionclip(
    "train",
    "--preset",
    "tiny",
    "--steps",
    "4",
    "--name",
    "other",
    "--override",
    "steps",
  );
  assert.is(allowed.code, 0, allowed.stderr);
});

/** The same three steps by the library alone: every parameter. */
async function byLibrary(): Promise<Map<string, Float32Array>> {
  const own: Layer = { values: { batch: 2, steps: 3 }, from: () => "test" };
  const { recipe } = resolveRecipe([presetLayer("paper"), own]);
  const set = TrainingSet.open(official, { side: 32, resize: 37 });
  const gpu = await openTestGpu();
  const trainer = new Trainer(small, (await openTokenizer()).rows(77), recipe);
  const rates = recipeRates(recipe, trainer.groups, 2);
  for (let step = 0; step < 3; step++) {
    const epoch = step >> 1;
    const indices = epochOf(recipe.seed, epoch, [{ samples: 4, factor: 1 }]).indices.slice(
      2 * (step & 1),
      2 * (step & 1) + 2,
    );
    const samples = await Promise.all([...indices].map((index) => set.sample({ seed: recipe.seed, epoch, index })));
    const batch = {
      frames: Uint8Array.from(samples.flatMap(({ frames }) => [...frames])),
      mask: Uint8Array.from(samples.flatMap(({ mask }) => [...mask])),
      captions: samples.map(({ text }) => text),
      sentiment: Float32Array.from(samples.flatMap(({ sentiment }) => [...sentiment])),
    };
    await trainer.update(step + 1, batch, rates(step));
  }
  const values = new Map<string, Float32Array>();
  for (const [name, t] of named(trainer.model)) values.set(name, (await t.data()) as Float32Array);
  trainer.free();
  gpu.close();
  return values;
}

const tensorsOf = async (name: string) => {
  const file = await SafetensorsFile.open(join(root, "runs", name, "checkpoint.safetensors"));
  const values = new Map<string, Float32Array>();
  for (const tensor of file.tensors.keys()) values.set(tensor, await file.floats(tensor));
  await file.close();
  return values;
};

runs("a ViT on the official layout trains by command as by the library, bit for bit", async () => {
  const { stdout, stderr } = await done(...vit, "--steps", "3", "--name", "vit");
  assert.match(stdout, /4 of 10 clips to train on, official layout/);
  assert.match(stderr, /preset paper: EmotionCLIP as published/);
  const rise =
    /warning: the warm-up of 10000 steps is not over when the run of 3 ends: the learning rate comes to \S+ and not to 0\.00005;/;
  assert.match(stderr, rise);
  assert.match(readFileSync(join(root, "runs", "vit", "results.json"), "utf8"), rise);
  const [ours, theirs] = [await tensorsOf("vit"), await byLibrary()];
  assert.equal([...ours.keys()].sort(), [...theirs.keys()].sort());
  for (const [name, values] of theirs) assert.equal(ours.get(name), values, name);
});

runs(
  "pretrained weights are begun with, a head that the file lacks is fresh and said, and a locked tower stays",
  async () => {
    const before = await tensorsOf("vit");
    const bare = [...before].flatMap(([name, values]) =>
      name.startsWith("backbone.") ? [entry(name.slice(9), values)] : [],
    );
    const scale = entry("logit_scale", before.get("logit_scale")!);
    const file = await SafetensorsFile.open(join(root, "runs", "vit", "checkpoint.safetensors"));
    const { tensors } = file;
    await file.close();
    for (const each of [...bare, scale]) Object.assign(each, { shape: shapeIn(tensors, each.name) });
    await writeSafetensors(join(root, "clip.safetensors"), [...bare, scale]);
    const words = [...vit, "--steps", "2", "--lr", "0.01", "--warmup", "0", "--lock-image"];
    const { stderr, stdout } = await done(...words, "--pretrained", "clip.safetensors", "--name", "locked");
    assert.match(stderr, /begins with clip\.safetensors: .*CLIP/);
    assert.match(stderr, /parameters are not in the file and have seeded initial values.*visual_head/);
    assert.match(stdout, /[\d,]+ more as they were/);
    const after = await tensorsOf("locked");
    for (const [name, values] of before) {
      const isSame = after.get(name)!.every((value, i) => value === values[i]);
      if (name.startsWith("backbone.visual.")) assert.ok(isSame, `${name} moved`);
    }
    assert.not.equal(after.get("backbone.text_projection"), before.get("backbone.text_projection"));
  },
);

const entry = (name: string, values: Float32Array) => ({
  name,
  dtype: "F32" as const,
  shape: [values.length] as readonly number[],
  bytes: () => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});

function shapeIn(tensors: SafetensorsFile["tensors"], name: string): readonly number[] {
  return (tensors.get(`backbone.${name}`) ?? tensors.get(name))!.shape;
}

runs("held-out clips are measured on the way, and the best checkpoint stays", async () => {
  const [folder] = readdirSync(data).filter((name) => name.endsWith("-tiny"));
  const words = ["--preset", "tiny", "--val-data", join(data, folder), "--eval-every", "2", "--steps", "8"];
  const name = "R@1 video-text";
  const { stdout } = await done(...words, "--best", name, "--keep", "3", "--name", "best");
  const lines = logOf("best")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const figures = lines.flatMap(({ step, probes }) => (probes ? [{ step, value: probes[name] as number }] : []));
  assert.equal(
    figures.map(({ step }) => step),
    [2, 4, 6, 8],
  );
  assert.is(lines.at(-1).step, 8);
  const top = figures.reduce((best, each) => (each.value > best.value ? each : best));
  const steps = filesOf("best").flatMap((file) => (file.startsWith("ckpt-") ? [Number(file.slice(5))] : []));
  assert.equal(steps, [...new Set([top.step, 4, 6, 8])].sort());
  const { best, after } = JSON.parse(readFileSync(join(root, "runs", "best", "results.json"), "utf8"));
  assert.equal([best.step, best.value], [top.step, top.value]);
  assert.equal(new Map(after).get(name), figures.at(-1)!.value);
  assert.match(stdout, new RegExp(`best ${name} .* at step ${top.step}, chosen by ${name} on .*, clips held out\n`));
  const { code, stderr } = await emotionclip("train", ...words, "--best", "mAP", "--name", "unknown");
  assert.is(code, 2);
  assert.match(stderr, /--best: "mAP" is not measured; measured are R@1 video-text, R@1 text-video/);
});

runs(
  "an average of the weights is measured beside them, saved with them and read like them; a step that is no due one is the last",
  async () => {
    const [folder] = readdirSync(data).filter((name) => name.endsWith("-tiny"));
    const words = ["--preset", "tiny", "--val-data", join(data, folder), "--eval-every", "4", "--steps", "6"];
    await done(...words, "--model-ema-decay", "0.5", "--best", "ema R@1 video-text", "--name", "averaged");
    const measured = logOf("averaged")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ probes }) => probes);
    assert.equal(
      measured.map(({ step }) => step),
      [4, 6],
    );
    const names = ["R@1 video-text", "R@1 text-video"];
    assert.equal(Object.keys(measured[1].probes), [...names, ...names.map((name) => `ema ${name}`)]);
    const [own, average] = await Promise.all(
      ["checkpoint", "checkpoint-ema"].map((name) =>
        SafetensorsFile.open(join(root, "runs", "averaged", `${name}.safetensors`)),
      ),
    );
    assert.equal([...average.tensors.keys()], [...own.tensors.keys()]);
    assert.equal(average.metadata, own.metadata);
    assert.not.equal(await average.read([...own.tensors.keys()][0]), await own.read([...own.tensors.keys()][0]));
    await Promise.all([own.close(), average.close()]);
  },
);

runs("a dry run finds data, plans memory and predicts, and writes nothing", async () => {
  const before = readdirSync(root);
  const { stdout } = await done(...vit, "--dry-run", "--json", "--name", "dry");
  const forecast = JSON.parse(stdout);
  const { batches, batchBytes, bytes } = forecast.loader;
  assert.is(batchBytes, 2 * 8 * 32 * 32 * 4);
  assert.ok(bytes > batches * batchBytes);
  assert.equal([forecast.data.found, forecast.data.trained, forecast.stepsPerEpoch, forecast.steps], [10, 4, 2, 50]);
  assert.ok(forecast.plan.flops > 0 && forecast.plan.peak > 0 && forecast.rate > 0);
  assert.ok(Math.abs(forecast.predicted.epochSeconds / forecast.predicted.stepSeconds - 2) < 1e-9);
  assert.equal(readdirSync(root), before);
  assert.not.ok(existsSync(join(root, "runs", "dry")));
});

runs("--memory chooses how a step is taken, says so, and trains that way", async () => {
  const forecast = async (...more: string[]) => JSON.parse((await done(...vit, "--dry-run", "--json", ...more)).stdout);
  const least = (await forecast("--grad-checkpointing")).plan.peak;
  const asked = ["--memory", `${least}`, "--precision", "f32"];
  const { choice, plan, refusal } = await forecast(...asked);
  assert.equal([choice.gradCheckpointing, choice.micro, plan.peak, refusal], [true, 0, least, undefined]);
  assert.ok(choice.whole.peak > least && choice.flops > choice.whole.flops);
  const { stderr } = await done(...vit, ...asked, "--steps", "2", "--name", "fits");
  assert.match(stderr, /chosen for --memory \d+: all 2 clips at once, blocks made again .* % more arithmetic/);
  const { recipe, from } = JSON.parse(readFileSync(join(root, "runs", "fits", "results.json"), "utf8"));
  assert.equal([recipe.gradCheckpointing, from.gradCheckpointing], [true, `chosen for --memory ${least}`]);
  const { code, stderr: told } = await emotionclip("train", ...vit, "--memory", "1M", "--name", "never");
  assert.is(code, 4, told);
  assert.match(
    told,
    /a step of 2 clips takes [\d.]+ MiB; 1\.0 MiB are allowed\n {2}the least it can take is [\d.]+ MiB: /,
  );
  assert.not.ok(existsSync(join(root, "runs", "never")));
});

runs("--memory takes half precision where there is any, rather than compute twice", async () => {
  const gpu = await openTestGpu();
  const { f16 } = gpu.facts;
  gpu.close();
  const { plan } = JSON.parse((await done(...vit, "--dry-run", "--json", "--grad-checkpointing")).stdout);
  const { stderr } = await done(...vit, "--memory", `${plan.peak}`, "--steps", "2", "--name", "fits-half");
  const { recipe, from } = JSON.parse(readFileSync(join(root, "runs", "fits-half", "results.json"), "utf8"));
  assert.equal([recipe.precision, recipe.gradCheckpointing], f16 ? ["amp", false] : ["f32", true]);
  assert.is(from.precision, `chosen for --memory ${plan.peak}`);
  if (f16) assert.match(stderr, /all 2 clips at once, everything kept, in half precision \(--precision amp\)/);
});

runs("the printed recipe is complete and says where each value is from", async () => {
  writeFileSync(join(root, "recipe.yaml"), "preset: paper\nbatch-size: 64\nbeta: 4\n");
  const { stdout } = await done("--config", "recipe.yaml", "--beta", "2", "--print-config", "--json");
  const { preset, recipe, from } = JSON.parse(stdout);
  assert.equal([preset, recipe.batch, recipe.beta, recipe.epochs], ["paper", 64, 2, 25]);
  assert.equal([from.batch, from.beta], ["recipe.yaml", "--beta"]);
  assert.match(from.epochs, /^preset paper: official option max_epochs/);
});

const wrong = suite();
writeFileSync(join(root, "text.safetensors"), "no weights at all");
writeFileSync(join(root, "bad.yaml"), "lrr: 1\n");

const refused: readonly [words: string[], code: number, what: RegExp][] = [
  [["--preset", "papper"], 2, /unknown preset "papper" \(did you mean paper\?\); known: stage, paper, tiny/],
  [["--lr-heads-gb", "1"], 2, /unknown flag --lr-heads-gb \(did you mean --lr-head-gb\?\)/],
  [["--lr", "fast"], 2, /--lr: "fast" is not a number/],
  [["--memory", "lots"], 2, /--memory is "lots": expected a size such as 800M or 8GB/],
  [["--batch-size", "1"], 2, /--batch-size is 1: /],
  [["--schedule", "zigzag"], 2, /--schedule is "zigzag"/],
  [["--config", "bad.yaml"], 2, /bad\.yaml: unknown name "lrr" \(did you mean lr\?\)/],
  [["--config", "none.yaml"], 3, /none\.yaml/],
  [["--json"], 2, /--json goes with --print-config or --dry-run/],
  [["--name", "../x"], 2, /--name: "\.\.\/x" is not a plain folder name/],
  [["--model", "ViT-B-33", "--train-data", official], 2, /unknown model "ViT-B-33" \(did you mean ViT-B-32\?\)/],
  [["--model", "stagee"], 2, /unknown model "stagee" \(did you mean stage\?\)/],
  [["--model", "RN50", "--train-data", official], 2, /ResNet towers take no mask/],
  [[...vit.slice(0, 2), "--train-data", "nowhere"], 3, /nowhere: no such file/],
  [[...vit.slice(0, 2), "--train-data", "."], 3, /has neither train-index\.json \(shards\) nor index\.json/],
  [[...vit, "--batch-size", "100"], 2, /a batch of 100 clips, but there are only 4/],
  [[...vit, "--min-characters", "4000"], 3, /index\.json: none of its 10 sentences pass the filters/],
  [[...vit, "--bpe", "bad.yaml"], 3, /bad\.yaml/],
  [[...vit, "--pretrained", "text.safetensors"], 3, /text\.safetensors/],
  [[...vit, "--pretrained", "gone.pt"], 3, /gone\.pt/],
  [[...vit, "--resume", "text.safetensors"], 3, /text\.safetensors/],
  [[...vit, "--eval-every", "2"], 2, /--eval-every: nothing to measure; --val-data/],
  [
    [...vit, "--val-data", ".", "--eval-every", "2"],
    2,
    /--val-data: .* has neither val-index\.json nor test-index\.json/,
  ],
  [
    [...vit, "--steps", "3", "--schedule", "linear", "--warmup", "9"],
    2,
    /schedule\.linear: 9 steps of warm-up do not fit into 3/,
  ],
  [[...vit, "--eval-bold", "."], 2, /--eval-bold goes with --eval-every/],
];
for (const [words, code, what] of refused)
  wrong(
    `refused before anything is written: ${words.filter((word) => !vit.includes(word)).join(" ") || words.join(" ")}`,
    async () => {
      const inRuns = () => (existsSync("runs") ? readdirSync("runs") : []);
      const before = inRuns();
      const found = report(await failure(runCommand(["train", ...words])));
      assert.is(found.code, code, found.text);
      assert.match(found.text, what);
      assert.equal(inRuns(), before);
    },
  );

runs.run();
wrong.run();
