// The embedded data set on disk: made once, seeded, as shards; afterwards it is read like any other data set.
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { indexName } from "../shards/index-file.ts";
import { writeShards } from "../shards/writer.ts";
import { type Meter, orStopped, type StopRequest, unlessStopped } from "../threads/long-work.ts";
import type { ShardSet } from "../shards/shards.ts";
import { categories, clipKey, makeStage, type Split, type StageClip, splits, stageSizes } from "./index.ts";

/** Seed of the embedded set: everyone trains on the same clips. */
export const stageSeed = 2022;

/** Changes with every change of what is drawn, said or labelled, so that clips of an older version are not trained on. */
export const stageVersion = 2;

/** Threads that draw clips; more than this many would wait for the one that writes. */
const mostWorkers = 8;

/** Where the embedded set lies, and how many clips each split of it has. */
export interface StagePlace {
  readonly folder: string;
  readonly sizes: Readonly<Record<Split, number>>;
}

const isPresent = (folder: string, split: string): boolean => existsSync(join(folder, indexName(split)));

/** Whether a split is the whole one of the embedded set, wherever it lies; anything else is somebody's own. */
export const isEmbedded = ({ index, categories: names, samples, keys }: ShardSet): boolean => {
  const [split] = splits.filter((each) => each === index.split);
  if (!split || samples !== stageSizes[split] || names.join() !== categories.join()) return false;
  return keys.every((key, i) => key === clipKey(split, i));
};

/** Clips that are still to be made. */
export const missingClips = ({ folder, sizes }: StagePlace): number =>
  splits.reduce((sum, split) => sum + (isPresent(folder, split) ? 0 : sizes[split]), 0);

/**
 * Makes the splits that are missing, on all cores; returns the folder, or undefined when a stop was requested on the way.
 * A split appears whole: a stop or a fault leaves nothing of the one that is being made, and the finished ones stay.
 */
export async function ensureStage(place: StagePlace, progress: Meter, stop: StopRequest): Promise<string | undefined> {
  const { folder, sizes } = place;
  const missing = missingClips(place);
  if (missing === 0) return folder;
  progress.start("make data", missing);
  const workers = Math.min(mostWorkers, availableParallelism());
  let made = 0;
  for (const split of splits) {
    if (isPresent(folder, split)) continue;
    const clips = makeStage({ seed: stageSeed, split, count: sizes[split], workers });
    const watched = async function* (): AsyncGenerator<StageClip> {
      for await (const clip of unlessStopped(clips, stop)) {
        yield clip;
        progress.at(++made, split);
      }
    };
    if ((await orStopped(writeShards(folder, split, watched(), { categories }))) === undefined) return undefined;
  }
  return folder;
}
