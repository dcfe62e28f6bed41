// `emotionclip ablate`: the trainings behind Table 1, Table 3 and Figure 6 on any clips, each with several seeds, and the tables with
// their means and deviations. The same command goes on where it was stopped.
import { join } from "node:path";
import { Command } from "commander";
import { replaceFile } from "../../data/formats/disk.ts";
import { UsageError } from "../../engine/errors.ts";
import { type GpuOptions, openGpu } from "../../engine/index.ts";
import { ablationGrid, type GridSetting, reducedGrid } from "../../eval/paper/grid.ts";
import { ablationOf } from "../../eval/paper/ablation.ts";
import { type Layer, resolveRecipe } from "../../train/recipe.ts";
import { recipePresets } from "../../train/recipes/index.ts";
import { finishedRuns } from "../../train/runs/runs.ts";
import { type CellRun, cellRuns, checkCells, trainCell } from "../ablation.ts";
import { once } from "../clips.ts";
import { trainingFolder, trainingPlace } from "../data-folder.ts";
import { whole } from "../flags.ts";
import type { Context } from "../gpu.ts";
import { ablationPage } from "../pages/ablation-page.ts";
import { ablationText } from "../pages/ablation-text.ts";
import { openProbes } from "../probes.ts";
import { withRecipe } from "../recipe-flags.ts";
import { layersOf } from "../recipe-layers.ts";
import { baseLayers, chosenCells, gridFor, leftOutText } from "../grid-flags.ts";
import { LastingGpu, RESTARTS, restartsOf } from "../restarts.ts";
import { checkRunName } from "../run-name.ts";
import { clock, Progress } from "../terminal/progress.ts";
import { gracefulStop, interruptible, printStopped } from "../terminal/stop.ts";
import { printResult, warn } from "../terminal/streams.ts";
import { familyNamedBy } from "../training-model.ts";
import { draftRecipe } from "../training-plan.ts";

interface Flags extends Record<string, unknown> {
  preset?: string;
  config?: string;
  name: string;
  cells?: string;
  betas: string;
  seeds: string;
  probeData?: string;
  evalBold?: string;
  restarts: string;
  json?: boolean;
}

const cellNames = ablationGrid(reducedGrid).map(({ name }) => name);

export function command({ gpu }: Context): Command {
  const made = new Command()
    .optionsGroup("Grid:")
    .option("--cells <names>", `which of the grid: ${cellNames.join(", ")}; or all (default: the usual ones)`)
    .option("--betas <list>", "beta of Figure 6; that of the full method is --beta", reducedGrid.betas.join(","))
    .option("--seeds <n>", "trainings of each cell, from --seed on", "3")
    .option("--name <name>", "folder under runs/ with a run for every cell and seed", "ablation")
    .option(...RESTARTS)
    .option("--json", "one JSON object instead of text")
    .optionsGroup("Measured:")
    .option("--probe-data <folder>", "labelled shards with splits train and test (default: those of --train-data)")
    .option("--eval-bold <folder>", "BoLD's probes instead; it lies there")
    .optionsGroup("Recipe that the cells differ from:")
    .option("--preset <name>", `what it begins with: ${recipePresets.join(", ")}`)
    .option("--config <file>", "a recipe as .yaml or .json, as train takes it");
  return withRecipe(made)
    .optionsGroup("Options:")
    .action((flags: Flags) => ablate(flags, gpu()));
}

async function ablate(flags: Flags, options: GpuOptions): Promise<void> {
  const { name, json, probeData, evalBold: bold } = flags;
  checkRunName(name);
  const folder = join("runs", name);
  const seeds = whole("seeds", flags.seeds, 1, 100);
  const layers = baseLayers((await layersOf(flags)).layers);
  const { recipe } = resolveRecipe(layers);
  const family = await familyNamedBy(recipe.model);
  if (!family.choices)
    throw new UsageError(
      `ablate: its cells differ in subject, head and beta, and a model of ${family.name} has no such choices; ` +
        "train with other values and seeds, and `emotionclip compare` shows the runs side by side",
    );
  const grid = gridFor(flags.betas, recipe);
  const cells = chosenCells(flags.cells, grid);
  const runs = await cellRuns({ cells, seeds, folder, layers });
  const open = runs.filter(({ isFinished }) => !isFinished);
  warn([
    `${runs.length} trainings in ${folder}: ${cells.length} cells, ${seeds} seeds; ` +
      `${runs.length - open.length} are finished, ${open.length} to train`,
    ...(flags.cells === undefined ? leftOutText(cells, grid) : []),
  ]);
  const data = { clips: recipe.trainData, probeData, bold, most: restartsOf(flags.restarts) };
  const goesOn = open.length === 0 || (await trainAll(open, data, layers, options, () => leaveTables(folder, grid)));
  if (!goesOn) return printStopped("the same command goes on from there");
  const ablation = await leaveTables(folder, grid);
  printResult(json, ablation, (result) => `${ablationText(result)}\nreport: ${join(folder, page)}`);
}

const page = "report.html";

/** The tables of all finished runs in the folder; they lie there as a page and as JSON, also while others are trained. */
async function leaveTables(folder: string, grid: GridSetting) {
  const runs = await finishedRuns(folder, (line) => warn([line]));
  const measured = runs.every(({ own }) => own === undefined) ? "stage" : "own";
  const figures = runs.map(({ folder: path, figures }) => ({ folder: path, figures }));
  const ablation = { ...ablationOf(runs, grid, measured), runs: figures };
  const facts = [["Runs", `${runs.length}, in ${folder}`] as const];
  await replaceFile(join(folder, page), ablationPage(ablation, facts));
  await replaceFile(join(folder, "ablation.json"), `${JSON.stringify(ablation, null, 1)}\n`);
  return ablation;
}

interface Data {
  /** Times that a lost GPU is opened again. */
  readonly most: number;
  readonly clips: string;
  readonly probeData?: string;
  readonly bold?: string;
}

/** Trains the runs in order; false when a stop was requested on the way. */
async function trainAll(
  runs: readonly CellRun[],
  { clips: given, probeData, bold, most }: Data,
  layers: readonly Layer[],
  options: GpuOptions,
  onTrained: () => Promise<unknown>,
): Promise<boolean> {
  await checkCells(runs);
  const progress = new Progress({ phases: phasesOf(trainingPlace(given).missing, runs) });
  const stop = gracefulStop();
  const say = once((line) => progress.say(line));
  const clips = await trainingFolder(given, progress, stop);
  if (clips === undefined) return end(progress, false);
  const { recipe, draft } = await draftRecipe(layers);
  await draft.close();
  const probes = await interruptible(() => openProbes({ clips, probeData, bold }, recipe, draft.takes.frames, say));
  const lasting = new LastingGpu(() => openGpu(options), most, { say: (line) => progress.say(line), stop });
  const began = performance.now();
  try {
    for (const [i, run] of runs.entries()) {
      progress.say(`${i + 1} of ${runs.length}: ${run.folder}`);
      const place = { progress, stop, say, clips, probes };
      if (!(await lasting.use((gpu, restarts) => trainCell(run, { gpu, restarts, ...place })))) return false;
      await onTrained();
    }
    progress.say(`${runs.length} trainings in ${clock((performance.now() - began) / 1000)}`);
    return true;
  } finally {
    progress.end();
    lasting.close();
  }
}

function end<T>(progress: Progress, value: T): T {
  progress.end();
  return value;
}

/** Seconds each phase takes on two cores without a GPU, for the first estimate of the time left. */
const phasesOf = (missing: number, runs: readonly CellRun[]): [string, number][] => [
  ...(missing > 0 ? [["make data", missing * 0.02] as [string, number]] : []),
  ...runs.flatMap(({ recipe }): [string, number][] => [
    ...(recipe.pretrained === null ? [] : [["load weights", 1] as [string, number]]),
    ["train", Math.max(1, recipe.steps) * 0.5 + 12],
  ]),
];
