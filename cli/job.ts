// The main job: data, untrained model measured, training, trained model measured, files. One run, start to end.
import { performance } from "node:perf_hooks";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cpus } from "node:os";
import { forTraining, Loader } from "../data/shards/loader.ts";
import { openShards } from "../data/shards/shards.ts";
import { vocabularyOf, WordTokenizer, wordsFile } from "../data/tokenizer/words.ts";
import type { Gpu } from "../engine/index.ts";
import type { Row } from "../eval/probes/probe-table.ts";
import { type ModelConfig, stageModel } from "../model/emotionclip/config.ts";
import { type Json, parseJson } from "../data/formats/json.ts";
import { replaceFile } from "../data/formats/disk.ts";
import type { Evaluator } from "../eval/probes/benchmark-evaluator.ts";
import { evaluate, type EvaluationSets, viewOf } from "../eval/probes/evaluate.ts";
import { commitOf, trainLoop } from "../train/loop.ts";
import type { Progress } from "./terminal/progress.ts";
import { type Result, type Series, writeReport } from "./pages/report.ts";
import { RunFolder, type Settings as Recorded } from "../train/runs/run-folder.ts";
import type { Settings } from "../train/settings.ts";
import { attentionFrames } from "../eval/attention/show.ts";
import type { StopRequest } from "./terminal/stop.ts";
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

/** What a finished run leaves, as results.json. */
export interface Outcome {
  readonly before: Row[];
  readonly after: Row[];
  readonly seconds: number;
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

/** Runs or resumes one training in `folder`; undefined when a stop was requested on the way. */
export async function runJob(
  job: Job,
  settings: Settings,
  folder: string,
  gpu: Gpu,
  progress: Progress,
  stop: StopRequest,
): Promise<Outcome | undefined> {
  const began = performance.now();
  const head = { ...job.config.head, kind: settings.head };
  const trainer = new Trainer({ ...job.config, head, subject: settings.subject }, job.tokenizer, settings);
  const recorded = { ...settings, model: trainer.model.config, data: job.data } as unknown as Recorded;
  const run = await RunFolder.open(folder, recorded, { notice: (line) => progress.say(line) });
  const loader = new Loader(job.sets.train, {
    ...viewOf(trainer),
    ...forTraining,
    batch: settings.batch,
    seed: settings.seed,
    together: settings.together,
    workers: settings.workers,
    maxBad: settings.maxBad,
    onBad: ({ reason }) => progress.say(`bad sample: ${reason}; another takes its place`),
  });
  try {
    const clips = job.sets.train.samples + job.sets.test.samples;
    const measure = async (phase: string): Promise<Row[]> => {
      progress.start(phase, clips);
      return evaluate(trainer, job.sets, (done) => progress.at(done));
    };
    await run.checkSpace(3 * 4 * trainer.parameters); // parameters and two moments
    const before = (await readRows(join(folder, "before.json"))) ?? (await measure("measure untrained"));
    await replaceFile(join(folder, "before.json"), JSON.stringify(before));
    const words = JSON.stringify(job.tokenizer.words);
    await replaceFile(join(folder, wordsFile), words);
    const probe = () => job.evaluator?.(trainer.model) ?? evaluate(trainer, job.sets, () => {});
    const steps = await trainLoop({ trainer, loader, run, gpu, progress, stop, evaluate: probe });
    if (steps < settings.steps) return undefined;
    const after = await measure("measure trained");
    const config = JSON.stringify(trainer.model.config);
    await run.finish(trainer.modelEntries(), { model: "EmotionCLIP", config, words });
    const outcome = { before, after, seconds: (performance.now() - began) / 1000 };
    await replaceFile(join(folder, "results.json"), `${JSON.stringify(outcome, null, 1)}\n`);
    await report(job, trainer, settings, folder, gpu, outcome);
    return outcome;
  } finally {
    await loader.close();
    await run.close();
    trainer.free();
  }
}

async function readRows(path: string): Promise<Row[] | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  return bytes && (parseJson(bytes, path, 2 ** 20) as unknown as Row[]);
}

/** What each row measures, and what guessing gives. */
const meanings: Record<string, { about: string; chance?: number }> = {
  mAP: { about: "mean average precision of 26 categories, linear probe" },
  AUC: { about: "area under the ROC curve, mean of 26 categories", chance: 0.5 },
  R2: { about: "explained variance of valence, arousal and dominance, ridge", chance: 0 },
  emotion: { about: "the subject's emotion named right, linear probe" },
  "R@1 video-text": { about: "clips whose own caption is the nearest of all" },
  "R@1 text-video": { about: "captions whose own clip is the nearest of all" },
};

const told = {
  sap: "with subject prompting",
  saam: "with subject-aware attention masking",
  none: "without subject prompt",
} as const;

async function report(
  job: Job,
  trainer: Trainer,
  settings: Settings,
  folder: string,
  gpu: Gpu,
  { before, after, seconds }: Outcome,
): Promise<void> {
  const results = before.map(([name, value], i): Result => {
    return { name, before: value, after: after[i][1], ...(meanings[name] ?? { about: "" }) };
  });
  await writeReport(join(folder, "report.html"), {
    title: `EmotionCLIP ${told[settings.subject]}`,
    summary: `A small EmotionCLIP trained on ${job.sets.train.samples} clips for ${settings.steps} steps of ${settings.batch}, measured on ${job.sets.test.samples} held-out clips.`,
    facts: [
      ["Adapter", gpu.facts.adapter],
      ["Processor", `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} threads`],
      ["Duration", `${Math.round(seconds)} s`],
      ["Parameters", trainer.parameters.toLocaleString("en")],
      ["Commit", commitOf()],
      ["Date", new Date().toISOString().slice(0, 10)],
      ["Seed", String(settings.seed)],
    ],
    settings: { ...settings } as unknown as { [key: string]: Json },
    results,
    series: await readSeries(join(folder, "metrics.jsonl")),
    attention: settings.subject !== "none" ? await attentionFrames(trainer, job.sets.test) : [],
  });
}

/** What the report reads of a line of metrics.jsonl. */
interface LoggedStep {
  readonly step: number;
  readonly loss: number | null;
  readonly lr: number;
  readonly clipsPerSecond: number;
  readonly probes?: Record<string, number | null>;
}

async function readSeries(path: string): Promise<Series> {
  const lines = (await readFile(path, "utf8")).trim().split("\n").filter(Boolean);
  const rows = lines.map((line) => JSON.parse(line) as LoggedStep);
  const probed = rows.filter(({ probes }) => probes !== undefined);
  return {
    step: rows.map(({ step }) => step),
    loss: rows.map(({ loss }) => loss),
    learningRate: rows.map(({ lr }) => lr),
    clipsPerSecond: rows.map(({ clipsPerSecond }) => clipsPerSecond),
    ...(probed.length > 0 && {
      probes: { step: probed.map(({ step }) => step), rows: probed.map(({ probes }) => Object.entries(probes!)) },
    }),
  };
}
