// `emotionclip zero-shot benchmark`: the scores of a data set are those of its samples one by one.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Benchmark, openBenchmark } from "../../data/sets/index.ts";
import { loadSample } from "../../data/sets/load.ts";
import { openTokenizer } from "../../data/tokenizer/clip.ts";
import { encodeImages, encodeVideos } from "../../eval/features/encode.ts";
import { macroAveragePrecision, macroRocAuc } from "../../eval/probes/metrics.ts";
import { targetsOfBenchmark } from "../../eval/probes/benchmark-targets.ts";
import { emotionTemplates, scoreZeroShot, zeroShotClassifier, zeroShotLogits } from "../../eval/zero-shot/zero-shot.ts";
import { allocate, EmotionClip, groupsOf, Init, type ModelConfig, named, stageModel } from "../../model/index.ts";
import { writeSafetensors } from "../kit/write-safetensors.ts";
import { type DataPage, dataText } from "../../eval/zero-shot/data.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { goldenPath } from "../kit/golden.ts";
import { runProgram } from "../run/program.ts";

await sharedGpu();
const root = mkdtempSync(join(tmpdir(), "emotionclip-zero-shot-"));
test.after(() => rmSync(root, { recursive: true, force: true }));

// A model that has learnt nothing, with CLIP's vocabulary, in a file of its own.
const small = stageModel(49408);
const config: ModelConfig = {
  ...small,
  vision: { ...small.vision, image: 32, patch: 8, width: 48, heads: 4 },
  embed: 16,
};
const init = new Init(3);
const model = new EmotionClip(config, init);
allocate(groupsOf(named(model)), 0);
init.fill();
const checkpoint = join(root, "small.safetensors");
const entries = Array.from(named(model), ([name, t]) => ({
  name,
  dtype: "F32" as const,
  shape: t.shape,
  bytes: async () => new Uint8Array(((await t.data()) as Float32Array).slice().buffer),
}));
await writeSafetensors(checkpoint, entries, { config: JSON.stringify(config) });
const bare = join(root, "bare.safetensors");
await writeSafetensors(bare, entries, {});
const tokenizer = (await openTokenizer()).rows(config.text.context);

const data = (name: string) => goldenPath(`emotionclip/data/${name}`);
const zeroShot = (name: string, ...more: string[]) =>
  runProgram(join("dist", "cli.js"), [
    ...[
      "zero-shot",
      "benchmark",
      name,
      "--checkpoint",
      checkpoint,
      "--data",
      data(name),
      "--cache",
      join(root, "cache"),
    ],
    ...more,
  ]);

async function pageOf(name: string, ...more: string[]): Promise<DataPage> {
  const { code, stdout, stderr } = await zeroShot(name, "--json", ...more);
  assert.is(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Logits of a split, sample by sample, through the library. */
async function logitsOf(benchmark: Benchmark, classes: readonly string[]) {
  const input = { frames: benchmark.frames, side: config.vision.image };
  const pixels = await Promise.all(benchmark.samples.map((sample) => loadSample(sample, input)));
  const features = await (benchmark.kind === "image" ? encodeImages : encodeVideos)(model, pixels, { batch: 1 });
  const named = classes.map((name) => ({ name, texts: [name] }));
  return zeroShotLogits(features, await zeroShotClassifier(model, tokenizer, named, emotionTemplates));
}

test("MELD: recall, confusion and top-k of the samples", async () => {
  const page = await pageOf("meld");
  const benchmark = await openBenchmark("meld", data("meld"), { split: "test", frames: config.head.frames });
  assert.equal([page.split, page.samples], ["test", benchmark.samples.length]);
  const [{ task, single, templates, classes }] = page.tasks;
  assert.equal([task, templates], ["emotion", emotionTemplates]);
  assert.equal(
    classes.map(({ name }) => name),
    benchmark.classes,
  );
  const labels = benchmark.samples.map(({ label }) => label!);
  const want = scoreZeroShot(await logitsOf(benchmark, benchmark.classes), labels);
  assert.equal([single!.top1, single!.top5, single!.war, single!.uar], [want.top1, want.top5, want.war, want.uar]);
  assert.equal(single!.confusion.flat(), [...want.confusion.data]);
});

test("another split may be asked for; one that is not there is refused", async () => {
  const { split, samples } = await pageOf("emotic", "--split", "val");
  const benchmark = await openBenchmark("emotic", data("emotic"), { split: "val" });
  assert.equal([split, samples], ["val", benchmark.samples.length]);
  const { code, stderr, stdout } = await zeroShot("meld", "--split", "dev");
  assert.is(code, 3);
  assert.match(stderr, /dev_sent_emo\.csv/);
  assert.is(stdout, "");
});

test("Emotic: several classes for a picture are scored as such", async () => {
  const page = await pageOf("emotic");
  const benchmark = await openBenchmark("emotic", data("emotic"), { split: "test" });
  const logits = await logitsOf(benchmark, benchmark.classes);
  const { labels } = targetsOfBenchmark(benchmark);
  const [{ several }] = page.tasks;
  assert.ok(Math.abs(several!.mAP - macroAveragePrecision(labels!, logits).mean) < 1e-6);
  const AUC = macroRocAuc(labels!, logits).mean; // null in JSON where a class has samples of one kind only
  assert.ok(Number.isNaN(AUC) ? several!.AUC === null : Math.abs(several!.AUC - AUC) < 1e-6);
});

test("texts of one's own are matched with the classes by name", async () => {
  const file = join(root, "classes.json");
  const benchmark = await openBenchmark("meld", data("meld"), { split: "test" });
  const texts = Object.fromEntries([...benchmark.classes].reverse().map((name) => [name, [`so much ${name}`, name]]));
  writeFileSync(file, JSON.stringify(texts));
  const page = await pageOf("meld", "--classes", file);
  assert.equal(
    page.tasks[0].classes,
    benchmark.classes.map((name) => ({ name, texts: [`so much ${name}`, name] })),
  );
  assert.equal(page.tasks[0].templates, ["{}"]);
});

test("what shapes do not tell of a checkpoint is said with --config, for features and texts alike", async () => {
  const file = join(root, "bare.json");
  writeFileSync(file, JSON.stringify(config));
  const same = await pageOf("meld", "--checkpoint", bare, "--config", file, "--batch-size", "2");
  assert.equal(same.tasks, (await pageOf("meld")).tasks);
  const { code, stderr } = await zeroShot("meld", "--checkpoint", bare);
  assert.is(code, 3);
  assert.match(stderr, /bare\.safetensors: shapes do not tell /);
});

test("the table has a line for each class: recall, and counts by recognised class", async () => {
  const page = await pageOf("meld");
  const { stdout, code } = await zeroShot("meld");
  assert.is(code, 0);
  assert.match(
    stdout,
    /^meld test, \d+ samples, \S*small\.safetensors .*\n\nemotion: 7 classes, 5 templates\n {2}top-1 /,
  );
  const lines = dataText(page).split("\n");
  const { classes, single } = page.tasks[0];
  for (const [c, { name }] of classes.entries()) {
    const line = lines.find((each) => each.startsWith(`  ${name} `))!;
    assert.equal(line.trim().split(/\s+/).slice(-7).map(Number), single!.confusion[c]);
  }
});

test.run();
