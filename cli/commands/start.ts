// `emotionclip start`: the main job, and with --compare the same for three seeds with and without the subject prompt.
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { Command } from "commander";
import { type Gpu, type GpuOptions, openGpu } from "../../engine/index.ts";
import { stageModel } from "../../model/index.ts";
import { openEvaluator } from "../../eval/probes/benchmark-evaluator.ts";
import { precisionOn } from "../half.ts";
import { leftToDevice } from "../memory.ts";
import { checkRunName, freshName, overridesOf } from "../run-name.ts";
import { settingNamed, settingsOf, withSettings } from "../settings.ts";
import { captionLines, checkJob, type Job, openJob, phasesOf, type Run, runJob } from "../job.ts";
import { LastingGpu, RESTARTS, restartsOf } from "../restarts.ts";
import { reportRun } from "../pages/run-report.ts";
import { type ComparedRun, comparisonText, rowsText } from "../pages/run-text.ts";
import { clock, Progress } from "../terminal/progress.ts";
import type { Settings } from "../../train/settings.ts";
import { clipsToMake, shardFolder } from "../data-folder.ts";
import { gracefulStop, interruptible, printStopped } from "../terminal/stop.ts";
import { print, warn } from "../terminal/streams.ts";
import type { Context } from "../gpu.ts";

interface Flags extends Record<string, unknown> {
  name: string;
  data?: string;
  compare?: boolean;
  evalBold?: string;
  override?: string;
  restarts: string;
}

export function command({ gpu }: Context): Command {
  const made = new Command()
    .option("--name <name>", "folder under runs/; an unfinished run there is resumed", "stage")
    .option(
      "--data <folder>",
      "shards to train on, with splits train and test; default: the embedded data set, made once",
    )
    .option("--eval-bold <folder>", "with --eval-every: probe BoLD, which lies there, instead of the held-out clips")
    .option(
      "--override <names>",
      "settings, such as lr,steps, that may differ from those the run in that folder began with",
    )
    .option(...RESTARTS)
    .option("--compare", "three seeds, with and without the subject prompt");
  return withSettings(made).action((flags: Flags) => start(flags, gpu()));
}

async function start(
  { name, data, compare, evalBold, override, restarts, ...given }: Flags,
  options: GpuOptions,
): Promise<void> {
  const settings = settingsOf(given);
  const overrides = overridesOf(override, settingNamed);
  checkRunName(name);
  const most = restartsOf(restarts);
  const arms = compare ? armsOf(settings) : [settings];
  const missing = clipsToMake(data);
  const evaluator =
    evalBold === undefined
      ? undefined
      : await openEvaluator(
          "bold",
          evalBold,
          stageModel(1).head.frames,
          (line) => void process.stderr.write(`${line}\n`),
        );
  const stop = gracefulStop();
  const progress = new Progress({ phases: arms.flatMap((_, i) => phasesOf(i === 0 ? missing : 0, settings.steps)) });
  const began = performance.now();
  const clips = await shardFolder(data, progress, stop);
  if (clips === undefined) {
    progress.end();
    return printStopped("the same command goes on making the data set");
  }
  const opened = await interruptible(() => openJob(clips, settings, (line) => progress.say(line)));
  const job = { ...opened, evaluator };
  const lasting = new LastingGpu(() => openGpu(options), most, { say: (line) => progress.say(line), stop });
  const only = compare ? undefined : await freshName(name);
  const runs = arms.map((arm) => runOf(job, arm, only ?? `${name}-${arm.subject}-${arm.seed}`, overrides));
  const [first] = runs;
  await checkJob({ ...first, override: [...overrides, ...leftToDevice(first.settings)] });
  warn(captionLines(job));
  const results: ComparedRun[] = [];
  for (const run of runs) {
    const { settings: arm, folder } = run;
    const outcome = await lasting.use(async (gpu, restarts) => {
      if (run === first && restarts.length === 0) printSets(gpu, job);
      const precision = await precisionOn(gpu, arm.precision, (line) => progress.say(line));
      const own = { ...run, settings: { ...arm, precision } };
      return runJob(own, { gpu, progress, stop, restarts }, (trained) => reportRun(own, trained, gpu.facts.adapter));
    });
    if (!outcome) {
      progress.end();
      return printStopped(`the same command goes on from the checkpoint in ${folder}`);
    }
    progress.say(`${folder}  ${arm.subject}  seed ${arm.seed}  ${clock(outcome.seconds)}`);
    if (!compare) print(rowsText(outcome, join(folder, "report.html")));
    results.push({ settings: arm, ...outcome });
  }
  progress.end();
  if (compare) print(comparisonText(results));
  print(`${clock((performance.now() - began) / 1000)} in all`);
  lasting.close();
}

const runOf = (job: Job, settings: Settings, name: string, override: readonly string[]): Run => ({
  job,
  settings,
  folder: join("runs", name),
  override,
});

function printSets({ facts }: Gpu, { sets: { train, test } }: Job): void {
  print(`EmotionCLIP on ${facts.adapter}\n${train.samples} clips to train on, ${test.samples} held out`);
}

/** Three seeds, each with the prompt and without. */
const armsOf = (settings: Settings): Settings[] =>
  [0, 1, 2].flatMap((k) =>
    (["sap", "none"] as const).map((subject) => ({ ...settings, seed: settings.seed + k, subject })),
  );
