// What the main job measures before and after training: linear probes on frozen features of the held-out split, and
// retrieval between clips and captions.
import type { BadSample, BadSampleRule } from "../../data/bad-samples.ts";
import { viewOf as viewOfModel } from "../../data/pixels/view.ts";
import { emotionOf } from "../../data/shards/clip.ts";
import type { ShardSet } from "../../data/shards/shards.ts";
import { forEvaluation, Loader } from "../../data/shards/loader.ts";
import { orStopped, type StopRequest, unlessStopped } from "../../data/threads/long-work.ts";
import { inTurns } from "./in-turns.ts";
import { matrix } from "../matrix.ts";
import { extractFeatures, type Features } from "../features/features.ts";
import { type NotedRow, probeRowsSteps, type ProbeSplit } from "./probe-table.ts";
import { encode, type Trainer } from "../../train/trainer.ts";

/** How frames are shown to this trainer's model. */
export const trainerView = ({ model: { takes } }: Trainer) => viewOfModel({ frames: takes.frames, image: takes.side });

export interface EvaluationSets {
  readonly train: ShardSet;
  readonly test: ShardSet;
}

/** What a measurement tells on its way, and what ends it. */
export interface EvaluationOptions {
  /** Hears how many clips are done. */
  readonly at?: (done: number) => void;
  /** Hears of each clip that cannot be read and is left out; more than `settings.maxBad` of a split stop the measurement. */
  readonly onBad?: (split: keyof EvaluationSets, bad: BadSample) => void;
  readonly stop?: StopRequest;
}

/** Result rows; undefined when a stop was requested on the way, which is noticed after each batch and between steps of a probe. */
export async function evaluate(
  trainer: Trainer,
  sets: EvaluationSets,
  { at = () => {}, onBad = () => {}, stop = { requested: undefined } }: EvaluationOptions = {},
): Promise<NotedRow[] | undefined> {
  let before = 0;
  const emotions = emotionsOf(sets);
  const probe = async (split: keyof EvaluationSets): Promise<ProbeSplit> => {
    const set = sets[split];
    const options = { at: (done: number) => at(before + done), onBad: (bad: BadSample) => onBad(split, bad), stop };
    const { video, indices, ...rest } = await featuresOf(trainer, set, options);
    before += set.samples;
    const known = emotions?.[split];
    return { ...rest, features: video, emotion: known && indices.map((i) => known.get(i)!) };
  };
  const both = async () => ({ train: await probe("train"), test: await probe("test"), names: sets.test.categories });
  const splits = await orStopped(both());
  return splits && inTurns(probeRowsSteps(splits), () => stop.requested !== undefined);
}

/** How well the clips and captions of a split find each other; undefined when a stop was requested on the way. */
export async function retrieval(
  trainer: Trainer,
  set: ShardSet,
  { onBad = () => {}, stop = { requested: undefined } }: Pick<EvaluationOptions, "stop"> & BadSampleRule = {},
): Promise<NotedRow[] | undefined> {
  const found = await orStopped(featuresOf(trainer, set, { at: () => {}, onBad, stop }));
  if (!found) return undefined;
  const { video, text, captions } = found;
  const none = matrix(captions.length, 0, new Float32Array(0));
  const test: ProbeSplit = { features: video, text, captions, vad: none, categories: none };
  return inTurns(probeRowsSteps({ train: test, test }), () => stop.requested !== undefined);
}

async function featuresOf(
  trainer: Trainer,
  set: ShardSet,
  { at, onBad, stop }: Pick<Required<EvaluationOptions>, "at" | "stop"> & { readonly onBad: (bad: BadSample) => void },
): Promise<Features> {
  const { batch, workers, maxBad } = trainer.settings;
  const options = { ...trainerView(trainer), ...forEvaluation, batch, seed: 0, workers, maxBad, onBad };
  const loader = new Loader(set, options);
  try {
    const batches = unlessStopped(loader.batches(0, loader.stepsPerEpoch), stop);
    return await extractFeatures(batches, set.samples, (batch) => encode(trainer.model, trainer.tokenizer, batch), at);
  } finally {
    await loader.close();
  }
}

/** The subject's emotion where the data set tells it of all clips (the embedded one does): of each clip, a number per name. */
function emotionsOf({ train, test }: EvaluationSets): Record<keyof EvaluationSets, Map<number, number>> | undefined {
  const names = { train: namesIn(train), test: namesIn(test) };
  const known = [...new Set([...names.train.values(), ...names.test.values()])].sort();
  if (known.includes(undefined)) return undefined;
  const numbered = (of: Map<number, string | undefined>) =>
    new Map(Array.from(of, ([i, name]) => [i, known.indexOf(name)]));
  return { train: numbered(names.train), test: numbered(names.test) };
}

/** The emotion of each clip that can be read; undefined where nothing is said of it. */
const namesIn = (set: ShardSet): Map<number, string | undefined> =>
  new Map(
    Array.from(set.readings()).flatMap((found) => ("reason" in found ? [] : [[found.index, emotionOf(found.info)]])),
  );
