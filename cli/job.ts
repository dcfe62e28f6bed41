// The main job: untrained model measured, training, trained model measured, files. One run, start to end.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { replaceFile } from "../data/formats/disk.ts";
import { forTraining, Loader } from "../data/shards/loader.ts";
import { openShards } from "../data/shards/shards.ts";
import type { Meter, StopRequest } from "../data/threads/long-work.ts";
import { vocabularyOf, WordTokenizer, wordsFile } from "../data/tokenizer/words.ts";
import type { Gpu } from "../engine/index.ts";
import type { ShownClip } from "../eval/attention/clip.ts";
import { attentionClips } from "../eval/attention/show.ts";
import type { Evaluator } from "../eval/probes/benchmark-evaluator.ts";
import { evaluate, type EvaluationSets, trainerView } from "../eval/probes/evaluate.ts";
import type { Row } from "../eval/probes/probe-table.ts";
import type { ModelConfig } from "../model/emotionclip/config.ts";
import { metadataOf } from "../model/families.ts";
import { stageModel } from "../model/emotionclip/stage.ts";
import { trainLoop } from "../train/loop.ts";
import { RunFolder } from "../train/runs/run-folder.ts";
import { figureRows, read } from "../train/runs/runs.ts";
import type { Settings } from "../train/settings.ts";
import { Trainer } from "../train/trainer.ts";

/** Words of a caption that the text branch sees, start and end included. */
const context = 24;

/** The splits of a data set and the model that fits its captions. */
export interface Job {
  readonly data: string;
  readonly sets: EvaluationSets;
  readonly tokenizer: WordTokenizer;
  readonly config: ModelConfig;
  /** What is measured during training instead of the held-out split. */
  readonly evaluator?: Evaluator;
}

/** What a finished run comes to: figures on the held-out split, and the seconds that it took. results.json holds the same. */
export interface Outcome {
  readonly before: readonly Row[];
  readonly after: readonly Row[];
  readonly seconds: number;
  /** Steps whose update was skipped, since numbers were not finite. */
  readonly skipped: { readonly count: number; readonly steps: readonly number[] };
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
}

/** What a run works with, and how it is heard of. */
export interface Workplace {
  readonly gpu: Gpu;
  readonly progress: Meter;
  readonly stop: StopRequest;
}

export async function openJob(data: string): Promise<Job> {
  const sets = { train: await openShards(data, "train"), test: await openShards(data, "test") };
  const tokenizer = new WordTokenizer(vocabularyOf(Array.from(sets.train.infos(), ({ caption }) => caption)), context);
  return { data, sets, tokenizer, config: stageModel(tokenizer.vocabulary) };
}

/** Seconds each phase takes on the two-core software adapter, for the first estimate of the time left. */
export const phasesOf = (missing: number, steps: number): [string, number][] => [
  ...(missing > 0 ? [["make data", missing * 0.02] as [string, number]] : []),
  ["measure untrained", 15],
  ["train", steps * 0.3],
  ["measure trained", 12],
];

/** Runs or resumes one training; undefined when a stop was requested on the way. */
export async function runJob({ job, settings, folder }: Run, place: Workplace): Promise<Trained | undefined> {
  const { gpu, progress, stop } = place;
  const began = performance.now();
  const trainer = new Trainer(configOf(job, settings), job.tokenizer, settings);
  const recorded = { ...settings, model: trainer.model.config, data: job.data };
  const run = await RunFolder.open(folder, recorded, { notice: (line) => progress.say(line) });
  const loader = trainingClips(job, trainer, progress);
  const measure = (phase: string) => measured(job, trainer, progress, phase);
  try {
    await run.checkSpace(trainer.checkpointBytes);
    const before = (await rowsIn(join(folder, "before.json"))) ?? (await measure("measure untrained"));
    await replaceFile(join(folder, "before.json"), JSON.stringify(before));
    const words = JSON.stringify(job.tokenizer.words);
    await replaceFile(join(folder, wordsFile), words);
    const probe = () => job.evaluator?.(trainer.model) ?? evaluate(trainer, job.sets, () => {});
    const { steps, skipped } = await trainLoop({ trainer, loader, run, gpu, progress, stop, evaluate: probe });
    if (steps < settings.steps) return undefined;
    const after = await measure("measure trained");
    const metadata = metadataOf({ family: trainer.family, config: trainer.model.config });
    await run.finish(trainer.modelEntries(), { ...metadata, words });
    const seconds = (performance.now() - began) / 1000;
    const outcome: Outcome = { before, after, seconds, skipped: { count: skipped.length, steps: skipped } };
    await replaceFile(join(folder, "results.json"), `${JSON.stringify(outcome, null, 1)}\n`);
    const attention = settings.subject === "none" ? [] : await attentionClips(trainer, job.sets.test);
    return { ...outcome, parameters: trainer.parameters, attention };
  } finally {
    await loader.close();
    await run.close();
    trainer.free();
  }
}

/** The job's model with what the settings say of it. */
const configOf = ({ config }: Job, { head: kind, subject }: Settings): ModelConfig => ({
  ...config,
  head: { ...config.head, kind },
  subject,
});

function trainingClips({ sets }: Job, trainer: Trainer, progress: Meter): Loader {
  const { batch, seed, together, workers, maxBad } = trainer.settings;
  return new Loader(sets.train, {
    ...trainerView(trainer),
    ...forTraining,
    batch,
    seed,
    together,
    workers,
    maxBad,
    onBad: ({ reason }) => progress.say(`bad sample: ${reason}; another takes its place`),
  });
}

async function measured({ sets }: Job, trainer: Trainer, progress: Meter, phase: string): Promise<Row[]> {
  progress.start(phase, sets.train.samples + sets.test.samples);
  return evaluate(trainer, sets, (done) => progress.at(done));
}

/** Rows that an earlier process of this run has measured. */
const rowsIn = async (path: string) => (existsSync(path) ? read(path, figureRows) : undefined);
