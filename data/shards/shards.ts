// WebDataset tar shards -> samples by number. Shards are indexed by their headers and read in place, a member at a
// time, so that neither memory nor start-up grows with the pictures.
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { causeOf } from "../formats/cause.ts";
import { DiskError, FormatError } from "../../engine/errors.ts";
import type { BadSample } from "../bad-samples.ts";
import { takes } from "../../engine/takes.ts";
import { type CheckedInfo, clipLimits, parseClipInfo } from "./clip.ts";
import { sha256Of } from "../formats/hash.ts";
import { inside } from "../formats/inside.ts";
import { quoted } from "../formats/json.ts";
import { indexName, readIndex, type ShardEntry, type ShardIndex } from "./index-file.ts";
import { parsePlainInfo } from "./plain-info.ts";
import { type Member, tarMembers } from "../formats/tar.ts";

/** Some bytes of a shard. */
interface Span {
  readonly offset: number;
  readonly size: number;
}

/** Where a sample lies. Plain data: it travels to workers. */
export type Sample = {
  readonly key: string;
  /** Path of its shard, and the bytes the shard had when it was indexed. */
  readonly path: string;
  readonly bytes: number;
  readonly json: Span;
  /** Of a plain tar, whose JSON may say less: where the caption's own file lies, if there is one. */
  readonly plain?: { readonly text?: Span };
  /** Offset and size of each frame in turn: [o0, s0, o1, s1, …]. */
  readonly frames: Float64Array;
  /** Why it is a bad sample, where its members already tell. */
  readonly fault?: string;
};

/** A sample as any thread can show it: where it lies, and how many categories its JSON must have. */
export interface StoredPlace {
  readonly kind: "stored";
  readonly sample: Sample;
  readonly categories: number;
}

/** A sample's JSON, checked, or a bad sample. */
export type Reading = { readonly index: number; readonly info: CheckedInfo } | BadSample;

/** A split's samples, in the order of its shards. */
export class ShardSet {
  constructor(
    readonly index: ShardIndex,
    readonly items: readonly Sample[],
  ) {
    takes("new ShardSet(index: { categories: text[], shards: object[], ... }, items: object[], ...)", arguments);
  }

  /** Number of samples. */
  get samples(): number {
    return this.items.length;
  }

  /** Names of the label categories; empty where clips carry no labels. */
  get categories(): readonly string[] {
    return this.index.categories;
  }

  /** Names of the samples, in their order. */
  get keys(): string[] {
    return this.items.map(({ key }) => key);
  }

  /** Name of sample i; of one in a plain tar, whose keys may be in others too, with that of the tar. */
  nameOf(i: number): string {
    const { key, plain, path } = this.items[i];
    return plain ? `${basename(path).replace(/\.tar$/i, "")}/${key}` : key;
  }

  /** Sample i as any thread can show it. */
  placeOf(i: number): StoredPlace {
    return { kind: "stored", sample: this.items[i], categories: this.categories.length };
  }

  /** Number of frames of sample i. */
  frameCount(i: number): number {
    return this.items[i].frames.length / 2;
  }

  /** Everything about sample i except its pictures. */
  info(i: number, reader?: ShardReader): CheckedInfo {
    if (reader) return reader.info(this.items[i], this.categories.length);
    const own = new ShardReader();
    try {
      return own.info(this.items[i], this.categories.length);
    } finally {
      own.close();
    }
  }

  /** The same of every sample, in order; the first bad one is a FormatError. */
  *infos(): Generator<CheckedInfo> {
    for (const found of this.readings()) {
      if ("reason" in found) throw new FormatError(found.reason);
      yield found.info;
    }
  }

  /** What every sample's JSON says, in order, or why it is a bad sample. */
  *readings(): Generator<Reading> {
    const reader = new ShardReader();
    try {
      for (let index = 0; index < this.samples; index++) yield this.#reading(index, reader);
    } finally {
      reader.close();
    }
  }

  /** The samples of at least so many frames, as a set. */
  ofAtLeast(frames: number): ShardSet {
    return new ShardSet(
      this.index,
      this.items.filter((item, i) => item.fault !== undefined || this.frameCount(i) >= frames),
    );
  }

  #reading(index: number, reader: ShardReader): Reading {
    try {
      return { index, info: this.info(index, reader) };
    } catch (error) {
      if (error instanceof FormatError) return { index, reason: error.message };
      throw error;
    }
  }
}

export interface OpenShardsOptions {
  /** Compare every sha256 with the index, which reads all bytes; otherwise only those of shards that are newer than it. */
  readonly hash?: boolean;
  /** Hears that shards are newer than their index, which are then compared. */
  readonly say?: (line: string) => void;
}

/**
 * Opens a split of a data set: reads its index and the headers of every shard. Refuses shards that are truncated,
 * damaged, or differ from what the index promises: in length and number of samples, and where they are newer than it, in sha256.
 */
export async function openShards(folder: string, split: string, options: OpenShardsOptions = {}): Promise<ShardSet> {
  takes("openShards(folder: text, split: text, options?: { hash?: flag, say?: function })", arguments);
  const { hash = false, say = () => {} } = options;
  const index = readIndex(folder, split);
  const newer = newerThanIndex(folder, index);
  if (newer.size > 0 && !hash) say(newerText(newer, index));
  const keys = new Map<string, string>();
  const items: Sample[] = [];
  for (const entry of index.shards) {
    if (hash || newer.has(entry.file)) await checkHash(folder, index, entry);
    items.push(...openShard(folder, index, entry, keys));
  }
  return new ShardSet(index, items);
}

/** The samples of one shard, checked against its entry in the index; `keys` are those of the shards before, and get its own. */
export function openShard(
  folder: string,
  { split }: ShardIndex,
  entry: ShardEntry,
  keys: Map<string, string>,
): Sample[] {
  const samples = samplesOf(inside(folder, entry.file, indexName(split)), entry);
  for (const { key } of samples) {
    const other = keys.get(key);
    if (other) throw new FormatError(`${entry.file}: key ${quoted(key)} is in ${other} too`);
    keys.set(key, entry.file);
  }
  return samples;
}

/** Shards that were written after their index: they may be others than it describes. */
function newerThanIndex(folder: string, { split, shards }: ShardIndex): Set<string> {
  const timeOf = (file: string) => statSync(inside(folder, file, indexName(split))).mtimeMs;
  const written = timeOf(indexName(split));
  return new Set(shards.map(({ file }) => file).filter((file) => timeOf(file) > written));
}

function newerText(newer: ReadonlySet<string>, { split, shards }: ShardIndex): string {
  const [first] = newer;
  return (
    `${split}: ${newer.size} of ${shards.length} shards are newer than ${indexName(split)} ` +
    `(${first}${newer.size > 1 ? ", …" : ""}); their sha256 is compared`
  );
}

/** Refuses a shard whose bytes are not those that its index describes. */
export async function checkHash(folder: string, { split }: ShardIndex, { file, sha256 }: ShardEntry): Promise<void> {
  const found = await sha256Of(inside(folder, file, indexName(split)));
  if (found === sha256) return;
  throw new FormatError(
    `${file}: sha256 is ${found}, the index says ${sha256}; if you changed it, \`emotionclip data index\` makes a new index`,
  );
}

/** The samples of one shard, checked against its entry in the index. */
function samplesOf(path: string, entry: ShardEntry): Sample[] {
  const samples = scanShard(path, entry.file, entry.bytes);
  if (samples.length !== entry.samples)
    throw new FormatError(`${entry.file}: has ${samples.length} samples, the index promises ${entry.samples}`);
  return samples;
}

/** The samples of a shard of `bytes` bytes, from its headers; `name` begins every message. */
export function scanShard(path: string, name: string, bytes: number): Sample[] {
  return withMembers(path, name, bytes, (members) => groupMembers(members, name, path, bytes));
}

/** What `work` makes of the members of a tar file of `bytes` bytes. */
export function withMembers<T>(path: string, name: string, bytes: number, work: (members: Iterable<Member>) => T): T {
  const file = new ShardFile(path, bytes);
  try {
    return work(tarMembers(file.window(), bytes, name));
  } finally {
    file.close();
  }
}

type Parts = { json?: Member; frames: Map<number, Member> };

/** Members -> samples: `<key>.json` and `<key>.0000.jpg` …, everything of one key together. */
export function groupMembers(members: Iterable<Member>, file: string, path: string, bytes: number): Sample[] {
  const parts = new Map<string, Parts>();
  let last: string | undefined;
  for (const member of members) {
    const match = /^((?:[^/]*\/)*[^./]+)\.(?:json|(\d{4})\.(?:jpe?g|png))$/i.exec(member.name);
    if (!match)
      throw new FormatError(
        `${file}: member ${quoted(member.name)}; allowed are KEY.json and KEY.0000.jpg, .jpeg, .png`,
      );
    const [, key, frame] = match;
    if (key !== last && parts.has(key))
      throw new FormatError(`${file}: the members of ${quoted(key)} are not together`);
    last = key;
    const sample: Parts = parts.get(key) ?? { frames: new Map() };
    parts.set(key, sample);
    const twice = frame === undefined ? sample.json : sample.frames.get(Number(frame));
    if (twice) throw new FormatError(`${file}: ${quoted(member.name)} is there twice`);
    if (frame === undefined) sample.json = member;
    else sample.frames.set(Number(frame), member);
  }
  return [...parts].map(([key, sample]) => toSample(key, sample, file, path, bytes));
}

function toSample(key: string, parts: Parts, file: string, path: string, bytes: number): Sample {
  const { json = { offset: 0, size: 0 }, frames } = parts;
  const fault = faultOf(parts);
  const spans = Array.from({ length: fault ? 0 : frames.size }, (_, i) => [frames.get(i)!.offset, frames.get(i)!.size]);
  return {
    key,
    path,
    bytes,
    json: { offset: json.offset, size: json.size },
    frames: Float64Array.from(spans.flat()),
    ...(fault !== undefined && { fault: `${file}: ${quoted(key)} ${fault}` }),
  };
}

/** What a clip's members lack: it is a bad sample, and its neighbours are read all the same. */
function faultOf({ json, frames }: Parts): string | undefined {
  if (!json) return "has no .json";
  if (json.size > clipLimits.jsonBytes) return `has ${json.size} bytes of JSON, allowed are ${clipLimits.jsonBytes}`;
  if (frames.size === 0) return "has no frames";
  for (let i = 0; i < frames.size; i++)
    if (!frames.has(i)) return `has ${frames.size} frames, but none with number ${i}`;
  return undefined;
}

/** Reads samples; holds a few shards open. One per thread, closed by its owner. */
export class ShardReader {
  private readonly open = new Map<string, ShardFile>();

  /** The sample's JSON, checked against the number of its frames. */
  info(sample: Sample, categories: number): CheckedInfo {
    if (sample.fault !== undefined) throw new FormatError(sample.fault);
    const read = ({ offset, size }: Span) => this.file(sample).read(offset, size);
    const [name, frames] = [`${basename(sample.path)}: ${sample.key}`, sample.frames.length / 2];
    if (!sample.plain) return parseClipInfo(read(sample.json), `${name}.json`, frames, categories);
    const json = sample.json.size > 0 ? read(sample.json) : undefined;
    return parsePlainInfo({ json, text: sample.plain.text && read(sample.plain.text) }, name, frames);
  }

  /** The encoded picture of frame t. */
  frame(sample: Sample, t: number): Uint8Array {
    return this.file(sample).read(sample.frames[2 * t], sample.frames[2 * t + 1]);
  }

  /** Closes the shards that are open; they open again when a sample is read. */
  close(): void {
    for (const file of this.open.values()) file.close();
    this.open.clear();
  }

  private file({ path, bytes }: Sample): ShardFile {
    const known = this.open.get(path);
    if (known) return known;
    if (this.open.size >= OPEN_FILES) {
      const [oldest, file] = this.open.entries().next().value!;
      file.close();
      this.open.delete(oldest);
    }
    const file = new ShardFile(path, bytes);
    this.open.set(path, file);
    return file;
  }
}

/** Shards a reader holds open: several readers must fit into 64 file descriptors. */
const OPEN_FILES = 8;

/** A shard on disk. Reads are synchronous: they hit the page cache, and workers have nothing else to do. */
class ShardFile {
  private readonly fd: number;

  constructor(
    readonly path: string,
    readonly bytes: number,
  ) {
    this.fd = reading(path, () => openSync(path, "r"));
    const found = fstatSync(this.fd);
    if (found.isFile() && found.size === bytes) return;
    closeSync(this.fd);
    throw new FormatError(`${basename(path)}: has ${found.size} bytes, the index promises ${bytes}`);
  }

  read(at: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    this.fill(out, at);
    return out;
  }

  /** Reads through a window, so that the headers of small members need no system call each. */
  window(): (at: number, length: number) => Uint8Array {
    let window = new Uint8Array(0);
    let start = 0;
    return (at, length) => {
      if (at < start || at + length > start + window.length) {
        const size = Math.min(Math.max(WINDOW, length), this.bytes - at);
        if (window.length !== size) window = new Uint8Array(size);
        this.fill(window, at);
        start = at;
      }
      return window.subarray(at - start, at - start + length);
    };
  }

  close(): void {
    closeSync(this.fd);
  }

  private fill(out: Uint8Array, at: number): void {
    for (let done = 0; done < out.length; ) {
      const n = reading(this.path, () => readSync(this.fd, out, done, out.length - done, at + done));
      if (n === 0) throw new FormatError(`${basename(this.path)}: ends at byte ${at + done} while it is read`);
      done += n;
    }
  }
}

const WINDOW = 65_536;

/** What the system refuses is no fault of a sample: a DiskError, which nothing skips. */
function reading<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new DiskError(`${basename(path)}: cannot be read: ${causeOf(error)}`, { cause: error });
  }
}
