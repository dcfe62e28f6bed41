// Which data chose a checkpoint: what a run says of its best one, and what can be said of a checkpoint in a run's folder.
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { foldsOf, faceSplitsOf } from "../data/faces/layouts.ts";
import { checkpointSteps, stepOf } from "../model/checkpoint/folder.ts";
import type { Recipe } from "../train/recipe.ts";
import { readRunRecord } from "../train/runs/run-state.ts";
import { trainingPlace } from "./data-folder.ts";
import { facesIn } from "./face-source.ts";

/** "UAR on dfew:DFEW, its test split, fold 1"; undefined where no figure chooses. */
export function chosenBy({ best, valData, fold }: Pick<Recipe, "best" | "valData" | "fold">): string | undefined {
  if (best === null || best === undefined) return undefined;
  if (valData === null || valData === undefined) return `${best}, measured during training`;
  if (/^(ema )?bold /.test(best)) return `${best}, probes of BoLD`;
  const faces = facesIn(trainingPlace(valData).folder);
  if (!faces) return `${best} on ${valData}, clips held out`;
  if (faces.set === "own") return `${best} on ${valData}`;
  const folds = foldsOf(faces.set) > 1 ? `, fold ${fold}` : "";
  return `${best} on ${valData}, its ${faceSplitsOf(faces.set).at(-1)} split${folds}`;
}

/** What is known of how a checkpoint was chosen: much of one in a run's folder, nothing of any other file. */
export async function checkpointStory(path: string): Promise<string> {
  const unknown = "by whoever made it; this program does not know which split chose it";
  const place = placeOf(resolve(path));
  if (!place) return unknown;
  const record = await readRunRecord(place.run).catch(() => undefined);
  if (!record) return unknown;
  const by = chosenBy(record.config as unknown as Recipe);
  const step =
    place.step ?? (existsSync(join(place.run, "checkpoint.safetensors")) ? undefined : await newest(place.run));
  const which = step === undefined ? "the last step" : `step ${step}`;
  if (by === undefined) return `${which} of ${basename(place.run)}: no measurement chose it`;
  const best = record.state.best?.step;
  const isBest = best !== undefined && best === (step ?? record.state.step);
  return isBest
    ? `${which} of ${basename(place.run)}, chosen by ${by}`
    : `${which} of ${basename(place.run)}, not the best one by ${by}${best === undefined ? "" : `, which is of step ${best}`}`;
}

/** The run that a checkpoint belongs to, and of which step it is; of the model at its end there is no step. */
function placeOf(path: string): { run: string; step?: number } | undefined {
  const isRun = (folder: string) =>
    existsSync(join(folder, "config.json")) && existsSync(join(folder, "metrics.jsonl"));
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  if (isFolder && isRun(path)) return { run: path };
  const folder = isFolder ? path : dirname(path);
  if (isRun(folder)) return basename(path) === "checkpoint.safetensors" ? { run: folder } : undefined;
  const step = stepOf(basename(folder));
  return step !== undefined && isRun(dirname(folder)) ? { run: dirname(folder), step } : undefined;
}

const newest = async (run: string): Promise<number | undefined> => (await checkpointSteps(run))[0];
