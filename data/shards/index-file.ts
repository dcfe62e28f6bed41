// The index of a split: which shards it has, how long they are and how many samples each holds.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { foundAt } from "../formats/regular.ts";
import { FormatError } from "../../engine/errors.ts";
import { Fields } from "../formats/fields.ts";
import { parseJson, quoted } from "../formats/json.ts";

export const INDEX_VERSION = 1;
const INDEX_BYTES = 64 * 2 ** 20;

/** One shard of a split: its file, its length in bytes, its number of samples. */
export type ShardEntry = {
  readonly file: string;
  readonly bytes: number;
  readonly samples: number;
  /** Of the whole file, in hex. */
  readonly sha256: string;
};

/** What `<split>-index.json` says of a split. */
export type ShardIndex = {
  readonly version: typeof INDEX_VERSION;
  readonly split: string;
  /** Frames per second of every clip. */
  readonly fps: number;
  readonly samples: number;
  /** Names of the label categories; empty when the clips carry no labels. */
  readonly categories: readonly string[];
  readonly shards: readonly ShardEntry[];
};

/** File name of a split's index: `train-index.json`. */
export function indexName(split: string): string {
  return `${split}-index.json`;
}

/** File name of a split's n-th shard: `train-00000.tar`. */
export function shardName(split: string, n: number): string {
  return `${split}-${String(n).padStart(5, "0")}.tar`;
}

/** A split's name is part of file names: letters, digits, `_`, `.` and `-`. */
export function isSplitName(split: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(split);
}

/** Reads and checks the index of a split. */
export function readIndex(folder: string, split: string): ShardIndex {
  const name = indexName(split);
  if (!isSplitName(split))
    throw new FormatError(`${quoted(split)} cannot name a split: letters, digits, "_", "." and "-"`);
  const path = join(folder, name);
  const found = foundAt(path, name);
  if (!found?.isFile()) throw new FormatError(`${name}: not found in ${folder}`);
  if (found.size > INDEX_BYTES) throw new FormatError(`${name}: ${found.size} bytes, allowed are ${INDEX_BYTES}`);
  return parseIndex(readFileSync(path), split);
}

/** The file of an index. */
export function indexBytes(index: ShardIndex): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(index, null, 1)}\n`);
}

/** The index in these bytes, or a FormatError. */
export function parseIndex(bytes: Uint8Array, split: string): ShardIndex {
  const name = indexName(split);
  const known = ["version", "split", "fps", "samples", "categories", "shards"];
  const fields = new Fields(parseJson(bytes, name, INDEX_BYTES), name, "", known);
  if (fields.get("version") !== INDEX_VERSION)
    return fields.refuse("version", fields.get("version"), `${INDEX_VERSION}, the only one this program reads`);
  if (fields.get("split") !== split) return fields.refuse("split", fields.get("split"), quoted(split));
  const shards = fields.list("shards", 1, 1e6).map((value, i) => parseEntry(value, name, `shards[${i}]`));
  const samples = fields.whole("samples", 1, 2 ** 31 - 1);
  const sum = shards.reduce((total, shard) => total + shard.samples, 0);
  if (sum !== samples) return fields.refuse("samples", samples, `${sum}, the sum over the shards`);
  const files = new Set(shards.map(({ file }) => file));
  if (files.size !== shards.length) throw new FormatError(`${name}: a shard is listed twice`);
  const categories = fields.list("categories", 0, 1000).map((value, i) => {
    return typeof value === "string" ? value : fields.refuse(`categories[${i}]`, value, "a string");
  });
  return { version: INDEX_VERSION, split, fps: fields.real("fps", 0.01, 1000), samples, categories, shards };
}

function parseEntry(value: unknown, name: string, path: string): ShardEntry {
  const fields = new Fields(value, name, path, ["file", "bytes", "samples", "sha256"]);
  const sha256 = fields.text("sha256", { max: 64 });
  if (!/^[0-9a-f]{64}$/.test(sha256)) fields.refuse("sha256", sha256, "64 hexadecimal digits");
  return {
    file: fields.text("file", { min: 1, max: 255 }),
    bytes: fields.whole("bytes", 0, Number.MAX_SAFE_INTEGER),
    samples: fields.whole("samples", 1, 2 ** 31 - 1),
    sha256,
  };
}
