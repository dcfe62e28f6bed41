// What `train` measures on its way: retrieval among held-out clips, or BoLD's probes. Opened before training, so that data that
// cannot be read is refused then.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { indexName } from "../data/shards/index-file.ts";
import { openShards } from "../data/shards/shards.ts";
import { UsageError } from "../engine/errors.ts";
import { openEvaluator } from "../eval/probes/benchmark-evaluator.ts";
import { retrieval } from "../eval/probes/evaluate.ts";
import type { NotedRow } from "../eval/probes/probe-table.ts";
import type { Takes } from "../model/family.ts";
import type { Recipe } from "../train/recipe.ts";
import type { Say } from "./clips.ts";
import { trainingPlace } from "./data-folder.ts";
import { type FaceMeasure, faceMeasurement } from "./face-measurement.ts";
import { facesIn } from "./face-source.ts";
import { leftOut, type Measurement } from "./measure.ts";

/** What a recipe asks for; undefined where it asks for nothing. */
export async function openMeasurement(
  recipe: Pick<Recipe, "valData" | "evalEvery" | "maxBad"> & FaceMeasure,
  bold: string | undefined,
  takes: Takes,
  say: Say,
): Promise<Measurement | undefined> {
  if (bold !== undefined && recipe.evalEvery === 0) throw new UsageError("--eval-bold goes with --eval-every");
  if (recipe.evalEvery === 0) return undefined;
  const found: Measurement[] = [];
  if (recipe.valData !== null) {
    const { folder } = trainingPlace(recipe.valData);
    const faces = facesIn(folder);
    found.push(await (faces ? faceMeasurement(faces, recipe, takes, say) : ofShards(folder, say)));
  }
  if (bold !== undefined) {
    const evaluator = await openEvaluator("bold", bold, takes.frames, say);
    const rule = (tell: Say) => ({ maxBad: recipe.maxBad, onBad: leftOut(tell) });
    found.push((trainer, stop, tell) => evaluator(trainer.model, rule(tell), stop));
  }
  if (found.length === 0)
    throw new UsageError(
      "--eval-every: nothing to measure; --val-data names shards or faces, --eval-bold the folder of BoLD",
    );
  return async (...place) => {
    const rows: NotedRow[] = [];
    for (const measure of found) {
      const some = await measure(...place);
      if (!some) return undefined;
      rows.push(...some);
    }
    return rows;
  };
}

/** The same, and behind it that of the average of the weights, as "ema R@1 video-text", where the trainer has one. */
export const withAverage =
  (measure: Measurement): Measurement =>
  async (...place) => {
    const [{ average }] = place;
    const own = await measure(...place);
    if (!own || !average) return own;
    const averaged = await average.inPlace(() => measure(...place));
    return averaged && [...own, ...averaged.map(([name, ...rest]): NotedRow => [`ema ${name}`, ...rest])];
  };

async function ofShards(folder: string, say: Say): Promise<Measurement> {
  const split = ["val", "test"].find((each) => existsSync(join(folder, indexName(each))));
  if (!split) throw new UsageError(`--val-data: ${folder} has neither ${indexName("val")} nor ${indexName("test")}`);
  const set = await openShards(folder, split, { say });
  return (trainer, stop, tell) => retrieval(trainer, set, { stop, onBad: leftOut(tell) });
}
