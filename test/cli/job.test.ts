// The main job as a whole, on a few clips: what "finished" means, and what a stop costs wherever it comes.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Job, openJob, runJob } from "../../cli/job.ts";
import { reportRun } from "../../cli/pages/run-report.ts";
import { watchDisk } from "../../data/formats/disk.ts";
import { openShards } from "../../data/shards/shards.ts";
import { writeShards } from "../../data/shards/writer.ts";
import { categories, makeStage } from "../../data/stage/index.ts";
import type { Meter, StopRequest } from "../../data/threads/long-work.ts";
import { evaluate } from "../../eval/probes/evaluate.ts";
import { probeRowsSteps } from "../../eval/probes/probe-table.ts";
import { matrix } from "../../eval/matrix.ts";
import { changesOf } from "../../train/runs/platform.ts";
import { Trainer } from "../../train/trainer.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { failure } from "../kit/refusal.ts";
import { settings as base, tiny, tokenizer } from "../train/synthetic.ts";

const test = suite();
const root = await mkdtemp(join(tmpdir(), "emotionclip-job-"));
test.after(() => rm(root, { recursive: true, force: true }));
const here = await openTestGpu();
test.after(() => here.close());

const data = join(root, "shards");
for (const [split, count] of [
  ["train", 40],
  ["test", 18],
] as const)
  await writeShards(data, split, makeStage({ seed: 5, split, count }), { categories });
const sets = { train: await openShards(data, "train"), test: await openShards(data, "test") };
const settings = { ...base, steps: 4, batch: 8, evalEvery: 2, checkpointEvery: 2, workers: 0 };
const job: Job = { ...(await openJob(data, settings, () => {})), sets, tokenizer, config: tiny };

/** Asks to stop at the n-th word that is heard of a phase. */
class Ear implements Meter, StopRequest {
  requested: number | undefined;
  readonly heard: string[] = [];
  readonly said: string[] = [];
  #phase = "";
  constructor(
    private readonly phase = "",
    private readonly nth = 1,
  ) {}
  start(phase: string): void {
    this.#phase = phase;
  }
  at(): void {
    this.heard.push(this.#phase);
    if (this.heard.filter((phase) => phase === this.phase).length >= this.nth) this.requested = 130;
  }
  say(line: string): void {
    this.said.push(line);
  }
}

const trained = (folder: string, ear = new Ear(), gpu = here) => {
  const run = { job, settings, folder };
  return runJob(run, { gpu, progress: ear, stop: ear }, (done) => reportRun(run, done, gpu.facts.adapter));
};

/** The log without what a clock measured. */
const logOf = (folder: string) =>
  readFileSync(join(folder, "metrics.jsonl"), "utf8").replace(
    /,"(clipsPerSecond|tflops|waiting|gpuBytes|rss)":[\d.e-]+/g,
    "",
  );

const whole = join(root, "whole");

test("results.json is written last, and a run that is killed right before it is not finished", async () => {
  const names: string[] = [];
  let undo = watchDisk(({ op, to }) => {
    if (op !== "rename") return undefined;
    names.push(basename(to!));
    if (names.at(-1) === "results.json") throw new Error("killed");
    return undefined;
  });
  await failure(trained(whole)).finally(undo);
  assert.is(names.at(-1), "results.json");
  assert.ok(names.includes("report.html") && names.includes("checkpoint.safetensors"));
  assert.not.ok(existsSync(join(whole, "results.json")));

  names.length = 0;
  undo = watchDisk(({ op, to }) => {
    if (op === "rename") names.push(basename(to!));
    return undefined;
  });
  const outcome = await trained(whole).finally(undo);
  assert.equal(JSON.parse(readFileSync(join(whole, "results.json"), "utf8")).after, outcome?.after);
  assert.not.ok(
    names.some((name) => name.startsWith("ckpt-")),
    "nothing is trained twice",
  );
});

test("a stop while the model is measured costs two batches at most, wherever it comes", async () => {
  for (const phase of ["measure untrained", "measure trained"]) {
    const folder = join(root, phase);
    const ear = new Ear(phase, 1);
    assert.is(await trained(folder, ear), undefined, phase);
    assert.ok(ear.heard.filter((each) => each === phase).length <= 2, phase);
    assert.not.ok(existsSync(join(folder, "results.json")));
    assert.ok(await trained(folder), "it goes on");
    assert.is(logOf(folder), logOf(whole));
  }
});

test("a stop between a step and its measurement leaves the log as if there had been none", async () => {
  const folder = join(root, "between");
  // Heard of the training are steps 1, 2, …; step 2 is measured, and the stop comes before, on its way or after.
  for (const nth of [1, 2, 3]) {
    await rm(folder, { recursive: true, force: true });
    assert.is(await trained(folder, new Ear("train", nth)), undefined);
    assert.ok(await trained(folder));
    assert.is(logOf(folder), logOf(whole), `stopped at step ${nth}`);
  }
});

test("a measurement that is stopped itself comes first when the run goes on", async () => {
  const folder = join(root, "stopped measurement");
  const stop: { requested: number | undefined } = { requested: undefined };
  const asked: Job = {
    ...job,
    evaluator: async () => {
      stop.requested = 130;
      return undefined;
    },
  };
  const run = { job: asked, settings, folder };
  assert.is(await runJob(run, { gpu: here, progress: new Ear(), stop }), undefined);
  assert.not.match(logOf(folder), /"step":2/);
  assert.ok(await trained(folder));
  assert.is(logOf(folder), logOf(whole));
});

test("a run that goes on elsewhere says so once, and its results say it", async () => {
  const folder = join(root, "moved");
  assert.is(await trained(folder, new Ear("train", 2)), undefined);
  const facts = { ...here.facts, adapter: "another", subgroup: here.facts.subgroup / 2 };
  const ear = new Ear();
  await trained(folder, ear, Object.create(here, { facts: { value: facts } }));
  const warnings = ear.said.filter((line) => line.startsWith("warning"));
  assert.is(warnings.length, 1);
  assert.match(
    warnings[0],
    /goes on elsewhere than it was at step \d: adapter .+ -> another, lanes of a subgroup \d+ -> \d+;/,
  );
  const { moves } = JSON.parse(readFileSync(join(folder, "results.json"), "utf8"));
  assert.equal(moves.length, 1);
  assert.match(moves[0].changes[0], /^adapter .* -> another$/);
  assert.match(readFileSync(join(folder, "report.html"), "utf8"), /Moved/);
  assert.is(JSON.parse(readFileSync(join(whole, "results.json"), "utf8")).moves, undefined, "one that stayed");
});

test("a warm-up that leaves no room for the learning rate is warned about", async () => {
  const ear = new Ear();
  const run = {
    job: { ...job, say: (line: string) => ear.say(line) },
    settings: { ...settings, steps: 2, warmup: 8, evalEvery: 0 },
    folder: join(root, "warm-up"),
  };
  const outcome = await runJob(run, { gpu: here, progress: ear, stop: ear });
  const [warning, ...others] = ear.said.filter((line) => line.startsWith("warning"));
  assert.match(
    warning,
    /warm-up of 8 steps is not over when the run of 2 ends: the learning rate comes to 0\.0\d+ and not to 0\.003/,
  );
  assert.equal(others, []);
  assert.equal(outcome?.warnings, [warning.replace("warning: ", "")]);
});

test("what was computed with is told from what is computed with now, as far as it was recorded", () => {
  const then = { adapter: "a", subgroupSize: 8, versions: { program: "0.2.0", webgpu: "0.6.2", node: "20.9.0" } };
  assert.equal(changesOf(then, then), []);
  const now = { ...then, versions: { ...then.versions, webgpu: "0.7.0", node: "22.1.0" } };
  assert.equal(changesOf(then, now), ["webgpu 0.6.2 -> 0.7.0", "node 20.9.0 -> 22.1.0"]);
  assert.equal(changesOf({ adapter: "a", subgroupSize: 8 }, now), [], "a checkpoint of 0.1");
  assert.equal(changesOf(then, { ...then, subgroupSize: 4 }), ["lanes of a subgroup 8 -> 4"]);
});

test("an evaluation alone stops after the batches in hand, and probes between the steps of their search", async () => {
  const trainer = new Trainer(tiny, tokenizer, settings);
  const ear = new Ear("", 2);
  assert.is(await evaluate(trainer, sets, { at: () => ear.at(), stop: ear }), undefined);
  assert.ok(ear.heard.length <= 3, `${ear.heard.length}`);
  trainer.free();

  const rows = (n: number, d: number) =>
    matrix(
      n,
      d,
      Float64Array.from({ length: n * d }, (_, i) => Math.sin(i * i)),
    );
  const bits = matrix(
    60,
    2,
    Uint8Array.from({ length: 120 }, (_, i) => Number(Math.sin(7 * i) > 0)),
  );
  const split = { features: rows(60, 8), categories: bits, vad: rows(60, 3), text: rows(60, 8) };
  assert.ok([...probeRowsSteps({ train: split, test: split })].length > 5);
});

test.run();
