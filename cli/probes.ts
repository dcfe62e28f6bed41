// What an ablation measures of every trained model: linear probes between labelled shards, as the main job's, or BoLD's protocol.
// Opened before training, so that data without any figure is refused then.
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { indexName } from "../data/shards/index-file.ts";
import { isEmbedded } from "../data/stage/on-disk.ts";
import { FormatError, UsageError } from "../engine/errors.ts";
import { openEvaluator } from "../eval/probes/benchmark-evaluator.ts";
import { evaluate } from "../eval/probes/evaluate.ts";
import { listed } from "../eval/probes/not-defined.ts";
import type { Recipe } from "../train/recipe.ts";
import type { RunData } from "../train/runs/runs.ts";
import { openClips, type Say } from "./clips.ts";
import { leftOut, type Measurement } from "./measure.ts";

/** A measurement, and what it is on as results.json tells it. */
export interface Probes {
  readonly measure: Measurement;
  readonly about: RunData;
}

/** Where labels are: shards with splits train and test, or the folder of BoLD. */
export interface ProbeData {
  /** The clips that are trained on. */
  readonly clips: string;
  /** Labelled shards, where those are others. */
  readonly probeData?: string;
  readonly bold?: string;
}

const ways = "  --probe-data names labelled shards with the splits train and test, --eval-bold the folder of BoLD";

/** Errors: UsageError where nothing labelled is found, and what the readers refuse. */
export async function openProbes(data: ProbeData, recipe: Recipe, frames: number, say: Say): Promise<Probes> {
  const { clips, probeData, bold } = data;
  if (bold === undefined) return ofShards(probeData ?? clips, recipe, frames, say);
  if (probeData !== undefined) throw new UsageError("--probe-data and --eval-bold: one of them is measured");
  const evaluator = await openEvaluator("bold", bold, frames, say);
  const about = { set: null, name: `${basename(resolve(clips))}, measured on BoLD`, train: 0, test: 0, categories: 26 };
  const measure: Measurement = (trainer, stop, tell) =>
    evaluator(trainer.model, { maxBad: recipe.maxBad, onBad: leftOut(tell) }, stop);
  return { measure, about };
}

async function ofShards(folder: string, recipe: Recipe, frames: number, say: Say): Promise<Probes> {
  const missing = ["train", "test"].filter((split) => !existsSync(join(folder, indexName(split))));
  if (missing.length > 0)
    throw new UsageError(`${folder}: nothing to measure: it has no ${missing.map(indexName).join(", no ")}\n${ways}`);
  const { set: train } = await openClips(folder, "train", frames, recipe, say);
  const { set: test } = await openClips(folder, "test", frames, recipe, say);
  const [own, theirs] = [train.categories, test.categories];
  if (own.length === 0 || theirs.length === 0)
    throw new UsageError(`${folder}: none of the tables' figures can be computed: its clips have no labels\n${ways}`);
  if (own.join() !== theirs.join())
    throw new FormatError(
      `${folder}: the split train has the categories ${listed(own)}, but test has ${listed(theirs)}; both need the same, in one order`,
    );
  const measure: Measurement = (trainer, stop, tell) =>
    evaluate(trainer, { train, test }, { stop, onBad: (_, bad) => leftOut(tell)(bad) });
  const set = isEmbedded(train) && isEmbedded(test) ? "stage" : null;
  const name = basename(resolve(folder));
  return { measure, about: { set, name, train: train.samples, test: test.samples, categories: own.length } };
}
