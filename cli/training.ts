// A recipe in training: clips, model and tokenizer found and checked without a GPU, then trained in a run folder that any stop or kill
// leaves to be gone on with.
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { performance } from "node:perf_hooks";
import type { BadSample } from "../data/bad-samples.ts";
import { replaceFile } from "../data/formats/disk.ts";
import type { Meter, StopRequest } from "../data/threads/long-work.ts";
import { reportLines, reportTexts } from "../data/tokenizer/report.ts";
import { wordsFile } from "../data/tokenizer/words.ts";
import { LimitError, UsageError } from "../engine/errors.ts";
import { type Gpu, GpuError } from "../engine/index.ts";
import { checkpointSteps } from "../model/checkpoint/folder.ts";
import { readParameters } from "../model/checkpoint/load.ts";
import { remarksOf } from "../model/checkpoint/remarks.ts";
import { describe, metadataOf } from "../model/families.ts";
import { named } from "../model/params.ts";
import { type LoopOptions, trainLoop } from "../train/loop.ts";
import { type OfficialTraining, readOfficialTraining, resumeOfficial } from "../train/official.ts";
import { continuedSchedule, officialLayer } from "../train/official-recipe.ts";
import { basesOf, ratesBy } from "../train/rates.ts";
import { type Layer, type Recipe, type Resolved, resolveRecipe } from "../train/recipe.ts";
import { faultsIn } from "../train/runs/faults.ts";
import { RunFolder } from "../train/runs/run-folder.ts";
import { warmupFaults } from "../train/schedule.ts";
import { fittingMicro, refusalOf } from "../train/step-plan.ts";
import { Trainer } from "../train/trainer.ts";
import { once, type Say } from "./clips.ts";
import type { Measurement } from "./measurement.ts";
import { type OpenBatches, openSource, type ClipSource } from "./train-source.ts";
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
  if (resume === null) return { ...first, draft };
  try {
    const { file, family, parameters } = draft.weights!;
    const official = await readOfficialTraining(file, family.groups(parameters));
    const [preset, ...others] = layers;
    return { ...resolveRecipe([preset, officialLayer(official, basename(resume)), ...others]), draft, official };
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
  const { head, vision } = draft.config;
  for (const line of weightLines(draft, recipe)) say(line);
  const source = await openSource(recipe, folder, { frames: head.frames, side: vision.image }, say);
  if (recipe.batch > source.samples)
    throw new UsageError(`--batch-size: a batch of ${recipe.batch} clips, but there are only ${source.samples}`);
  const text = await tokenize(draft, recipe, source.captions);
  const report = reportTexts(text.tokenizer, source.captions, source.keyOf);
  for (const line of reportLines(report, text.tokenizer, "captions")) say(line);
  for (const warning of source.warnings) say(`warning: ${warning}`);
  return { ...drafted, text, source, remarks };
}

/** What a file of weights is, and what was not taken from it as it is. */
function weightLines({ weights }: Draft, { subject }: Recipe): string[] {
  if (!weights) return [];
  const { file, report } = weights;
  const held = describe(file).config?.subject;
  const told =
    held !== undefined && held !== subject && !report.fresh.length
      ? [`its subject is ${held}; trained as ${subject}`]
      : [];
  return [`begins with ${basename(file.path)}: ${report.kind}`, ...remarksOf(report), ...told];
}

/** What a training is run with. */
export interface TrainingPlace {
  readonly gpu: Gpu;
  readonly progress: Meter;
  readonly stop: StopRequest;
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
  const stepsPerEpoch = Math.floor(source.samples / recipe.batch);
  const { updates = 0, epoch = 0 } = official ?? {};
  const ends = [
    ...(recipe.epochs > 0 ? [Math.max(0, recipe.epochs - epoch) * stepsPerEpoch] : []),
    ...(recipe.steps > 0 ? [recipe.steps] : []),
  ];
  return { steps: updates + Math.min(...ends), stepsPerEpoch, begun: { updates, batches: epoch * stepsPerEpoch } };
}

/** What a finished training comes to; results.json holds the same. */
export interface TrainingOutcome {
  readonly steps: number;
  readonly seconds: number;
  readonly parameters: number;
  readonly frozen: number;
}

/** Trains, or goes on with, a run; undefined when a stop was requested on the way. results.json, which says that it is done, comes last. */
export async function runTraining(
  prepared: PreparedTraining,
  { folder, override, measurement }: { folder: string; override: readonly string[]; measurement?: Measurement },
  { gpu, progress, stop }: TrainingPlace,
): Promise<TrainingOutcome | undefined> {
  const { recipe, source, text, draft } = prepared;
  const began = performance.now();
  const bad: BadSample[] = [];
  const onBad = (found: BadSample) => {
    bad.push(found);
    progress.say(`bad sample: ${found.reason}\n  training shows another in its place`);
  };
  const extent = extentOf(prepared);
  const settings = { ...recipe, steps: extent.steps };
  checkFits(prepared, settings, gpu);
  const recorded = { ...recipe, model: text.config, data: source.folder };
  const run = await RunFolder.open(folder, recorded, {
    override,
    keep: recipe.keep,
    notice: (line) => progress.say(line),
  });
  let loader: OpenBatches | undefined;
  let trainer: Trainer | undefined;
  try {
    loader = source.open(recipe, { maxBad: recipe.maxBad, onBad });
    for (const warning of scheduleFaults(prepared, settings, extent)) progress.say(`warning: ${warning}`);
    trainer = new Trainer(text.config, text.tokenizer, settings, draft.family);
    await run.checkSpace(trainer.checkpointBytes);
    if ((await checkpointSteps(folder)).length === 0) await begin(prepared, trainer, progress);
    if (text.words) await replaceFile(join(folder, wordsFile), JSON.stringify(text.words));
    const options = {
      trainer,
      loader,
      run,
      gpu,
      progress,
      stop,
      rates: ratesOf(prepared, trainer),
      begun: extent.begun,
    };
    const say: Say = (line) => progress.say(line);
    const at = trainer;
    const evaluate = measurement && (() => measurement(at, stop, say));
    const done = await trainLoop({ ...options, evaluate });
    if (done.steps < extent.steps) return undefined;
    const metadata = metadataOf({ family: draft.family, config: text.config });
    await run.finish(trainer.modelEntries(), { ...metadata, ...(text.words && { words: JSON.stringify(text.words) }) });
    const outcome = {
      steps: done.steps,
      seconds: (performance.now() - began) / 1000,
      parameters: trainer.parameters,
      frozen: trainer.frozenBytes / 4,
    };
    const results = {
      before: [],
      after: [],
      seconds: outcome.seconds,
      data: { set: null, name: basename(source.folder), train: source.samples, test: 0, categories: 0 },
      recipe,
      from: prepared.from,
      clips: { found: source.found, trained: source.samples, bad: bad.map(({ reason }) => reason) },
      training: await faultsIn(join(folder, "metrics.jsonl")),
      skipped: { count: done.skipped.length, steps: done.skipped },
      warnings: prepared.remarks,
      ...(done.moves.length > 0 && { moves: done.moves }),
    };
    await replaceFile(join(folder, "results.json"), `${JSON.stringify(results, null, 1)}\n`);
    return outcome;
  } catch (error) {
    if (!(error instanceof GpuError)) throw error;
    throw new GpuError(`${error.message}\n  the same command goes on with ${folder}, from its last checkpoint`);
  } finally {
    await loader?.close();
    await run.close();
    trainer?.free();
  }
}

/** Refuses a step that the device has no memory for, before anything is allocated. */
function checkFits({ text, draft }: PreparedTraining, settings: Recipe, gpu: Gpu): void {
  const { budget, maxBinding } = gpu.store;
  const limits = { budget, maxBinding };
  const refusal = refusalOf(text.config, settings, gpu.facts, limits, draft.family);
  if (refusal === undefined) return;
  const micro = fittingMicro(text.config, settings, gpu.facts, limits, draft.family);
  const help = micro ? `\n  ${settings.batch} clips would fit, ${micro} encoded at a time: --micro ${micro}` : "";
  throw new LimitError(`a step of ${settings.batch} clips does not fit: ${refusal}${help}`);
}

/** What the model begins with where there is no checkpoint yet: a file's parameters and moments, or seeded values. */
async function begin({ draft, official }: PreparedTraining, trainer: Trainer, progress: Meter): Promise<void> {
  const { weights } = draft;
  if (!weights) return;
  progress.start("load weights", 100);
  if (official) await resumeOfficial(trainer, weights.file);
  else
    await readParameters(weights, new Map(named(trainer.model)), (done, of) =>
      progress.at(Math.floor((100 * done) / of)),
    );
}

/** Rates of an update by the number of those before it. */
function ratesOf({ recipe, from, official }: PreparedTraining, trainer: Trainer): LoopOptions["rates"] {
  if (!official) return undefined;
  const schedule = continuedSchedule(official.schedule, recipe, from, basename(recipe.resume!));
  const rates = ratesBy(basesOf(trainer.groups, recipe), schedule);
  return (update) => rates(update - official.updates + official.iterations);
}

function scheduleFaults(
  { recipe, official }: PreparedTraining,
  settings: Recipe,
  { stepsPerEpoch }: RunExtent,
): string[] {
  if (official && official.schedule.epochIterations !== stepsPerEpoch)
    return [
      `the checkpoint's epochs had ${official.schedule.epochIterations} iterations, these clips and this batch make ${stepsPerEpoch}: ` +
        "the schedule goes on with the former, the data with the latter",
    ];
  return recipe.schedule === "steps-cosine" ? warmupFaults(settings) : [];
}

/** The run's name, or name-2, name-3 … where a finished run has it already. */
export function freshName(name: string): string {
  for (let k = 1; ; k++) {
    const tried = k === 1 ? name : `${name}-${k}`;
    if (!existsSync(join("runs", tried, "results.json"))) return tried;
  }
}
