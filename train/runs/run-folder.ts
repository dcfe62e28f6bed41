// A run folder: config.json, metrics.jsonl, lock, checkpoints, and the model at the end. One process owns it at a time;
// the same settings resume it, and the log then holds every step exactly once.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, nearest, UsageError } from "../../engine/errors.ts";
import { type Json, parseJson } from "../../data/formats/json.ts";
import { readRegular } from "../../data/formats/regular.ts";
import type { Entry } from "../../data/formats/safetensors.ts";
import {
  type Checkpoint,
  type CheckpointTensors,
  checkpointName,
  checkpointSteps,
  type Manifest,
  newestCheckpoint,
  type Progressed,
  pruneCheckpoints,
  saveCheckpoint,
  saveModel,
  stepOf,
} from "../../model/checkpoint/folder.ts";
import {
  AppendFile,
  checkSpace,
  isTemporary,
  listFolder,
  makeFolder,
  remove,
  replaceFile,
  type Written,
} from "../../data/formats/disk.ts";
import { metadataOf, readConfig } from "../../model/families.ts";
import { Lock } from "../../data/formats/lock.ts";

/** Settings as they are written to config.json: whatever JSON can hold. */
export type Recorded = Readonly<Record<string, unknown>>;

/** A line of metrics.jsonl. `step` counts finished updates: the line of the first update says 1. */
export interface LogLine {
  readonly step: number;
  readonly [key: string]: Json;
}

export interface OpenOptions {
  /** Settings that may differ from the ones the run began with: names as in `lr.rest`, or a prefix as in `lr`. */
  readonly override?: readonly string[];
  /** Receives what a person should read: a lock taken over, a damaged checkpoint passed over. */
  readonly notice?: (line: string) => void;
}

/** An open run folder, locked by this process until `close`. */
export class RunFolder {
  private log: AppendFile | undefined;
  private readonly damaged: number[] = [];
  private constructor(
    readonly path: string,
    readonly config: string,
    private readonly metadata: Readonly<Record<string, string>>,
    private readonly lock: Lock,
    private readonly notice: (line: string) => void,
  ) {}

  /** Makes or reopens a run folder. Refuses a folder of something else, one in use, and settings that differ. */
  static async open(path: string, settings: Recorded, options: OpenOptions = {}): Promise<RunFolder> {
    const { override = [], notice = () => {} } = options;
    await makeFolder(path);
    await checkIsOurs(path);
    const lock = await Lock.take(path, notice);
    try {
      for (const name of await listFolder(path)) if (isTemporary(name)) await remove(join(path, name));
      await agree(path, settings, override);
      return new RunFolder(path, configHash(settings), metadataIn(settings), lock, notice);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** The newest intact checkpoint, or undefined for a fresh run. Cuts the log back to its step. Call it once, first. */
  async resume(): Promise<Checkpoint | undefined> {
    const warnings: string[] = [];
    const checkpoint = await newestCheckpoint(this.path, (line) => warnings.push(line));
    for (const line of warnings) this.notice(`warning: ${line}`);
    const step = checkpoint?.manifest.step ?? 0;
    try {
      this.damaged.push(...(await checkpointSteps(this.path)).filter((other) => other > step));
      const path = join(this.path, "metrics.jsonl");
      this.log = await AppendFile.open(path, await lengthUpTo(path, step));
      if (checkpoint) await pruneCheckpoints(this.path, step, checkpoint.manifest.best?.step); // killed after a commit
      return checkpoint;
    } catch (error) {
      await checkpoint?.close();
      throw error;
    }
  }

  /** Adds a line to metrics.jsonl. Numbers that are not finite are written as null. */
  append(line: LogLine): Promise<void> {
    const { step, ...rest } = line;
    return this.opened().append(`${JSON.stringify({ step, ...rest })}\n`);
  }

  /** Makes the log durable, commits a checkpoint, and only then removes old ones: two newest and the best stay. */
  async save(at: Omit<Progressed, "config"> & { tensors: CheckpointTensors }): Promise<Manifest> {
    await this.opened().sync();
    const manifest = await saveCheckpoint(this.path, { ...at, config: this.config, metadata: this.metadata });
    for (const step of this.damaged.splice(0)) {
      if (step !== at.step && step !== at.best?.step) await remove(join(this.path, checkpointName(step)));
    }
    await pruneCheckpoints(this.path, at.step, at.best?.step);
    return manifest;
  }

  /** Writes checkpoint.safetensors: the model alone, under the official parameter names. */
  finish(model: Iterable<Entry>, metadata: Record<string, string> = {}): Promise<Written> {
    return saveModel(join(this.path, "checkpoint.safetensors"), model, metadata);
  }

  /** Refuses when two checkpoints of `bytes` do not fit on the disk. */
  checkSpace(bytes: number): Promise<void> {
    return checkSpace(this.path, 2 * bytes, "two checkpoints");
  }

  /** Flushes the log and gives the folder back. */
  async close(): Promise<void> {
    try {
      await this.log?.close();
    } finally {
      await this.lock.release();
    }
  }

  private opened(): AppendFile {
    if (!this.log) throw new Error("RunFolder: call resume() before logging or saving");
    return this.log;
  }
}

/** The model's configuration, as a file of its weights carries it. */
function metadataIn({ model }: Recorded): Record<string, string> {
  return model === undefined ? {} : metadataOf(readConfig(model as Json, "settings: model"));
}

/** sha256 of the settings, whatever the order of their keys. */
export function configHash(settings: Recorded): string {
  return createHash("sha256")
    .update(JSON.stringify(sorted(settings)))
    .digest("hex");
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(sorted);
  const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(pairs.map(([key, inner]) => [key, sorted(inner)]));
}

/** A folder with foreign files in it is not ours to write to. */
async function checkIsOurs(path: string): Promise<void> {
  const names = (await listFolder(path)).filter((name) => name !== "lock" && !isTemporary(name));
  if (names.length === 0 || names.includes("config.json")) return;
  if (names.some((name) => stepOf(name) !== undefined))
    throw new FormatError(`${path}: has checkpoints but no config.json`);
  throw new UsageError(`${path}: is not empty and not a run folder (no config.json); choose another`);
}

/** Writes config.json for a fresh run; for an old one refuses settings that differ and are not overridden by name. */
async function agree(path: string, settings: Recorded, override: readonly string[]): Promise<void> {
  const file = join(path, "config.json");
  const text = `${JSON.stringify(settings, null, 2)}\n`;
  if (!(await listFolder(path)).includes("config.json")) return void (await replaceFile(file, text));
  const before = flat(parseJson(await readRegular(file, 2 ** 20, "config.json"), "config.json", 2 ** 20));
  const now = flat(JSON.parse(text));
  checkNames(override, new Set([...before.keys(), ...now.keys()]));
  const changed = [...new Set([...before.keys(), ...now.keys()])].filter((key) => before.get(key) !== now.get(key));
  const refused = changed.filter((key) => !override.some((name) => covers(name, key)));
  if (refused.length) {
    const list = refused.map((key) => `${key} ${shown(before.get(key))} -> ${shown(now.get(key))}`).join(", ");
    throw new UsageError(
      `${path}: its run began with other settings: ${list}; use another folder, or --override ${refused.join(",")}`,
    );
  }
  if (changed.length) await replaceFile(file, text);
}

function checkNames(override: readonly string[], keys: ReadonlySet<string>): void {
  for (const name of override) {
    if ([...keys].some((key) => covers(name, key))) continue;
    const near = nearest(name, keys);
    throw new UsageError(`--override: unknown setting "${name}"${near ? `; did you mean ${near}?` : ""}`);
  }
}

const shown = (value: string | undefined) => (value ?? "unset").slice(0, 40);
const covers = (name: string, key: string) => key === name || key.startsWith(`${name}.`);

/** Leaves by dotted name; a list is a leaf. */
function flat(value: Json, prefix = "", into = new Map<string, string>()): Map<string, string> {
  if (value === null || typeof value !== "object" || Array.isArray(value))
    return into.set(prefix, JSON.stringify(value));
  for (const [key, inner] of Object.entries(value)) flat(inner, prefix ? `${prefix}.${key}` : key, into);
  return into;
}

/** Bytes of the log's leading lines up to `step`; a line without an end is a torn one and not counted. */
async function lengthUpTo(path: string, step: number): Promise<number> {
  const handle = await open(path, "r").catch(() => undefined);
  if (!handle) return 0;
  try {
    const piece = Buffer.alloc(2 ** 16);
    let length = 0;
    let rest = "";
    for (let at = 0; ; ) {
      const { bytesRead } = await handle.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return length;
      at += bytesRead;
      const lines = (rest + piece.toString("latin1", 0, bytesRead)).split("\n"); // latin1: a character is a byte
      rest = lines.pop()!;
      for (const line of lines) {
        const found = /^\{"step":(\d+)[,}]/.exec(line);
        if (!found || Number(found[1]) > step) return length;
        length += line.length + 1;
      }
    }
  } finally {
    await handle.close();
  }
}
