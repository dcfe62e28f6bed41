// The embedded data set on disk: made once, seeded, as shards; afterwards it is read like any other data set.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { indexName } from "../data/shard-index.ts";
import { writeShards } from "../data/shard-writer.ts";
import { categories, makeStage, splits, stageSizes } from "../data/stage/index.ts";
import type { Progress } from "./progress.ts";

/** Seed of the embedded set: everyone trains on the same clips. */
export const stageSeed = 2022;

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), "data", "stage", "shards");

const present = (split: string): boolean => existsSync(join(folder, indexName(split)));

/** Clips that are still to be made. */
export const missingClips = (): number =>
  splits.reduce((sum, split) => sum + (present(split) ? 0 : stageSizes[split]), 0);

/** Makes the splits that are missing; returns the folder. A split appears with its index, which is written last. */
export async function ensureStage(progress: Progress): Promise<string> {
  if (missingClips() === 0) return folder;
  progress.start("make data", missingClips());
  let made = 0;
  for (const split of splits) {
    if (present(split)) continue;
    const clips = makeStage({ seed: stageSeed, split, count: stageSizes[split] });
    const counted = async function* () {
      for await (const clip of clips) {
        yield clip;
        progress.at(++made, split);
      }
    };
    await writeShards(folder, split, counted(), { categories });
  }
  return folder;
}
