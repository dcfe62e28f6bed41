// A recipe in training, in a run folder that any stop or kill leaves to be gone on with.
import { basename, join } from "node:path";
import { performance } from "node:perf_hooks";
import type { BadSample } from "../data/bad-samples.ts";
import { replaceFile } from "../data/formats/disk.ts";
import type { Meter, StopRequest } from "../data/threads/long-work.ts";
import { wordsFile } from "../data/tokenizer/words.ts";
import { LimitError } from "../engine/errors.ts";
import type { Gpu } from "../engine/index.ts";
import type { NotedRow } from "../eval/probes/probe-table.ts";
import { checkpointSteps } from "../model/checkpoint/folder.ts";
import { readParameters } from "../model/checkpoint/load.ts";
import { metadataOf } from "../model/families.ts";
import type { LoadPlan } from "../model/checkpoint/plan.ts";
import { named } from "../model/params.ts";
import { freshParts } from "../train/fresh.ts";
import { commitOf, type Done, type LoopOptions, type Restart, trainLoop } from "../train/loop.ts";
import { resumeOfficial } from "../train/official.ts";
import { continuedSchedule } from "../train/official-recipe.ts";
import { basesOf, ratesBy } from "../train/rates.ts";
import type { Recipe } from "../train/recipe.ts";
import { faultsIn } from "../train/runs/faults.ts";
import type { RunData } from "../train/runs/runs.ts";
import { Company } from "../train/company.ts";
import { partedBy, type Peers, ownSpan } from "../train/peers.ts";
import { RunFolder } from "../train/runs/run-folder.ts";
import { type RunPlace, spectator } from "../train/runs/spectator.ts";
import { checkpointBytes, fittingMicro, refusalOf } from "../train/step-plan.ts";
import { KeptTowers } from "../train/kept-towers.ts";
import { Trainer } from "../train/trainer.ts";
import { chosenBy } from "./chosen-by.ts";
import type { Measurement } from "./measure.ts";
import { withAverage } from "./measurement.ts";
import { TrainReport } from "./pages/train-report.ts";
import { openBatches } from "./kept-recipe.ts";
import { goneOnWith } from "./restarts.ts";
import type { Draft } from "./training-model.ts";
import { extentOf, type PreparedTraining } from "./training-plan.ts";
import type { OpenBatches } from "./train-source.ts";

/** What a training is run with. */
export interface TrainingPlace {
  readonly gpu: Gpu;
  readonly progress: Meter;
  readonly stop: StopRequest;
  /** GPUs that were lost before this one. */
  readonly restarts?: readonly Restart[];
  /** Of a matrix product, where it was measured. */
  readonly matmulRate?: number;
  /** The other ranks of this job, where there are any. */
  readonly peers?: Peers;
}

/** Which run it is, and what belongs to it besides its recipe. */
export interface TrainingRun {
  readonly folder: string;
  readonly override: readonly string[];
  readonly measurement?: Measurement;
  /** What that measures on. */
  readonly measured?: RunData;
  readonly tensorboard?: boolean;
  readonly debugNan?: boolean;
}

/** The trained model, and the same with the average of its weights. */
const modelFile = "checkpoint.safetensors";
const averageFile = "checkpoint-ema.safetensors";

/** What a finished training comes to; results.json holds the same. */
export interface TrainingOutcome {
  readonly steps: number;
  /** Steps that changed nothing, for their numbers were not finite. */
  readonly skipped: { readonly count: number; readonly steps: readonly number[] };
  readonly seconds: number;
  readonly parameters: number;
  readonly frozen: number;
  /** What is measured of the model at the end. */
  readonly after: readonly NotedRow[];
  /** The checkpoint with the highest of the figures that the recipe names. */
  readonly best: Done["best"];
  /** Names of the models in the run's folder: as trained, and where there is one the average of its weights. */
  readonly files: readonly string[];
}

/** Trains, or goes on with, a run; undefined when a stop was requested on the way. results.json, which says that it is done, comes last. */
export async function runTraining(
  prepared: PreparedTraining,
  { folder, override, measurement, measured, tensorboard, debugNan }: TrainingRun,
  { gpu, progress, stop: asked, restarts, matmulRate, peers }: TrainingPlace,
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
  checkFits(prepared, partedBy(peers, settings), gpu);
  const rule = { maxBad: recipe.maxBad, onBad };
  const company = peers && new Company(peers, asked, source.samples, rule);
  const stop = company?.stop ?? asked;
  const isFirst = peers === undefined || peers.rank === 0; // the others write nothing
  const run: RunPlace = isFirst
    ? await RunFolder.open(folder, recordedOf(prepared), {
        override,
        keep: recipe.keep,
        tensorboard,
        notice: (line) => progress.say(line),
      })
    : spectator;
  let loader: OpenBatches | undefined;
  let trainer: Trainer | undefined;
  let kept: KeptTowers | undefined;
  let report: TrainReport | undefined;
  let state = "ended by an error";
  try {
    trainer = new Trainer(text.config, text.tokenizer, settings, draft.family, company);
    kept = recipe.cacheFeatures ? new KeptTowers(trainer, source, recipe) : undefined;
    const part = peers && ownSpan(recipe.batch, peers);
    loader = openBatches(source, recipe, company?.rule ?? rule, kept, part);
    await run.checkSpace(trainer.checkpointBytes);
    if (isFirst && (await checkpointSteps(folder)).length === 0) await begin(prepared, trainer, progress);
    if (isFirst && text.words) await replaceFile(join(folder, wordsFile), JSON.stringify(text.words));
    const measure = measurement && measuring(withAverage(measurement), trainer, { progress, asked, company });
    const rates = ratesOf(prepared, trainer);
    report = isFirst
      ? reportOf(prepared, trainer, folder, extent.steps, { gpu, bad, say: (line) => progress.say(line) })
      : undefined;
    const logged = report?.logged.bind(report);
    const ready = kept?.fill.bind(kept, progress, stop);
    const place = { ready, logged, gpu, progress, stop, restarts, matmulRate, rates, begun: extent.begun, debugNan };
    const done = await trainLoop({ trainer, loader, run, ...place, evaluate: measure, evaluatesEnd: true });
    state = `stopped after step ${done.steps} of ${extent.steps}`;
    if (done.steps < extent.steps) return undefined;
    const after = done.figures.length > 0 ? done.figures : measure ? await measure() : [];
    if (!after) return undefined;
    const metadata = metadataOf({ family: draft.family, config: text.config });
    const told = { ...metadata, ...(text.words && { words: JSON.stringify(text.words) }) };
    await run.finish(trainer.modelEntries(), told, modelFile);
    if (trainer.average) await run.finish(trainer.averageEntries(), told, averageFile);
    const outcome = {
      steps: done.steps,
      skipped: { count: done.skipped.length, steps: done.skipped },
      seconds: (performance.now() - began) / 1000,
      parameters: trainer.parameters,
      frozen: trainer.frozen,
      after,
      best: done.best,
      files: [modelFile, ...(trainer.average ? [averageFile] : [])],
    };
    if (!isFirst) return outcome;
    const results = {
      ...(await resultsOf(prepared, done, folder, bad)),
      ...(measured && { data: measured }),
      ...(kept?.kept.length && { features: kept.kept }),
      ...(peers && { ranks: { count: peers.size, over: peers.about } }),
      before: [],
      ...outcome,
    };
    await report?.end("finished");
    await replaceFile(join(folder, "results.json"), `${JSON.stringify(results, null, 1)}\n`);
    report = undefined; // else its last page would tell of an error
    return outcome;
  } catch (error) {
    throw goneOnWith(error, folder);
  } finally {
    await loader?.close();
    await kept?.close();
    await report?.end(state);
    await run.close();
    trainer?.free();
  }
}

/** What measures the model as it is; of several ranks the first does, and tells the others what it found. */
function measuring(
  measurement: Measurement,
  trainer: Trainer,
  { progress, asked, company }: { progress: Meter; asked: StopRequest; company: Company | undefined },
) {
  const measure = () => measurement(trainer, asked, (line) => progress.say(line));
  return company ? () => company.ofFirst(measure) : measure;
}

/** What config.json holds: a run goes on only with the same, or with what is overridden by name. */
export const recordedOf = ({ recipe, text, source }: PreparedTraining) => ({
  ...recipe,
  model: text.config,
  data: source.folder,
  clips: source.digest,
});

/** Refuses a run that could not be trained in this folder, before a GPU is opened. */
export function checkRun(
  prepared: PreparedTraining,
  { folder, override }: Pick<TrainingRun, "folder" | "override">,
  notice: (line: string) => void,
): Promise<void> {
  const { recipe, text, draft } = prepared;
  const bytes = checkpointBytes(text.config, recipe, draft.family);
  return RunFolder.check(folder, recordedOf(prepared), bytes, { override, keep: recipe.keep, notice });
}

/** The page of a run, in its folder. */
function reportOf(
  { recipe, source }: PreparedTraining,
  { parameters }: Trainer,
  folder: string,
  steps: number,
  { gpu, bad, say }: { gpu: Gpu; bad: readonly BadSample[]; say: (line: string) => void },
): TrainReport {
  return new TrainReport({
    path: join(folder, "report.html"),
    log: join(folder, "metrics.jsonl"),
    title: `Training ${recipe.model}`,
    settings: recipe,
    facts: [
      ["Adapter", gpu.facts.adapter],
      ["Data", `${source.samples} of ${source.found} clips, ${source.kind}`],
      ["Parameters", parameters.toLocaleString("en")],
      ["Commit", commitOf()],
      ["Seed", String(recipe.seed)],
    ],
    steps,
    unreadable: () => bad.length,
    say,
  });
}

/** What results.json tells besides the outcome: the recipe with its sources, the clips, and what went on. */
async function resultsOf(
  { recipe, from, source, remarks }: PreparedTraining,
  { moves, restarts, best }: Done,
  folder: string,
  bad: readonly BadSample[],
) {
  return {
    data: { set: null, name: nameOf(source), train: source.samples, test: 0, categories: 0 },
    sources: source.shares,
    ...(best && { chosenBy: chosenBy(recipe) }),
    recipe,
    from,
    clips: { found: source.found, trained: source.samples, bad: bad.map(({ reason }) => reason) },
    training: await faultsIn(join(folder, "metrics.jsonl")),
    warnings: remarks,
    ...(moves.length > 0 && { moves }),
    ...(restarts.length > 0 && { restarts }),
  };
}

const nameOf = ({ shares }: PreparedTraining["source"]) => shares.map(({ name }) => name).join(" and ");

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

/** The file without what is to begin at random all the same. */
function taken({ family }: Draft, recipe: Recipe, weights: LoadPlan): LoadPlan {
  const isFresh = freshParts(family, recipe);
  return { ...weights, sources: weights.sources.filter(({ name }) => !isFresh(name)) };
}

/** What the model begins with where there is no checkpoint yet: a file's parameters and moments, or seeded values. */
async function begin({ recipe, draft, official }: PreparedTraining, trainer: Trainer, progress: Meter): Promise<void> {
  const { weights } = draft;
  if (!weights) return;
  progress.start("load weights", 100);
  if (official) await resumeOfficial(trainer, weights.file);
  else
    await readParameters(taken(draft, recipe, weights), new Map(named(trainer.model)), (done, of) =>
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
