// `emotionclip tables`: the paper's tables with our figures beside the published ones. It reads finished runs and evaluations;
// --train makes the runs that are missing, one after another, and goes on where it was stopped.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import * as v from "valibot";
import { makeFolder, replaceFile } from "../../data/formats/disk.ts";
import { type GpuOptions, openGpu } from "../../engine/index.ts";
import { compare, type Scored, type TrainedVariant, variants } from "../../eval/paper/compare.ts";
import type { Reweighting } from "../../eval/paper/reweighting.ts";
import { real, whole } from "../flags.ts";
import { captionLines, openJob, phasesOf, runJob } from "../job.ts";
import { openPlan } from "../../model/checkpoint/open-model.ts";
import { checkPlace } from "../pages/page.ts";
import { reportRun } from "../pages/run-report.ts";
import { clock, Progress } from "../terminal/progress.ts";
import { reweightBatch } from "../../eval/paper/reweight-batch.ts";
import { finishedRuns, type RunSummary, read } from "../../train/runs/runs.ts";
import { setNames } from "../../data/sets/switches.ts";
import { checkSettings, type Settings } from "../../train/settings.ts";
import { clipsToMake, shardFolder } from "../data-folder.ts";
import { gracefulStop, printStopped } from "../terminal/stop.ts";
import type { StopRequest } from "../../data/threads/long-work.ts";
import { tablesPage } from "../pages/tables-page.ts";
import { tablesText } from "../pages/tables-text.ts";
import { printResult, warn } from "../terminal/streams.ts";
import type { Context } from "../gpu.ts";

interface Flags {
  gpu: GpuOptions;
  runs: string;
  results?: string;
  train?: boolean;
  seeds: string;
  steps?: string;
  checkpoint?: string;
  data?: string;
  beta: string;
  json?: boolean;
  html?: string;
}

export function command({ gpu }: Context): Command {
  return new Command()
    .option("--runs <folder>", "finished runs of the main job, one or two levels below", "runs")
    .option("--results <files>", "results of emotionclip eval --json, a.json,b.json, for Table 4")
    .option("--train", "first train what Tables 1 and 3 and Figure 6 compare, into <runs>/tables; resumes")
    .option("--seeds <n>", "trainings of each variant", "1")
    .option("--steps <n>", "updates of each training (default: the main job's)")
    .option("--checkpoint <path>", "show Table 2 for the first batch of the embedded test split through this model")
    .option("--data <folder>", "shards for --train and --checkpoint; default: the embedded data set")
    .option("--beta <b>", "beta of Table 2", "1")
    .option("--json", "one JSON object instead of text")
    .option("--html <file>", "also write a page of its own, without network")
    .action((flags: Flags) => run({ ...flags, gpu: gpu() }));
}

const reweightingFile = "reweighting.json";
/** Clips in the batch of Table 2. */
const batch = 64;

async function run(flags: Flags): Promise<void> {
  const seeds = whole("seeds", flags.seeds, 1, 100);
  const beta = real("beta", flags.beta, 0, 1e6);
  await checkPlace(flags.html);
  const results = await readResults(flags.results);
  const stop = flags.train || flags.checkpoint ? gracefulStop() : undefined;
  if (flags.train && !(await trainVariants(flags, seeds, stop!))) {
    printStopped("the same command goes on from there");
    return;
  }
  const runs = await finishedRuns(flags.runs);
  const shown = await reweightingOf(flags, runs, beta, stop);
  if (shown === "stopped") return printStopped("the same command goes on making the data set");
  const comparison = compare(runs, results, shown);
  if (flags.html) await replaceFile(flags.html, tablesPage(comparison));
  printResult(flags.json, comparison, tablesText);
}

const number = v.nullable(v.number());
const resultShape = v.looseObject({
  benchmark: v.picklist(setNames),
  source: v.string(),
  tasks: v.array(
    v.looseObject({
      task: v.string(),
      split: v.string(),
      figures: v.array(v.looseObject({ name: v.string(), value: number, reason: v.optional(v.string()) })),
    }),
  ),
});

async function readResults(text: string | undefined): Promise<Scored[]> {
  if (text === undefined) return [];
  const found: Scored[] = [];
  for (const path of text.split(",")) {
    const result = await read(path.trim(), resultShape);
    const tasks = result.tasks.map(({ figures, ...task }) => ({
      ...task,
      figures: figures.map((figure) => ({ ...figure, value: figure.value ?? Number.NaN })),
    }));
    found.push({ ...result, tasks });
  }
  return found;
}

/** Trains every variant for every seed, those that are finished aside; false when a stop was requested on the way. */
async function trainVariants(flags: Flags, seeds: number, stop: StopRequest): Promise<boolean> {
  const arms = planned(seeds, flags);
  const open = arms.filter(({ folder }) => !existsSync(join(folder, "results.json")));
  if (open.length === 0) return true;
  const missing = clipsToMake(flags.data);
  const phases = open.flatMap(({ settings }, i) => phasesOf(i === 0 ? missing : 0, settings.steps));
  const progress = new Progress({ phases });
  const gpu = await openGpu(flags.gpu);
  try {
    const data = await shardFolder(flags.data, progress, stop);
    if (data === undefined) return false;
    const job = await openJob(data, open[0].settings, (line) => progress.say(line));
    warn(captionLines(job));
    await makeFolder(join(flags.runs, "tables"));
    for (const { folder, settings } of open) {
      const run = { job, settings, folder };
      const outcome = await runJob(run, { gpu, progress, stop }, (trained) =>
        reportRun(run, trained, gpu.facts.adapter),
      );
      if (!outcome) return false;
      progress.say(`${folder}  ${clock(outcome.seconds)}`);
    }
    return true;
  } finally {
    progress.end();
    gpu.close();
  }
}

/** The trainings that --train makes, the whole first seed before the second. */
export function planned(seeds: number, { runs, steps }: Pick<Flags, "runs" | "steps">) {
  const length = steps === undefined ? {} : { steps: whole("steps", steps, 1, 1e7) };
  return Array.from({ length: seeds }, (_, k) => k).flatMap((k) =>
    variants.map((variant) => {
      const base = checkSettings({ ...length, ...variant });
      const settings: Settings = { ...base, seed: base.seed + k };
      return { folder: join(runs, "tables", `${nameOf(variant)}-${settings.seed}`), settings };
    }),
  );
}

const nameOf = ({ subject, beta, head }: TrainedVariant) =>
  `${subject}-beta${beta}${head === "transformer" ? "" : `-${head}`}`;

/** Table 2 through the checkpoint given, or as an earlier call left it beside the runs. */
async function reweightingOf(
  { checkpoint, data, runs: folder, train, gpu }: Flags,
  runs: readonly RunSummary[],
  beta: number,
  stop: StopRequest | undefined,
): Promise<{ ours: Reweighting; source: string } | "stopped" | undefined> {
  const kept = join(folder, "tables", reweightingFile);
  const trained = runs.filter((run) => run.own === undefined && run.folder.startsWith(join(folder, "tables")));
  const whole = trained.find((run) => run.subject === "sap" && run.beta === beta && run.head === "transformer");
  const model = checkpoint ?? (train ? whole?.folder : undefined);
  if (model === undefined) return existsSync(kept) ? ((await read(kept, keptShape)) as Kept) : undefined;
  await (await openPlan({ checkpoint: model })).close(); // a bad file is told before data is made for it
  const progress = new Progress({ phases: [["make data", 60]] });
  const clips = await shardFolder(data, progress, stop!);
  progress.end();
  if (clips === undefined) return "stopped";
  const found = {
    ours: await reweightBatch(model, clips, { beta, form: "code", batch, gpu, onTexts: warn }),
    source: model,
  };
  if (checkpoint === undefined) await replaceFile(kept, `${JSON.stringify(found)}\n`);
  return found;
}

type Kept = { ours: Reweighting; source: string };
const rows = v.array(v.array(v.number()));
const keptShape = v.strictObject({
  source: v.string(),
  ours: v.strictObject({
    beta: v.number(),
    form: v.picklist(["code", "paper"]),
    batch: v.number(),
    row: v.number(),
    removed: v.number(),
    texts: v.array(
      v.strictObject({
        text: v.string(),
        role: v.picklist(["positive", "false negative", "true negative"]),
        kl: v.number(),
        before: v.number(),
        after: v.number(),
      }),
    ),
    corner: v.strictObject({ logits: rows, weights: rows }),
  }),
});
