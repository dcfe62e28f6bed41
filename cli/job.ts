// The main job: untrained model measured, training, trained model measured, files. One run, start to end.
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import type { BadSampleRule } from "../data/bad-samples.ts";
import { replaceFile } from "../data/formats/disk.ts";
import { forTraining, Loader } from "../data/shards/loader.ts";
import type { Meter, StopRequest } from "../data/threads/long-work.ts";
import { reportLines, reportTexts, type TextsReport } from "../data/tokenizer/report.ts";
import { vocabularyOf, WordTokenizer, wordsFile } from "../data/tokenizer/words.ts";
import { isEmbedded } from "../data/stage/on-disk.ts";
import { FormatError } from "../engine/errors.ts";
import type { Gpu } from "../engine/index.ts";
import type { ShownClip } from "../eval/attention/clip.ts";
import { attentionClips } from "../eval/attention/show.ts";
import type { Evaluator } from "../eval/probes/benchmark-evaluator.ts";
import { evaluate, type EvaluationSets, trainerView } from "../eval/probes/evaluate.ts";
import { listed } from "../eval/probes/not-defined.ts";
import type { NotedRow } from "../eval/probes/probe-table.ts";
import type { ModelConfig } from "../model/emotionclip/config.ts";
import { metadataOf } from "../model/families.ts";
import { stageModel } from "../model/emotionclip/stage.ts";
import { type Move, type Restart, trainLoop } from "../train/loop.ts";
import { RunFolder } from "../train/runs/run-folder.ts";
import { figureRows, read, type RunData } from "../train/runs/runs.ts";
import { faultsIn, type TrainingFaults } from "../train/runs/faults.ts";
import { checkpointBytes } from "../train/step-plan.ts";
import { stepSchedule, warmupFaults } from "../train/schedule.ts";
import type { Settings } from "../train/settings.ts";
import { Trainer } from "../train/trainer.ts";
import { vanishing } from "../train/vanishing.ts";
import { goneOnWith } from "./restarts.ts";
import { type Clips, type ClipsOutcome, digestOf, Ledger, once, openClips, type Say } from "./clips.ts";

/** Words of a caption that the text branch sees, start and end included. */
const context = 24;

/** The splits of a data set and the model that fits its captions. */
export interface Job {
  readonly data: string;
  readonly clips: Record<keyof EvaluationSets, Clips>;
  readonly sets: EvaluationSets;
  readonly tokenizer: WordTokenizer;
  readonly config: ModelConfig;
  /** The data set in numbers, as results.json tells it. */
  readonly about: RunData & { readonly captions: Readonly<Record<"train" | "test", TextsReport>> };
  /** What is measured during training instead of the held-out split. */
  readonly evaluator?: Evaluator;
  /** Says a line that stays, each line once however many runs the job has. */
  readonly say: Say;
}

/** What a finished run comes to: figures on the held-out split, and the seconds that it took. results.json holds the same. */
export interface Outcome {
  readonly before: readonly NotedRow[];
  readonly after: readonly NotedRow[];
  readonly seconds: number;
  readonly data: Job["about"];
  /** The clips, and those of them that could not be read. */
  readonly clips: Record<keyof EvaluationSets, ClipsOutcome>;
  /** Showings of training in which another clip stood in for a bad one, and steps that gave no gradient. */
  readonly training: TrainingFaults;
  /** Steps whose update was skipped, since numbers were not finite. */
  readonly skipped: { readonly count: number; readonly steps: readonly number[] };
  /** What was said of the clips and settings before training. */
  readonly warnings: readonly string[];
  /** Where the run went on elsewhere than it was (train/loop.ts). */
  readonly moves?: readonly Move[];
  /** GPUs that were lost on the way, and the run gone on with on another. */
  readonly restarts?: readonly Restart[];
}

/** The outcome, and what is shown of the model. */
export interface Trained extends Outcome {
  readonly parameters: number;
  /** What the subject token looks at; empty for models without one. */
  readonly attention: readonly ShownClip[];
}

/** One training of a job, in a folder of its own. */
export interface Run {
  readonly job: Job;
  readonly settings: Settings;
  readonly folder: string;
  /** Settings that may differ from those the run began with. */
  readonly override?: readonly string[];
}

/** What a run works with, and how it is heard of. */
export interface Workplace {
  readonly gpu: Gpu;
  readonly progress: Meter;
  readonly stop: StopRequest;
  /** GPUs that were lost before this one. */
  readonly restarts?: readonly Restart[];
}

/** Opens the splits; `say` hears what is not as it should be with their clips. */
export async function openJob(data: string, settings: Settings, hear: Say): Promise<Job> {
  const say = once(hear);
  const { frames } = stageModel(1).head;
  const train = await openClips(data, "train", frames, settings, say);
  const test = await openClips(data, "test", frames, settings, say);
  const tokenizer = new WordTokenizer(vocabularyOf(train.survey.captions), context);
  const captionsOf = ({ survey: { captions, keys } }: Clips) => reportTexts(tokenizer, captions, (i) => keys[i]);
  const sets = { train: train.set, test: test.set };
  const about = { ...aboutOf(data, sets), captions: { train: captionsOf(train), test: captionsOf(test) } };
  return { data, clips: { train, test }, sets, tokenizer, config: stageModel(tokenizer.vocabulary), about, say };
}

/** What becomes of captions that the text branch does not see as they are: longer than its rows, or of unknown words. */
export const captionLines = ({ tokenizer, about: { captions } }: Job): string[] =>
  (["train", "test"] as const).flatMap((split) => reportLines(captions[split], tokenizer, `captions of ${split}`));

function aboutOf(data: string, { train, test }: EvaluationSets): RunData {
  const [own, theirs] = [train.categories, test.categories];
  if (own.join() !== theirs.join())
    throw new FormatError(
      `${basename(resolve(data))}: the split train has the categories ${listed(own)}, but test has ${listed(theirs)}; both need the same, in one order`,
    );
  return {
    set: isEmbedded(train) && isEmbedded(test) ? "stage" : null,
    name: basename(resolve(data)),
    train: train.samples,
    test: test.samples,
    categories: own.length,
  };
}

/** Seconds each phase takes on the two-core software adapter, for the first estimate of the time left. */
export const phasesOf = (missing: number, steps: number): [string, number][] => [
  ...(missing > 0 ? [["make data", missing * 0.02] as [string, number]] : []),
  ["measure untrained", 15],
  ["train", steps * 0.3],
  ["measure trained", 12],
];

/**
 * Runs or resumes one training; undefined when a stop was requested on the way. `report` writes what else belongs to a finished
 * run: results.json, which says that it is one, comes last.
 */
export async function runJob(
  { job, settings, folder, override }: Run,
  place: Workplace,
  report: (trained: Trained) => Promise<void> = async () => {},
): Promise<Trained | undefined> {
  const { gpu, progress, stop, restarts: before } = place;
  const began = performance.now();
  const trainer = new Trainer(configOf(job, settings), job.tokenizer, settings);
  const run = await RunFolder.open(folder, recordedOf(job, settings), {
    override,
    notice: (line) => progress.say(line),
  });
  const ledger = new Ledger(job.clips, job.say);
  const loader = trainingClips(job, trainer, ledger);
  const measure = (phase: string) => measured(job, trainer, ledger, place, phase);
  const warnings = [
    ...vanishing(job.clips.train.survey, settings),
    ...warmupFaults(settings, stepSchedule(settings.steps, settings.warmup, settings.lrEnd)),
  ];
  for (const warning of warnings) job.say(`warning: ${warning}`);
  try {
    await run.checkSpace(trainer.checkpointBytes);
    const untrained = (await rowsIn(join(folder, "before.json"))) ?? (await measure("measure untrained"));
    if (!untrained) return undefined;
    await replaceFile(join(folder, "before.json"), JSON.stringify(untrained));
    const words = JSON.stringify(job.tokenizer.words);
    await replaceFile(join(folder, wordsFile), words);
    const probe = () =>
      job.evaluator?.(trainer.model, ruleOf(job, settings), stop) ?? evaluated(job, trainer, ledger, stop);
    const options = { trainer, loader, run, gpu, progress, stop, restarts: before, evaluate: probe };
    const { steps, skipped, moves, restarts } = await trainLoop(options);
    if (steps < settings.steps) return undefined;
    const after = await measure("measure trained");
    if (!after) return undefined;
    const metadata = metadataOf({ family: trainer.family, config: trainer.model.config });
    await run.finish(trainer.modelEntries(), { ...metadata, words });
    const outcome: Outcome = {
      before: untrained,
      after,
      seconds: (performance.now() - began) / 1000,
      data: job.about,
      clips: { train: ledger.outcome("train"), test: ledger.outcome("test") },
      training: await faultsIn(join(folder, "metrics.jsonl")),
      skipped: { count: skipped.length, steps: skipped },
      warnings,
      ...(moves.length && { moves }),
      ...(restarts.length && { restarts }),
    };
    const attention = settings.subject === "none" ? [] : await attentionClips(trainer, job.sets.test);
    const trained = { ...outcome, parameters: trainer.parameters, attention };
    await report(trained);
    await replaceFile(join(folder, "results.json"), `${JSON.stringify(outcome, null, 1)}\n`);
    return trained;
  } catch (error) {
    throw goneOnWith(error, folder);
  } finally {
    await loader.close();
    await run.close();
    trainer.free();
  }
}

/** What config.json holds: a run goes on only with the same, or with what is overridden by name. */
const recordedOf = (job: Job, settings: Settings) => ({
  ...settings,
  model: configOf(job, settings),
  data: job.data,
  clips: digestOf(job.sets.train),
});

/** Refuses a run that could not be trained in its folder, before a GPU is opened. */
export function checkJob({ job, settings, folder, override }: Run): Promise<void> {
  const bytes = checkpointBytes(configOf(job, settings), settings);
  return RunFolder.check(folder, recordedOf(job, settings), bytes, { override, notice: job.say });
}

/** The job's model with what the settings say of it. */
const configOf = ({ config }: Job, { head: kind, subject }: Settings): ModelConfig => ({
  ...config,
  head: { ...config.head, kind },
  subject,
});

function trainingClips({ sets }: Job, trainer: Trainer, ledger: Ledger): Loader {
  const { batch, seed, together, workers, maxBad } = trainer.settings;
  return new Loader(sets.train, {
    ...trainerView(trainer),
    ...forTraining,
    batch,
    seed,
    together,
    workers,
    maxBad,
    onBad: (bad) => ledger.note("train", bad),
  });
}

async function measured(
  job: Job,
  trainer: Trainer,
  ledger: Ledger,
  { progress, stop }: Workplace,
  phase: string,
): Promise<NotedRow[] | undefined> {
  progress.start(phase, job.sets.train.samples + job.sets.test.samples);
  return evaluated(job, trainer, ledger, stop, (done) => progress.at(done));
}

const evaluated = (
  { sets }: Job,
  trainer: Trainer,
  ledger: Ledger,
  stop: StopRequest,
  at?: (done: number) => void,
): Promise<NotedRow[] | undefined> =>
  evaluate(trainer, sets, { at, stop, onBad: (split, bad) => ledger.note(split, bad) });

/** What is done about bad samples of another data set that is probed in training. */
const ruleOf = ({ say }: Job, { maxBad }: Settings): BadSampleRule => ({
  maxBad,
  onBad: ({ reason }) => say(`left out: ${reason}`),
});

/** Rows that an earlier process of this run has measured. */
const rowsIn = async (path: string) => (existsSync(path) ? read(path, figureRows) : undefined);
