// For people with shards of their own: an index for tar files that have none, and a list of everything that is wrong.
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import type { BadSample } from "../bad-samples.ts";
import { replaceFile } from "../formats/disk.ts";
import { decodeFrame, frameName, nameOf } from "./frames.ts";
import { sha256Of } from "../formats/hash.ts";
import { inside } from "../formats/inside.ts";
import { INDEX_VERSION, indexBytes, indexName, readIndex, type ShardEntry, type ShardIndex } from "./index-file.ts";
import { checkHash, openShard, type Sample, ShardReader, ShardSet, scanShard } from "./shards.ts";
import type { Meter } from "../threads/long-work.ts";

/**
 * Writes `<split>-index.json` for the tar files `<split>-….tar` of a folder, made by any WebDataset program.
 * `categories` names the labels that the clips carry.
 */
export async function indexShards(folder: string, split: string, categories: readonly string[]): Promise<ShardIndex> {
  takes("indexShards(folder: text, split: text, categories: text[], ...)", arguments);
  const files = tarFiles(folder, split);
  if (files.length === 0) throw new FormatError(`${indexName(split)}: no file named ${split}-….tar in ${folder}`);
  const shards: ShardEntry[] = [];
  let fps: number | undefined;
  const reader = new ShardReader();
  for (const file of files) {
    const path = inside(folder, file, indexName(split));
    const bytes = statSync(path).size;
    const samples = scanShard(path, file, bytes);
    if (samples.length === 0) throw new FormatError(`${file}: has no samples`);
    fps ??= rateOf(samples, categories.length, reader);
    shards.push({ file, bytes, samples: samples.length, sha256: await sha256Of(path) });
  }
  reader.close();
  const samples = shards.reduce((sum, shard) => sum + shard.samples, 0);
  const index: ShardIndex = { version: INDEX_VERSION, split, fps: fps!, samples, categories, shards };
  await replaceFile(join(folder, indexName(split)), indexBytes(index));
  return index;
}

const tarFiles = (folder: string, split: string): string[] =>
  readdirSync(folder)
    .filter((file) => file.startsWith(`${split}-`) && file.endsWith(".tar"))
    .sort();

/** Frames a second of the first sample that can be read; where none can, the fault of the first. */
function rateOf(samples: readonly Sample[], categories: number, reader: ShardReader): number {
  let first: unknown;
  for (const sample of samples) {
    try {
      return reader.info(sample, categories).fps;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      first ??= error;
    }
  }
  throw first;
}

/** How samples are looked at. */
export interface CheckOptions {
  /** Decode every frame, not only read the JSON. */
  readonly decode?: boolean;
  /** Hears how many samples are done. */
  readonly at?: (done: number) => void;
}

/** Reads every sample and decodes every frame; yields what training would skip. */
export async function* badSamples(set: ShardSet, options: CheckOptions = {}): AsyncGenerator<BadSample> {
  takes("badSamples(set: { frameCount: function, ... }, options?: { decode?: flag, at?: function })", arguments);
  const { decode = true, at = () => {} } = options;
  const reader = new ShardReader();
  try {
    for (let index = 0; index < set.samples; index++) {
      const reason = await faultOf(set, index, reader, decode);
      if (reason) yield { index, reason };
      at(index + 1);
    }
  } finally {
    reader.close();
  }
}

async function faultOf(
  set: ShardSet,
  index: number,
  reader: ShardReader,
  decode: boolean,
): Promise<string | undefined> {
  const sample = set.items[index];
  try {
    const info = set.info(index, reader);
    if (info.fps !== set.index.fps)
      return `${nameOf(sample)}: has ${info.fps} frames a second, the index says ${set.index.fps}`;
    for (let t = 0; decode && t < set.frameCount(index); t++)
      await decodeFrame(reader.frame(sample, t), info, frameName(sample, t));
    return undefined;
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

/** What a split is found to be. */
export interface SplitReport {
  readonly split: string;
  readonly shards: number;
  readonly bytes: number;
  /** Samples of the shards that could be opened. */
  readonly samples: number;
  /** Frames of the shortest and the longest clip. */
  readonly frames: readonly [least: number, most: number];
  /** What is wrong with its files. */
  readonly faults: readonly string[];
  /** Tar files that look like shards of the split and are not in its index: nobody reads them. */
  readonly unlisted: readonly string[];
  /** What is wrong with single samples. */
  readonly bad: readonly { readonly clip: string; readonly reason: string }[];
}

/** The splits that have an index in a folder. */
export function splitsIn(folder: string): string[] {
  const found = readdirSync(folder).flatMap((file) => /^(.+)-index\.json$/.exec(file)?.[1] ?? []);
  if (found.length > 0) return found.sort();
  throw new FormatError(`${basename(folder)}: has no <split>-index.json; \`emotionclip data index\` makes one`);
}

/** Checks a split against its index: length, sha256 and headers of every shard, then every sample. Faults are collected. */
export async function checkSplit(
  folder: string,
  split: string,
  { decode = false, start, at }: CheckOptions & Pick<Meter, "start" | "at">,
): Promise<{ report: SplitReport; set: ShardSet }> {
  const index = readIndex(folder, split);
  const faults: string[] = [];
  const items: Sample[] = [];
  const keys = new Map<string, string>();
  start(`sha256 of ${split}`, index.shards.length);
  for (const [i, entry] of index.shards.entries()) {
    await checkHash(folder, index, entry).catch((error) => noteFault(error, faults));
    try {
      items.push(...openShard(folder, index, entry, keys));
    } catch (error) {
      noteFault(error, faults);
    }
    at(i + 1);
  }
  const set = new ShardSet(index, items);
  start(`clips of ${split}`, set.samples);
  const bad: { clip: string; reason: string }[] = [];
  for await (const { index, reason } of badSamples(set, { decode, at })) bad.push({ clip: items[index].key, reason });
  const listed = new Set(index.shards.map(({ file }) => file));
  const unlisted = tarFiles(folder, split).filter((file) => !listed.has(file));
  return { set, report: { split, ...sizesOf(index, set), faults, unlisted, bad } };
}

function noteFault(error: unknown, faults: string[]): void {
  if (!(error instanceof FormatError)) throw error;
  if (!faults.includes(error.message)) faults.push(error.message);
}

function sizesOf({ shards }: ShardIndex, set: ShardSet): Pick<SplitReport, "shards" | "bytes" | "samples" | "frames"> {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const [i, { fault }] of set.items.entries())
    if (fault === undefined) [least, most] = [Math.min(least, set.frameCount(i)), Math.max(most, set.frameCount(i))];
  return {
    shards: shards.length,
    bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
    samples: set.samples,
    frames: [Math.min(least, most), most],
  };
}
