// The runs of an ablation: every cell of the grid with every seed, each a run folder as `train` makes it. Finished ones stay as they
// are, an unfinished one goes on, and a folder of another recipe is refused before anything is trained.
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import type { Meter, StopRequest } from "../data/threads/long-work.ts";
import { EngineError, UsageError } from "../engine/errors.ts";
import type { Gpu } from "../engine/index.ts";
import { type Cell, differences } from "../eval/paper/grid.ts";
import type { Restart } from "../train/loop.ts";
import { type Layer, type Recipe, type RecipeName, recipeNames, resolveRecipe } from "../train/recipe.ts";
import { read } from "../train/runs/runs.ts";
import type { Say } from "./clips.ts";
import { leftToDevice, onDevice } from "./memory.ts";
import type { Probes } from "./probes.ts";
import { interruptible } from "./terminal/stop.ts";
import { runTraining } from "./training.ts";
import { draftRecipe, prepare } from "./training-plan.ts";

/** One training of an ablation. */
export interface CellRun {
  readonly cell: Cell;
  readonly seed: number;
  readonly folder: string;
  readonly layers: readonly Layer[];
  readonly recipe: Recipe;
  readonly isFinished: boolean;
}

/** What the runs of an ablation have in common. */
export interface AblationPlan {
  readonly cells: readonly Cell[];
  readonly seeds: number;
  readonly folder: string;
  /** The recipe that the cells differ from. */
  readonly layers: readonly Layer[];
}

/** The cell whose trained model stands for pretrained weights where nobody gives any. */
export const pretraining = "vanilla";

/** All runs, the whole first seed before the second. Errors: UsageError for folders of another recipe, FormatError for damaged ones. */
export async function cellRuns({ cells, seeds, folder, layers }: AblationPlan): Promise<CellRun[]> {
  const { recipe: base } = resolveRecipe(layers);
  const runs: CellRun[] = [];
  for (let seed = base.seed; seed < base.seed + seeds; seed++)
    for (const cell of cells) {
      const own = [...layers, layerOf(cell, seed, base, folder)];
      const { recipe } = resolveRecipe(own);
      const path = cellFolder(folder, cell.name, seed);
      runs.push({ cell, seed, folder: path, layers: own, recipe, isFinished: await isFinished(path, recipe) });
    }
  return runs;
}

const cellFolder = (folder: string, name: string, seed: number) => join(folder, `${name}-${seed}`);

/** A cell as the last layer of its recipe. */
function layerOf(cell: Cell, seed: number, base: Recipe, folder: string): Layer {
  const takesWeights = base.pretrained !== null || cell.text !== "random" || cell.frames !== "random";
  const weights = base.pretrained ?? cellFolder(folder, pretraining, seed);
  const values = { seed, ...differences(cell, takesWeights ? weights : undefined) };
  return { values, from: () => `cell ${cell.name}` };
}

/** Values that change no figure. */
const free: readonly RecipeName[] = [
  "workers",
  "checkpointEvery",
  "keep",
  "micro",
  "evalEvery",
  "best",
  "cacheFeatures",
];

const resultsShape = v.looseObject({ recipe: v.record(v.string(), v.unknown()) });
const configShape = v.record(v.string(), v.unknown());

/** Whether a folder has a finished run of this recipe; an unfinished one, or none, is to be trained. */
async function isFinished(folder: string, recipe: Recipe): Promise<boolean> {
  if (existsSync(join(folder, "results.json"))) {
    const found = await read(join(folder, "results.json"), resultsShape, `${folder}: results.json`);
    agree(folder, found.recipe, recipe);
    return true;
  }
  if (!existsSync(join(folder, "config.json"))) return false;
  const { model: _, ...found } = await read(join(folder, "config.json"), configShape, `${folder}: config.json`);
  agree(folder, found, recipe);
  return false;
}

function agree(folder: string, found: Readonly<Record<string, unknown>>, recipe: Recipe): void {
  const open: readonly RecipeName[] = [...free, ...leftToDevice(recipe)];
  const changed = recipeNames.filter(
    (name) => !open.includes(name) && found[name] !== undefined && found[name] !== recipe[name],
  );
  if (changed.length === 0) return;
  const told = changed.map((name) => `${name} ${JSON.stringify(found[name])} -> ${JSON.stringify(recipe[name])}`);
  throw new UsageError(
    `${folder}: its run is of another recipe: ${told.join(", ")}; give the ablation another --name, or remove that folder`,
  );
}

/** Refuses a recipe whose model cannot be, before others are trained; the weights of pretrained cells may not be there yet. */
export async function checkCells(runs: readonly CellRun[]): Promise<void> {
  const first = runs.filter(({ seed, recipe }) => seed === runs[0].seed && recipe.pretrained === null);
  for (const { cell, layers } of first)
    try {
      await (await draftRecipe(layers)).draft.close();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      throw new UsageError(`cell ${cell.name}: ${error.message}\n  --cells names the others`);
    }
}

/** What the runs work with. */
export interface AblationPlace {
  readonly gpu: Gpu;
  /** GPUs that were lost on the way of this run. */
  readonly restarts: readonly Restart[];
  readonly progress: Meter;
  readonly stop: StopRequest;
  readonly say: Say;
  /** Where the clips lie. */
  readonly clips: string;
  readonly probes: Probes;
}

/** Trains one; false when a stop was requested on the way. */
export async function trainCell(run: CellRun, place: AblationPlace): Promise<boolean> {
  const { gpu, restarts, progress, stop, clips, probes, say } = place;
  const drafted = await draftRecipe(run.layers);
  try {
    if (stop.requested !== undefined) return false;
    const before = await interruptible(() => prepare(drafted, clips, say));
    const { prepared, choice } = await onDevice(gpu, before, say);
    if (choice) say(choice.why);
    const { measure, about } = probes;
    const training = { folder: run.folder, override: [], measurement: measure, measured: about };
    return (await runTraining(prepared, training, { gpu, progress, stop, restarts })) !== undefined;
  } finally {
    await drafted.draft.close();
  }
}
