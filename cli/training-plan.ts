import { basename } from "node:path";
import { reportLines, reportTexts } from "../data/tokenizer/report.ts";
import { UsageError } from "../engine/errors.ts";
import { remarksOf } from "../model/checkpoint/remarks.ts";
import { describe } from "../model/families.ts";
import { Init, named } from "../model/params.ts";
import type { LoopOptions } from "../train/loop.ts";
import { choicesFor } from "../train/choices.ts";
import { type OfficialTraining, readOfficialTraining } from "../train/official.ts";
import { officialLayer } from "../train/official-recipe.ts";
import { freshParts } from "../train/fresh.ts";
import { keptLines, keptRecipe } from "./kept-recipe.ts";
import { idleValues } from "../train/idle-values.ts";
import { largestBase, scheduleOf } from "../train/rates.ts";
import { type Layer, type Recipe, type Resolved, resolveRecipe } from "../train/recipe.ts";
import { warmupFaults } from "../train/schedule.ts";
import { once, type Say } from "./clips.ts";
import { trainingPlace } from "./data-folder.ts";
import { facesIn } from "./face-source.ts";
import { openSource, type ClipSource } from "./train-source.ts";
import { type Draft, draftModel, type Tokenized, tokenized } from "./training-model.ts";

/** Everything of a training that needs no GPU. */
export interface PreparedTraining extends Resolved {
  readonly draft: Draft;
  readonly text: Tokenized;
  readonly source: ClipSource;
  /** Where an official checkpoint stands that is gone on with. */
  readonly official?: OfficialTraining;
  /** What was said of data and weights. */
  readonly remarks: readonly string[];
}

/** The layers of a recipe, that of its official checkpoint behind the preset's, and the draft of its model. */
export async function draftRecipe(
  layers: readonly Layer[],
): Promise<Resolved & { draft: Draft; official?: OfficialTraining }> {
  const first = resolveRecipe(layers);
  const draft = await draftModel(first);
  const { resume } = first.recipe;
  try {
    if (resume === null) return { ...keptRecipe(choicesFor(draft.family, first), draft), draft };
    const { file, family, parameters } = draft.weights!;
    const official = await readOfficialTraining(file, family.groups(parameters));
    const [preset, ...others] = layers;
    const continued = resolveRecipe([preset, officialLayer(official, basename(resume)), ...others]);
    return { ...keptRecipe(choicesFor(draft.family, continued), draft), draft, official };
  } catch (error) {
    await draft.close();
    throw error;
  }
}

/** Opens the clips in `folder` and settles the tokenizer, by `tokenize`. What is not as it should be goes to `hear`, each line once. */
export async function prepare(
  drafted: Resolved & { draft: Draft; official?: OfficialTraining },
  folder: string,
  hear: Say,
  tokenize = tokenized,
): Promise<PreparedTraining> {
  const { recipe, draft } = drafted;
  const remarks: string[] = [];
  const say = once((line) => {
    remarks.push(line);
    hear(line);
  });
  for (const line of [...weightLines(draft, recipe), ...keptLines(drafted)]) say(line);
  const source = await openSource(recipe, folder, draft.takes, say);
  if (recipe.batch > source.perEpoch)
    throw new UsageError(`--batch-size: a batch of ${recipe.batch} clips, but there are only ${source.perEpoch}`);
  const text = await tokenize(draft, recipe, source.captions);
  const report = reportTexts(text.tokenizer, source.captions, source.keyOf);
  for (const line of reportLines(report, text.tokenizer, "captions")) say(line);
  const measuresFaces = recipe.valData !== null && facesIn(trainingPlace(recipe.valData).folder) !== undefined;
  const kinds = source.shares.map(({ kind }) => kind);
  for (const line of idleValues(drafted, { kinds, measuresFaces, groups: trainedGroups(draft) }))
    say(`warning: ${line}`);
  for (const warning of source.warnings) say(`warning: ${warning}`);
  const prepared = { ...drafted, text, source, remarks };
  for (const fault of scheduleFaults(prepared)) say(`warning: ${fault}`);
  return prepared;
}

/** What is to be said of the schedule. Errors: UsageError for one that does not fit into the run. */
function scheduleFaults(prepared: PreparedTraining): string[] {
  const { recipe, official } = prepared;
  const { steps, stepsPerEpoch } = extentOf(prepared);
  const schedule = scheduleOf({ ...recipe, steps }, stepsPerEpoch);
  if (!official) return warmupFaults({ steps, warmup: recipe.warmup, lr: largestBase(recipe) }, schedule);
  const { epochIterations } = official.schedule;
  if (epochIterations === stepsPerEpoch) return [];
  return [
    `the checkpoint's epochs had ${epochIterations} iterations, these clips and this batch make ${stepsPerEpoch}: ` +
      "the schedule goes on with the former, the data with the latter",
  ];
}

/** What a file of weights is, and what was not taken from it as it is. */
function weightLines(draft: Draft, recipe: Recipe): string[] {
  const { weights, family } = draft;
  if (!weights) return randomLines(draft);
  const { file, report, parameters } = weights;
  const { subject } = recipe;
  const { config } = describe(file);
  const held = config && family.choices?.of(config).subject;
  const told =
    held !== undefined && held !== subject && !report.fresh.length
      ? [`its subject is ${held}; trained as ${subject}`]
      : [];
  const fresh = [...parameters.keys()].filter(freshParts(family, recipe)).length;
  const anew = fresh > 0 ? [`${fresh} of ${parameters.size} parameters begin at random, as the recipe asks`] : [];
  return [`begins with ${basename(file.path)}: ${report.kind}`, ...remarksOf(report), ...told, ...anew];
}

/** Groups of the parameters that train, in a model that is not made yet. */
const trainedGroups = ({ family, config }: Draft) =>
  family.groups([...named(family.build(config, new Init(0)))].filter(([name]) => family.trains(name)));

/** What stays as it is and is nothing yet. */
function randomLines({ family, config }: Draft): string[] {
  const names = [...named(family.build(config, new Init(0)))].map(([name]) => name);
  const frozen = names.filter((name) => !family.trains(name)).length;
  return frozen === 0
    ? []
    : [
        `warning: ${frozen} of ${names.length} parameters do not train, and without --pretrained they stay as random as they begin`,
      ];
}

/** How long a training is and where it begins. */
export interface RunExtent {
  /** Updates of the model when it ends. */
  readonly steps: number;
  readonly stepsPerEpoch: number;
  readonly begun: NonNullable<LoopOptions["begun"]>;
}

/** Updates and batches of a run: epochs of the data, or steps, whichever is less; behind what a checkpoint has done. */
export function extentOf({ recipe, official, source }: PreparedTraining): RunExtent {
  const stepsPerEpoch = Math.floor(source.perEpoch / recipe.batch);
  const { updates = 0, epoch = 0 } = official ?? {};
  const ends = [
    ...(recipe.epochs > 0 ? [Math.max(0, recipe.epochs - epoch) * stepsPerEpoch] : []),
    ...(recipe.steps > 0 ? [recipe.steps] : []),
  ];
  return { steps: updates + Math.min(...ends), stepsPerEpoch, begun: { updates, batches: epoch * stepsPerEpoch } };
}
