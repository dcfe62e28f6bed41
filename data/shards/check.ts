// For people with shards of their own: an index for tar files that have none, and a list of everything that is wrong.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import type { BadSample } from "../bad-samples.ts";
import { replaceFile } from "../formats/disk.ts";
import { decodeFrame, frameName, nameOf } from "./frames.ts";
import { sha256Of } from "../formats/hash.ts";
import { inside } from "../formats/inside.ts";
import { INDEX_VERSION, indexBytes, indexName, type ShardEntry, type ShardIndex } from "./index-file.ts";
import { ShardReader, type ShardSet, scanShard } from "./shards.ts";

/**
 * Writes `<split>-index.json` for the tar files `<split>-….tar` of a folder, made by any WebDataset program.
 * `categories` names the labels that the clips carry.
 */
export async function indexShards(folder: string, split: string, categories: readonly string[]): Promise<ShardIndex> {
  const files = readdirSync(folder).filter((file) => file.startsWith(`${split}-`) && file.endsWith(".tar"));
  if (files.length === 0) throw new FormatError(`${indexName(split)}: no file named ${split}-….tar in ${folder}`);
  const shards: ShardEntry[] = [];
  let fps: number | undefined;
  const reader = new ShardReader();
  for (const file of files.sort()) {
    const path = inside(folder, file, indexName(split));
    const bytes = statSync(path).size;
    const samples = scanShard(path, file, bytes);
    if (samples.length === 0) throw new FormatError(`${file}: has no samples`);
    fps ??= reader.info(samples[0], categories.length).fps;
    shards.push({ file, bytes, samples: samples.length, sha256: await sha256Of(path) });
  }
  reader.close();
  const samples = shards.reduce((sum, shard) => sum + shard.samples, 0);
  const index: ShardIndex = { version: INDEX_VERSION, split, fps: fps!, samples, categories, shards };
  await replaceFile(join(folder, indexName(split)), indexBytes(index));
  return index;
}

/** Reads every sample and decodes every frame; yields what training would skip. */
export async function* badSamples(set: ShardSet): AsyncGenerator<BadSample> {
  const reader = new ShardReader();
  try {
    for (let index = 0; index < set.samples; index++) {
      const reason = await faultOf(set, index, reader);
      if (reason) yield { index, reason };
    }
  } finally {
    reader.close();
  }
}

async function faultOf(set: ShardSet, index: number, reader: ShardReader): Promise<string | undefined> {
  const sample = set.items[index];
  try {
    const info = set.info(index, reader);
    if (info.fps !== set.index.fps)
      return `${nameOf(sample)}: has ${info.fps} frames a second, the index says ${set.index.fps}`;
    for (let t = 0; t < set.frameCount(index); t++)
      await decodeFrame(reader.frame(sample, t), info, frameName(sample, t));
    return undefined;
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}
