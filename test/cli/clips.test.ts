// Clips that are not as they should be, through the commands: said, counted, never measured on another's pictures.
import { mkdtempSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openJob, runJob } from "../../cli/job.ts";
import { indexShards } from "../../data/shards/check.ts";
import type { Clip } from "../../data/shards/clip.ts";
import { openShards } from "../../data/shards/shards.ts";
import { writeShards } from "../../data/shards/writer.ts";
import { categories, makeStage, type Split } from "../../data/stage/index.ts";
import type { Meter } from "../../data/threads/long-work.ts";
import { HealthError } from "../../engine/errors.ts";
import type { DataCheck } from "../../cli/commands/data.ts";
import { evaluate } from "../../eval/probes/evaluate.ts";
import type { EvaluationResult } from "../../eval/paper/result.ts";
import { saveModel } from "../../model/checkpoint/folder.ts";
import { checkSettings, type Settings } from "../../train/settings.ts";
import { Trainer } from "../../train/trainer.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { refusal } from "../kit/refusal.ts";
import { runProgram } from "../run/program.ts";
import { settings as small, tiny, tokenizer } from "../train/synthetic.ts";

const root = mkdtempSync(join(tmpdir(), "emotionclip-clips-"));
test.after(() => rm(root, { recursive: true, force: true }));
const gpu = await openTestGpu();
test.after(() => gpu.close());

const sizes: Record<Split, number> = { train: 24, val: 0, test: 12 };
const all: Record<string, Clip[]> = {};
for (const split of ["train", "test"] as const) {
  all[split] = [];
  for await (const clip of makeStage({ seed: 5, split, count: sizes[split] })) all[split].push(clip);
}

/** A data set of these clips, each changed. */
async function dataSet(name: string, change: (clip: Clip, i: number, split: string) => Clip | undefined) {
  const at = join(root, name);
  for (const [split, clips] of Object.entries(all)) {
    const changed = clips.flatMap((clip, i) => change(clip, i, split) ?? []);
    await writeShards(at, split, changed, { categories, perShard: 10 });
  }
  return at;
}

/** Spoils the JSON of clips in a shard, as a disk does: the index stays, and stays newer. */
function spoil(folder: string, shard: string, keys: readonly string[]): void {
  const path = join(folder, shard);
  const bytes = readFileSync(path);
  for (const key of keys) bytes[bytes.indexOf(`${key}.json`) + 512] = 0x58;
  writeFileSync(path, bytes);
  for (const file of readdirSync(folder).filter((name) => name.endsWith("index.json")))
    utimesSync(join(folder, file), new Date(), new Date(Date.now() + 1000));
}

const half = (clip: Clip): Clip => ({ ...clip, frames: clip.frames.map((f) => f.subarray(0, f.length >> 1)) });
const cut = (clip: Clip): Clip => ({ ...clip, frames: clip.frames.slice(0, 1), boxes: clip.boxes.slice(0, 1) });

/** Clip 5 of train and 2 of test have half pictures, 6 and 4 a spoilt JSON; clip 3 of train has one frame. */
const bad = { train: [5, 6], test: [2, 4] } as const;
const faulty = await dataSet("faulty", (clip, i, split) => {
  if (i === (split === "train" ? 5 : 2)) return half(clip);
  return split === "train" && i === 3 ? cut(clip) : clip;
});
spoil(faulty, "train-00000.tar", [all.train[6].key]);
spoil(faulty, "test-00000.tar", [all.test[4].key]);

const few: Partial<Settings> = { steps: 3, batch: 8, warmup: 1, workers: 0, checkpointEvery: 100 };

/** Hears everything, shows nothing. */
function listener(): Meter & { lines: string[] } {
  const lines: string[] = [];
  return { lines, start: () => {}, at: () => {}, say: (line) => void lines.push(line) };
}

async function train(data: string, change: Partial<Settings>) {
  const settings = checkSettings({ ...few, ...change });
  const progress = listener();
  const job = await openJob(data, settings, progress.say);
  const folder = mkdtempSync(join(root, "run-"));
  const outcome = await runJob({ job, settings, folder }, { gpu, progress, stop: { requested: undefined } });
  const kept = JSON.parse(readFileSync(join(folder, "results.json"), "utf8"));
  return { outcome: outcome!, kept, lines: progress.lines };
}

test("a run says and counts short and bad clips, and measures none on another's pictures", async () => {
  const { outcome, kept, lines } = await train(faulty, { maxBad: 0.2 });
  const said = lines.join("\n");
  const [short] = lines;
  assert.match(short, /^train: 1 of 24 clips have fewer than 4 frames \(1\): stage-train-000003; some of their frames/);
  assert.match(
    said,
    /train: 1 of 24 clips cannot be read:\n {2}train-00000\.tar: stage-train-000006\.json: not valid JSON/,
  );
  assert.match(said, /test: 1 of 12 clips cannot be read:\n {2}test-00000\.tar: stage-test-000004\.json/);
  for (const key of ["stage-train-000005", "stage-test-000002"])
    assert.is(said.split(`${key}.0000: does not decode`).length, 2, `${key} is named once`);
  for (const split of ["train", "test"] as const) {
    const { clips, bad: found } = kept.clips[split];
    assert.is(clips, sizes[split]);
    assert.equal(
      found.map(({ clip }: { clip: string }) => clip).sort(),
      bad[split].map((i) => all[split][i].key),
    );
  }
  assert.equal([kept.clips.train.short.count, kept.clips.train.short.rule], [1, "repeat"]);
  assert.is(kept.clips.test.short, undefined);
  assert.ok(kept.training.replaced > 0 && kept.training.idle === 0);
  assert.equal(kept.warnings, []);
  assert.ok(outcome.after.every(([, value]) => Number.isFinite(value) || Number.isNaN(value)));
});

test("figures on a set with bad clips are those on the set without them", async () => {
  const without = await dataSet("without", (clip, i, split) => {
    if ((bad[split as "train" | "test"] as readonly number[]).includes(i)) return undefined;
    return split === "train" && i === 3 ? cut(clip) : clip;
  });
  const trainer = new Trainer(tiny, tokenizer, { ...small, workers: 0, maxBad: 0.2 });
  const setsIn = async (at: string) => ({ train: await openShards(at, "train"), test: await openShards(at, "test") });
  const heard: string[] = [];
  const options = { onBad: (split: string, { index }: { index: number }) => void heard.push(`${split} ${index}`) };
  const [rows, want] = [
    (await evaluate(trainer, await setsIn(faulty), options))!,
    (await evaluate(trainer, await setsIn(without)))!,
  ];
  assert.equal(heard, ["train 5", "train 6", "test 2", "test 4"]);
  assert.is(rows.length, want.length);
  // batches of other sizes may take other kernels: features differ in their last bits
  for (const [i, [name, value]] of rows.entries())
    assert.ok(Number.isNaN(value) ? Number.isNaN(want[i][1]) : Math.abs(value - want[i][1]) < 2e-3, `${name} ${value}`);
});

test("--max-bad holds when the set is opened and when it is measured", async () => {
  const opened = await refusal(train(faulty, { maxBad: 0 }));
  assert.instance(opened, HealthError);
  assert.match(
    opened.message,
    /^train: 1 of 24 clips cannot be read:\n.*stage-train-000006\.json.*\n {2}allowed are 0 %/,
  );
  const pictures = await dataSet("pictures", (clip, i, split) => (split === "test" && i === 2 ? half(clip) : clip));
  const measured = await refusal(train(pictures, { maxBad: 0.05 }));
  assert.instance(measured, HealthError);
  assert.match(measured.message, /^1 of 12 samples are bad \(8\.3 %\), allowed are 5\.0 %.*stage-test-000002/);
});

test("short clips may be left out, in training and measuring", async () => {
  const data = await dataSet("short", (clip, i) => (i % 4 === 1 ? cut(clip) : clip));
  const { kept, lines } = await train(data, { shortClips: "leave-out" });
  assert.match(lines.join("\n"), /train: 6 of 24 clips have fewer than 4 frames .*; they are left out/);
  assert.equal([kept.clips.train.clips, kept.clips.test.clips], [18, 9]);
  assert.equal([kept.clips.train.short.count, kept.clips.train.short.rule], [6, "leave-out"]);
});

test("a run that learns nothing says so, and why", async () => {
  const sentiment = [1, 2, 3, 4, 5, 6, 7];
  const data = await dataSet("equal", (clip) => ({ ...clip, sentiment }));
  const { kept, lines } = await train(data, {});
  assert.equal(kept.training.idle, 3);
  assert.match(kept.warnings[0], /the sentiment logits of all 24 clips are the same.*removes every negative/);
  assert.is(lines.filter((line) => /step 1 has loss 0 and no gradient/.test(line)).length, 1);
  const without = await train(data, { beta: 0 });
  assert.equal([without.kept.training.idle, without.kept.warnings], [0, []]);
});

// ---- the commands ----

const cli = join("dist", "cli.js");

test("data check finds what is wrong, says where, and exits 3; of a good set it says so", async () => {
  const { code, stdout, stderr } = await runProgram(cli, ["data", "check", faulty, "--decode", "--json"]);
  assert.is(code, 3, stderr);
  assert.match(stderr, /error: .*faulty: 6 faults/);
  const { splits, decoded } = JSON.parse(stdout) as DataCheck;
  assert.ok(decoded);
  for (const { split, samples, faults, bad: found, shards } of splits) {
    assert.equal([samples, shards], [sizes[split as Split], split === "train" ? 3 : 2]);
    assert.is(faults.length, 1);
    assert.match(faults[0], new RegExp(`^${split}-00000\\.tar: sha256 is [0-9a-f]{64}, the index says`));
    assert.equal(
      found.map(({ clip }) => clip),
      bad[split as "train" | "test"].map((i) => all[split][i].key),
    );
  }
  const [{ frames }] = splits.filter(({ split }) => split === "train");
  assert.is(frames[0], 1);

  const good = await dataSet("good", (clip) => clip);
  const fine = await runProgram(cli, ["data", "check", good]);
  assert.is(fine.code, 0, fine.stderr);
  assert.is(fine.stdout.match(/all is as the index says/g)?.length, 2);
  writeFileSync(join(good, "train-00007.tar"), "x");
  assert.match((await runProgram(cli, ["data", "check", good])).stdout, /read by nobody: train-00007\.tar/);
  const nowhere = await runProgram(cli, ["data", "check", root]);
  assert.is(nowhere.code, 3);
  assert.match(nowhere.stderr, /has no <split>-index\.json/);
});

test("a shard that is newer than its index is compared with it, and data index makes a new one", async () => {
  const at = await dataSet("newer", (clip) => clip);
  const path = join(at, "train-00001.tar");
  const later = new Date(Date.now() + 5000);
  utimesSync(path, later, later);
  const said: string[] = [];
  const open = () => openShards(at, "train", { say: (line) => void said.push(line) });
  assert.is((await open()).samples, 24, "only its date is another");
  assert.match(said[0], /^train: 1 of 3 shards are newer than train-index\.json \(train-00001\.tar\); their sha256/);
  spoil(at, "train-00001.tar", [all.train[12].key]);
  assert.is((await open()).samples, 24, "an older shard is not read to be compared");
  utimesSync(path, later, later);
  assert.match(
    (await refusal(open())).message,
    /^train-00001\.tar: sha256 is .*, the index says .*`emotionclip data index`/,
  );

  const { code, stdout, stderr } = await runProgram(cli, ["data", "index", at, "train"]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^train-index\.json: 24 clips in 3 tar files/);
  utimesSync(join(at, "train-index.json"), later, later);
  assert.equal((await open()).categories, categories, "those of the index before");
});

test("an index is made although the first clip is bad", async () => {
  const at = await dataSet("first", (clip) => clip);
  spoil(at, "train-00000.tar", [all.train[0].key]);
  assert.is((await indexShards(at, "train", categories)).fps, all.train[0].fps);
});

test("eval leaves bad clips out by --max-bad, and says so again when the features are known", async () => {
  const checkpoint = join(root, "model.safetensors");
  const trainer = new Trainer(tiny, tokenizer, { ...small, workers: 0 });
  const metadata = { config: JSON.stringify(tiny), words: JSON.stringify(tokenizer.words) };
  await saveModel(checkpoint, trainer.modelEntries(), metadata);
  const words = ["eval", "stage", "--checkpoint", checkpoint, "--cache", join(root, "cache"), "--data", faulty];
  const run = (maxBad: string) =>
    runProgram(cli, [...words, "--workers", "0", "--bootstrap", "0", "--json", "--max-bad", maxBad]);
  for (const time of ["first", "second"]) {
    const { code, stdout, stderr } = await run("0.2");
    assert.is(code, 0, `${time}: ${stderr}`);
    const { splits, notes } = JSON.parse(stdout) as EvaluationResult;
    assert.equal(
      splits.map(({ name, samples, leftOut }) => [name, samples, leftOut]),
      [
        ["train", 22, 2],
        ["test", 10, 2],
      ],
    );
    assert.match(notes.join("\n"), /2 samples of test could not be read and are left out: stage-test-000002/);
    assert.match(notes.join("\n"), /1 of 24 samples of train have fewer than \d frames/);
  }
  const { code, stderr } = await run("0.01");
  assert.is(code, 5);
  assert.match(
    stderr,
    /2 samples of train could not be read and are left out: .*; allowed are 1 % of 24 \(--max-bad\)/,
  );
});

test.run();
