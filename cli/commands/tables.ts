// `emotionclip tables`: the paper's tables with our figures beside the published ones. It reads finished runs, which `emotionclip
// ablate` makes, and evaluations.
import { Command } from "commander";
import * as v from "valibot";
import { replaceFile } from "../../data/formats/disk.ts";
import type { GpuOptions } from "../../engine/index.ts";
import { compare, type Scored } from "../../eval/paper/compare.ts";
import type { Reweighting } from "../../eval/paper/reweighting.ts";
import { real } from "../flags.ts";
import { openPlan } from "../../model/checkpoint/open-model.ts";
import { checkPlace } from "../pages/page.ts";
import { Progress } from "../terminal/progress.ts";
import { reweightBatch } from "../../eval/paper/reweight-batch.ts";
import { finishedRuns, read } from "../../train/runs/runs.ts";
import { setNames } from "../../data/sets/switches.ts";
import { shardFolder } from "../data-folder.ts";
import { gracefulStop, interruptible, printStopped } from "../terminal/stop.ts";
import { tablesPage } from "../pages/tables-page.ts";
import { tablesText } from "../pages/tables-text.ts";
import { printResult, warn } from "../terminal/streams.ts";
import type { Context } from "../gpu.ts";

interface Flags {
  gpu: GpuOptions;
  runs: string;
  results?: string;
  checkpoint?: string;
  data?: string;
  beta: string;
  json?: boolean;
  html?: string;
}

export function command({ gpu }: Context): Command {
  return new Command()
    .option("--runs <folder>", "finished runs, of ablate or the main job, one or two levels below", "runs")
    .option("--results <files>", "results of emotionclip eval --json, a.json,b.json, for Table 4")
    .option("--checkpoint <path>", "show Table 2 for the first batch of the embedded test split through this model")
    .option("--data <folder>", "shards for --checkpoint; default: the embedded data set")
    .option("--beta <b>", "beta of Table 2", "1")
    .option("--json", "one JSON object instead of text")
    .option("--html <file>", "also write a page of its own, without network")
    .action((flags: Flags) => run({ ...flags, gpu: gpu() }));
}

/** Clips in the batch of Table 2. */
const batch = 64;

async function run(flags: Flags): Promise<void> {
  const beta = real("beta", flags.beta, 0, 1e6);
  await checkPlace(flags.html);
  const results = await readResults(flags.results);
  const runs = await finishedRuns(flags.runs, (line) => warn([line]));
  const shown = flags.checkpoint === undefined ? undefined : await reweightingOf(flags.checkpoint, beta, flags);
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

/** Table 2 through a checkpoint. */
async function reweightingOf(
  checkpoint: string,
  beta: number,
  { data, gpu }: Pick<Flags, "data" | "gpu">,
): Promise<{ ours: Reweighting; source: string } | "stopped"> {
  await (await openPlan({ checkpoint })).close(); // a bad file is told before data is made for it
  const progress = new Progress({ phases: [["make data", 60]] });
  const clips = await shardFolder(data, progress, gracefulStop());
  progress.end();
  if (clips === undefined) return "stopped";
  const request = { beta, form: "code", batch, gpu, onTexts: warn } as const;
  const ours = await interruptible(() => reweightBatch(checkpoint, clips, request));
  return { ours, source: checkpoint };
}
