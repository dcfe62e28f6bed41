// Clips -> WebDataset tar shards with an index. They are made in a temporary folder of one's own, so that two who make the same
// split do not meet, and take their names when all are complete, the index last; a failure leaves what was there before.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { packTar } from "modern-tar";
import { orMissing } from "../formats/cause.ts";
import { UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { type Clip, checkClipInfo, clipLimits } from "./clip.ts";
import {
  AtomicFile,
  makeFolder,
  move,
  remove,
  removeLeftovers,
  replaceFile,
  syncFolder,
  temporaryName,
} from "../formats/disk.ts";
import { quoted } from "../formats/json.ts";
import {
  INDEX_VERSION,
  indexBytes,
  indexName,
  isSplitName,
  type ShardEntry,
  type ShardIndex,
  shardName,
} from "./index-file.ts";

/** How clips are laid out in shards. */
export type WriteOptions = {
  /** Clips in a shard; 256. */
  readonly perShard?: number;
  /** Names of the label categories; without them no clip may carry labels. */
  readonly categories?: readonly string[];
};

/** Two zero blocks end an archive. */
const END = new Uint8Array(1024);

/**
 * Writes `<split>-00000.tar` … and `<split>-index.json` into the folder. A clip's members are `<key>.json` and
 * `<key>.0000.jpg` …; the same clips give the same bytes.
 */
export async function writeShards(
  folder: string,
  split: string,
  clips: AsyncIterable<Clip> | Iterable<Clip>,
  options: WriteOptions = {},
): Promise<ShardIndex> {
  takes(
    "writeShards(folder: text, split: text, clips: iterable, options?: { perShard?: size, " + "categories?: text[] })",
    arguments,
  );
  const { perShard = 256, categories = [] } = options;
  if (!isSplitName(split)) throw new UsageError(`${quoted(split)} cannot name a split`);
  await makeFolder(folder);
  await removeLeftovers(folder, `${split}-`);
  const own = temporaryName(join(folder, `${split}-shards`));
  await makeFolder(own);
  try {
    const index = await fill(own, split, clips, perShard, categories);
    await moveInto(folder, own, index);
    return index;
  } finally {
    await remove(own).catch(() => {}); // else the next writer does
  }
}

/** Writes one shard, which appears complete or not at all; undefined where there are no clips. For splits that are made shard by shard. */
export async function writeShard(
  folder: string,
  name: string,
  clips: AsyncIterable<Clip>,
  categories: number,
): Promise<ShardEntry | undefined> {
  let shard: OpenShard | undefined;
  try {
    for await (const clip of clips) {
      shard ??= await OpenShard.create(folder, name);
      await shard.add(clip, categories);
    }
    return await shard?.close();
  } catch (error) {
    await shard?.file.abort();
    throw error;
  }
}

/** Gives the files of a complete split their names. Without an index meanwhile, unless it stays: it must not describe others. */
async function moveInto(folder: string, own: string, index: ShardIndex): Promise<void> {
  const path = join(folder, indexName(index.split));
  const bytes = indexBytes(index);
  const before = await readFile(path).catch(orMissing(path));
  if (before && !before.equals(bytes)) await remove(path);
  await syncFolder(folder);
  for (const { file } of index.shards) await move(join(own, file), join(folder, file));
  await syncFolder(folder);
  await replaceFile(path, bytes);
}

/** Writes the shards of a split into a folder and says what its index is to be. */
async function fill(
  folder: string,
  split: string,
  clips: AsyncIterable<Clip> | Iterable<Clip>,
  perShard: number,
  categories: readonly string[],
): Promise<ShardIndex> {
  const shards: ShardEntry[] = [];
  const keys = new Set<string>();
  let fps: number | undefined;
  let shard: OpenShard | undefined;
  try {
    for await (const clip of clips) {
      if (keys.has(clip.key)) throw new UsageError(`two clips have the key ${quoted(clip.key)}`);
      keys.add(clip.key);
      fps ??= clip.fps;
      if (clip.fps !== fps) throw new UsageError(`${quoted(clip.key)} has ${clip.fps} frames a second, others ${fps}`);
      shard ??= await OpenShard.create(folder, shardName(split, shards.length));
      await shard.add(clip, categories.length);
      if (shard.samples < perShard) continue;
      shards.push(await shard.close());
      shard = undefined;
    }
    if (shard) shards.push(await shard.close());
  } catch (error) {
    await shard?.file.abort();
    throw error;
  }
  if (fps === undefined) throw new UsageError(`there are no clips for the split ${quoted(split)}`);
  return { version: INDEX_VERSION, split, fps, samples: keys.size, categories, shards };
}

class OpenShard {
  samples = 0;
  private constructor(
    readonly name: string,
    readonly file: AtomicFile,
  ) {}

  static async create(folder: string, name: string): Promise<OpenShard> {
    return new OpenShard(name, await AtomicFile.create(join(folder, name)));
  }

  async add(clip: Clip, categories: number): Promise<void> {
    const archive = await packTar(membersOf(clip, categories));
    await this.file.write(archive.subarray(0, archive.length - END.length));
    this.samples++;
  }

  async close(): Promise<ShardEntry> {
    await this.file.write(END);
    const { bytes, sha256 } = await this.file.commit();
    return { file: this.name, bytes, samples: this.samples, sha256 };
  }
}

/** A key names files: its parts hold letters, digits, `_`, `@`, `+`, `=`, `,` and `-`, and no dot, which ends a key. */
const KEY = /^[\w@+=,-]+(\/[\w@+=,-]+)*$/;

function membersOf(clip: Clip, categories: number) {
  const { key, frames, ...info } = clip;
  if (!KEY.test(key) || key.length > 200) throw new UsageError(`${quoted(key)} cannot be the key of a clip`);
  if (frames.length < 1 || frames.length > clipLimits.frames)
    throw new UsageError(`${quoted(key)} has ${frames.length} frames, allowed are 1 to ${clipLimits.frames}`);
  checkClipInfo(JSON.parse(JSON.stringify(info)), key, frames.length, categories);
  const pictures = frames.map((bytes, i) => {
    const kind = bytes[0] === 0x89 ? "png" : "jpg";
    return entry(`${key}.${String(i).padStart(4, "0")}.${kind}`, bytes);
  });
  return [entry(`${key}.json`, new TextEncoder().encode(JSON.stringify(info))), ...pictures];
}

function entry(name: string, body: Uint8Array) {
  return { header: { name, size: body.length, mtime: new Date(0) }, body };
}
