// `emotionclip start`: the main job, and with --compare the same for three seeds with and without the subject prompt.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { Command } from "commander";
import { UsageError } from "../../engine/errors.ts";
import { type GpuOptions, openGpu } from "../../engine/index.ts";
import type { Row } from "../../eval/probes/probe-table.ts";
import { stageModel } from "../../model/index.ts";
import { openEvaluator } from "../../eval/probes/benchmark-evaluator.ts";
import { openJob, phasesOf, runJob } from "../job.ts";
import { clock, Progress } from "../terminal/progress.ts";
import { checkSettings, readFlag, schema, type Settings } from "../../train/settings.ts";
import { ensureStage, missingClips } from "../stage.ts";
import { gracefulStop } from "../terminal/stop.ts";
import type { Context } from "../gpu.ts";

interface Flags extends Record<string, unknown> {
  name: string;
  data?: string;
  compare?: boolean;
  evalBold?: string;
}

export function command({ gpu }: Context): Command {
  const made = new Command()
    .option("--name <name>", "folder under runs/; an unfinished run there is resumed", "stage")
    .option(
      "--data <folder>",
      "shards to train on, with splits train and test; default: the embedded data set, made once",
    )
    .option("--eval-bold <folder>", "with --eval-every: probe BoLD, which lies there, instead of the held-out clips")
    .option("--compare", "three seeds, with and without the subject prompt");
  for (const [name, { value, about }] of Object.entries(schema))
    made.option(`${flagOf(name)} <value>`, `${about} (default ${value})`);
  return made.action((flags: Flags) => start(flags, gpu()));
}

const flagOf = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

async function start({ name, data, compare, evalBold, ...given }: Flags, options: GpuOptions): Promise<void> {
  const known = Object.keys(schema) as (keyof Settings)[];
  const chosen = known.filter((key) => given[key] !== undefined);
  const settings = checkSettings(Object.fromEntries(chosen.map((key) => [key, readFlag(key, String(given[key]))])));
  if (!/^[\w.-]+$/.test(name) || name.startsWith("."))
    throw new UsageError(`--name: "${name}" is not a plain folder name`);
  const arms = compare ? armsOf(settings) : [settings];
  const missing = data ? 0 : missingClips();
  const bold = evalBold === undefined ? undefined : await openEvaluator("bold", evalBold, stageModel(1).head.frames);
  const stop = gracefulStop();
  const gpu = await openGpu(options);
  const progress = new Progress({ phases: arms.flatMap((_, i) => phasesOf(i === 0 ? missing : 0, settings.steps)) });
  const began = performance.now();
  const clips = data ?? (await ensureStage(progress, stop));
  if (clips === undefined) {
    progress.end();
    process.stdout.write("stopped; the same command goes on making the data set\n");
    return;
  }
  const job = { ...(await openJob(clips)), evaluator: bold };
  process.stdout.write(
    `EmotionCLIP on ${gpu.facts.adapter}\n${job.sets.train.samples} clips to train on, ${job.sets.test.samples} held out\n`,
  );
  const results: { settings: Settings; before: Row[]; after: Row[] }[] = [];
  for (const arm of arms) {
    const folder = join("runs", compare ? `${name}-${arm.subject}-${arm.seed}` : fresh(name));
    const outcome = await runJob(job, arm, folder, gpu, progress, stop);
    if (!outcome) {
      progress.end();
      process.stdout.write(`stopped; the same command goes on from the checkpoint in ${folder}\n`);
      return;
    }
    progress.say(`${folder}  ${arm.subject}  seed ${arm.seed}  ${clock(outcome.seconds)}`);
    if (!compare) printRows(outcome.before, outcome.after, folder);
    results.push({ settings: arm, ...outcome });
  }
  progress.end();
  if (compare) printComparison(results);
  process.stdout.write(`${clock((performance.now() - began) / 1000)} in all\n`);
  gpu.close();
}

/** Three seeds, each with the prompt and without. */
const armsOf = (settings: Settings): Settings[] =>
  [0, 1, 2].flatMap((k) =>
    (["sap", "none"] as const).map((subject) => ({ ...settings, seed: settings.seed + k, subject })),
  );

/** The run's name, or name-2, name-3 … where a finished run has it already. */
function fresh(name: string): string {
  for (let k = 1; ; k++) {
    const tried = k === 1 ? name : `${name}-${k}`;
    if (!existsSync(join("runs", tried, "results.json"))) return tried;
  }
}

const percent = (value: number) => `${(100 * value).toFixed(1)} %`.padStart(8);

function printRows(before: readonly Row[], after: readonly Row[], folder: string): void {
  const lines = before.map(([name, value], i) => `  ${name.padEnd(16)}${percent(value)}   ${percent(after[i][1])}`);
  process.stdout.write(
    `held-out clips         untrained    trained\n${lines.join("\n")}\nreport: ${join(folder, "report.html")}\n`,
  );
}

/** Mean and sample standard deviation. */
function spread(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, deviation: Math.sqrt(variance) };
}

function printComparison(results: readonly { settings: Settings; before: Row[]; after: Row[] }[]): void {
  const of = (subject: string, i: number, when: "before" | "after") =>
    spread(results.filter(({ settings }) => settings.subject === subject).map((result) => result[when][i][1]));
  const cell = ({ mean, deviation }: { mean: number; deviation: number }) =>
    `${(100 * mean).toFixed(1)} ± ${(100 * deviation).toFixed(1)}`.padStart(13);
  const lines = results[0].before.map(([name], i) => {
    const cells = [of("sap", i, "before"), of("none", i, "after"), of("sap", i, "after")];
    return `  ${name.padEnd(16)}${cells.map(cell).join("  ")}`;
  });
  const count = new Set(results.map(({ settings }) => settings.seed)).size;
  process.stdout.write(
    `held-out clips, percent, mean ± standard deviation of ${count} seeds\n  ${"".padEnd(16)}${["untrained", "vanilla", "with prompt"].map((t) => t.padStart(13)).join("  ")}\n${lines.join("\n")}\n`,
  );
  const emotion = results[0].before.findIndex(([name]) => name === "emotion");
  const i = emotion < 0 ? 0 : emotion;
  const [vanilla, prompted] = [of("none", i, "after"), of("sap", i, "after")];
  const gain = prompted.mean - vanilla.mean;
  const noise = Math.max(vanilla.deviation, prompted.deviation);
  process.stdout.write(
    `the prompt ${gain > noise ? "helps" : "does not help"} on the subject's ${emotion < 0 ? "categories" : "emotion"}: ` +
      `${(100 * gain).toFixed(1)} points, spread over seeds ${(100 * noise).toFixed(1)}\n`,
  );
}
