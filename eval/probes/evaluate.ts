// What the main job measures before and after training: linear probes on frozen features of the held-out split, and
// retrieval between clips and captions.
import { viewOf as viewOfModel } from "../../data/pixels/view.ts";
import { emotionOf } from "../../data/shards/clip.ts";
import type { ShardSet } from "../../data/shards/shards.ts";
import { forEvaluation, Loader, type LoaderOptions } from "../../data/shards/loader.ts";
import { extractFeatures, type Features } from "../features/features.ts";
import { type NotedRow, probeRows, type ProbeSplit } from "./probe-table.ts";
import { encode, type Trainer } from "../../train/trainer.ts";

/** How frames are shown to this trainer's model. */
export const trainerView = ({ model: { takes } }: Trainer) => viewOfModel({ frames: takes.frames, image: takes.side });

export interface EvaluationSets {
  readonly train: ShardSet;
  readonly test: ShardSet;
}

/** Result rows; `at` hears how many clips are done. */
export async function evaluate(
  trainer: Trainer,
  sets: EvaluationSets,
  at: (done: number) => void,
): Promise<NotedRow[]> {
  let before = 0;
  const emotions = emotionsOf([sets.train, sets.test]);
  const probe = async (set: ShardSet, i: number): Promise<ProbeSplit> => {
    const features = await featuresOf(trainer, set, (done) => at(before + done));
    before += set.samples;
    const { video, text, captions, categories, vad } = features;
    return { features: video, text, captions, categories, vad, emotion: emotions?.[i] };
  };
  return probeRows({ train: await probe(sets.train, 0), test: await probe(sets.test, 1), names: sets.test.categories });
}

async function featuresOf(trainer: Trainer, set: ShardSet, at: (done: number) => void): Promise<Features> {
  const { settings } = trainer;
  const options: LoaderOptions = {
    ...trainerView(trainer),
    ...forEvaluation,
    batch: settings.batch,
    seed: 0,
    workers: settings.workers,
  };
  const loader = new Loader(set, options);
  try {
    const batches = loader.batches(0, loader.stepsPerEpoch);
    return await extractFeatures(batches, set.samples, (batch) => encode(trainer.model, trainer.tokenizer, batch), at);
  } finally {
    await loader.close();
  }
}

/** The subject's emotion where the data set tells it of all clips (the embedded one does), as a number per name. */
function emotionsOf(sets: readonly ShardSet[]): number[][] | undefined {
  const names = sets.map((set) => Array.from(set.infos(), emotionOf));
  const known = [...new Set(names.flat())].sort();
  return known.includes(undefined) ? undefined : names.map((list) => list.map((name) => known.indexOf(name)));
}
