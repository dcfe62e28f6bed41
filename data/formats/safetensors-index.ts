// Weights in several safetensors files with an index beside them that says which tensor lies where, as Hugging Face writes
// them: model-00001-of-00003.safetensors and model.safetensors.index.json.
import { readFile, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { inside } from "./inside.ts";
import { isObject, parseJson, quoted } from "./json.ts";
import { FormatError, nearest, ShapeError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import type { Room } from "./content.ts";
import { itemBytes } from "./dtypes.ts";
import {
  type SafetensorsEntry,
  limits,
  SafetensorsFile,
  safetensorsBytes,
  safetensorsSize,
  type TensorInfo,
} from "./safetensors.ts";

/** Limits of the index. */
const most = { bytes: 64 * 2 ** 20, files: 1000 } as const;

/** All files of an index, open and checked: each tensor is in exactly the file that the index names, and nothing else is. */
export class SafetensorsIndex {
  readonly tensors: ReadonlyMap<string, TensorInfo>;

  private constructor(
    readonly path: string,
    private readonly files: ReadonlyMap<string, SafetensorsFile>,
    private readonly places: ReadonlyMap<string, string>,
    readonly metadata: ReadonlyMap<string, string>,
  ) {
    this.tensors = new Map(Array.from(places, ([name, file]) => [name, files.get(file)!.info(name)]));
  }

  /** Opens an index and every file it names; throws FormatError where they disagree. */
  static async open(path: string): Promise<SafetensorsIndex> {
    const { places, total, metadata } = await readIndex(path);
    const files = new Map<string, SafetensorsFile>();
    try {
      for (const file of new Set(places.values()))
        files.set(file, await SafetensorsFile.open(inside(dirname(path), file, basename(path))));
      checkPlaces(basename(path), places, files, total);
      return new SafetensorsIndex(path, files, places, metadata);
    } catch (error) {
      for (const file of files.values()) await file.close();
      throw error;
    }
  }

  read = (name: string): Promise<Uint8Array> => this.fileOf(name).read(name);
  floats = (name: string): Promise<Float32Array> => this.fileOf(name).floats(name);
  chunks = (name: string, room?: Room): AsyncIterable<Uint8Array> => this.fileOf(name).chunks(name, room);

  async close(): Promise<void> {
    for (const file of this.files.values()) await file.close();
  }

  private fileOf(name: string): SafetensorsFile {
    const file = this.places.get(name);
    if (file !== undefined) return this.files.get(file)!;
    const near = nearest(name, this.places.keys());
    throw new FormatError(`${basename(this.path)}: no tensor ${quoted(name)}${near ? ` (did you mean ${near}?)` : ""}`);
  }
}

interface IndexJson {
  /** File of each tensor. */
  readonly places: ReadonlyMap<string, string>;
  /** Bytes of all tensors, if the index says. */
  readonly total: number | undefined;
  readonly metadata: ReadonlyMap<string, string>;
}

async function readIndex(path: string): Promise<IndexJson> {
  const name = basename(path);
  const { size } = await stat(path);
  const fail = (what: string): never => {
    throw new FormatError(`${name}: ${what}`);
  };
  if (size > most.bytes) fail(`${size} bytes of JSON; at most ${most.bytes} are allowed`);
  const index = parseJson(await readFile(path), name, most.bytes);
  if (!isObject(index)) return fail("not an index: no object");
  for (const key of Object.keys(index))
    if (key !== "weight_map" && key !== "metadata") fail(`unknown field ${quoted(key)}; known: metadata, weight_map`);
  const { weight_map: map, metadata = {} } = index;
  if (!isObject(map))
    return fail(`not an index of safetensors: weight_map is ${map === undefined ? "missing" : "no object"}`);
  if (!isObject(metadata)) return fail("metadata is no object");
  const places = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== "string") return fail(`the file of ${quoted(tensor)} is not text`);
    places.set(tensor, file);
  }
  if (places.size > limits.tensors) fail(`${places.size} tensors; at most ${limits.tensors} are allowed`);
  const files = new Set(places.values()).size;
  if (files > most.files) fail(`${files} files; at most ${most.files} are allowed`);
  const { total_size: total, ...others } = metadata;
  if (total !== undefined && !(Number.isSafeInteger(total) && Number(total) >= 0))
    fail("total_size is not a whole number from 0 to 2^53 - 1");
  const texts = Object.entries(others).map(([key, value]): [string, string] => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return { places, total: total as number | undefined, metadata: new Map(texts) };
}

function checkPlaces(
  index: string,
  places: ReadonlyMap<string, string>,
  files: ReadonlyMap<string, SafetensorsFile>,
  total: number | undefined,
): void {
  const fail = (what: string): never => {
    throw new FormatError(`${index}: ${what}`);
  };
  let bytes = 0;
  for (const [tensor, file] of places)
    if (!files.get(file)!.tensors.has(tensor)) fail(`tensor ${quoted(tensor)} is not in ${quoted(file)}`);
  for (const [file, { tensors }] of files) {
    for (const [tensor, info] of tensors) {
      bytes += info.bytes;
      if (places.get(tensor) !== file)
        fail(`tensor ${quoted(tensor)} is in ${quoted(file)}, where the index does not name it`);
    }
  }
  if (total !== undefined && total !== bytes) fail(`total_size is ${total}, the tensors have ${bytes} bytes`);
}

/** A file to write: its name and its bytes. */
export interface ShardedFile {
  readonly name: string;
  /** Bytes it will have, known before any tensor is read. */
  readonly size: number;
  /** Its bytes, in pieces; called once. */
  bytes(): AsyncIterable<Uint8Array>;
}

/**
 * The files of a set of tensors, none with more than `most` bytes of tensors unless a single one has: shards in the order
 * given, then the index. `stem` is their name, as in "model".
 */
export function shardedFiles(
  entries: Iterable<SafetensorsEntry>,
  mostBytes: number,
  stem = "model",
  metadata: Readonly<Record<string, string>> = {},
): ShardedFile[] {
  takes("shardedFiles(entries: iterable, mostBytes: positive, stem?: text, metadata?: object, ...)", arguments);
  const sizeOf = ({ dtype, shape }: SafetensorsEntry) =>
    shape.reduce((bytes, length) => bytes * length, itemBytes[dtype]);
  const shards: SafetensorsEntry[][] = [];
  let room = 0;
  let total = 0;
  const names = new Set<string>();
  for (const entry of entries) {
    if (names.has(entry.name)) throw new ShapeError(`safetensors: two tensors are named ${quoted(entry.name)}`);
    names.add(entry.name);
    const bytes = sizeOf(entry);
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = mostBytes;
    }
    shards[shards.length - 1].push(entry);
    room -= bytes;
    total += bytes;
  }
  if (shards.length === 0) shards.push([]);
  const number = (n: number) => String(n).padStart(5, "0");
  const nameOf = (i: number) => `${stem}-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
  const map = shards.flatMap((shard, i) => shard.map(({ name }): [string, string] => [name, nameOf(i)]));
  const index = new TextEncoder().encode(
    `${JSON.stringify({ metadata: { total_size: total, ...metadata }, weight_map: Object.fromEntries(map) }, null, 2)}\n`,
  );
  const files = shards.map((shard, i): ShardedFile => {
    const size = safetensorsSize(shard, metadata);
    return { name: nameOf(i), size, bytes: () => safetensorsBytes(shard, metadata) };
  });
  return [...files, { name: `${stem}.safetensors.index.json`, size: index.length, bytes: () => once(index) }];
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
