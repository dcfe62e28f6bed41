// A run folder: config.json, metrics.jsonl, lock, checkpoints, and the model at the end. One process owns it at a time;
// the same settings resume it, and the log then holds every step exactly once.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { orMissing } from "../../data/formats/cause.ts";
import { BusyError, FormatError, nearest, UsageError } from "../../engine/errors.ts";
import { type Json, parseJson } from "../../data/formats/json.ts";
import { readRegular } from "../../data/formats/regular.ts";
import type { SafetensorsEntry } from "../../data/formats/safetensors.ts";
import {
  type Checkpoint,
  checkpointName,
  checkpointSteps,
  type Manifest,
  newestCheckpoint,
  pruneCheckpoints,
  readManifest,
  saveCheckpoint,
  type SavedState,
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
import { EventFile, eventFileName } from "./event-file.ts";
import { addOverride, needsOtherMoments, type Override, readOverrides } from "./overrides.ts";
import { metadataOf, readConfig } from "../../model/families.ts";
import { recipeSchema } from "../recipe.ts";
import { Lock } from "../../data/formats/lock.ts";

/** Settings as they are written to config.json: whatever JSON can hold. */
export type Recorded = Readonly<Record<string, unknown>>;

/** A line of metrics.jsonl. `step` counts finished updates: the line of the first update says 1. */
export interface LogLine {
  readonly step: number;
  readonly [key: string]: Json;
}

export interface RunOptions {
  /** Settings that may differ from the ones the run began with: names as in `lr.rest`, or a prefix as in `lr`. */
  readonly override?: readonly string[];
  /** Newest checkpoints that stay; 2. */
  readonly keep?: number;
  /** Whether TensorBoard is to read the run as well. A run that has its file keeps it in step, with or without this. */
  readonly tensorboard?: boolean;
  /** Receives what a person should read: a lock taken over, a damaged checkpoint passed over. */
  readonly notice?: (line: string) => void;
}

/** An open run folder, locked by this process until `close`. */
export class RunFolder {
  private log: AppendFile | undefined;
  private events: EventFile | undefined;
  private readonly damaged: number[] = [];
  private overrides: readonly Override[] = [];
  private constructor(
    readonly path: string,
    readonly config: string,
    private readonly metadata: Readonly<Record<string, string>>,
    private readonly lock: Lock,
    private readonly keep: number,
    private readonly notice: (line: string) => void,
    private readonly tensorboard: boolean,
  ) {}

  /** Makes or reopens a run folder. Refuses a folder of something else, one in use, and settings that differ. */
  static async open(path: string, settings: Recorded, options: RunOptions = {}): Promise<RunFolder> {
    const { override = [], keep = 2, notice = () => {}, tensorboard = false } = options;
    await makeFolder(path);
    await checkIsOurs(path);
    const lock = await Lock.take(path, notice);
    try {
      await removeTemporary(path);
      await agree(path, settings, override, notice);
      return new RunFolder(path, configHash(settings), metadataIn(settings), lock, keep, notice, tensorboard);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /**
   * Refuses, before a GPU is opened, what `open` and `checkSpace` would refuse: a folder that cannot be written to or is in use,
   * settings that differ, a disk without room for checkpoints of `bytes` each. Leaves everything as it was.
   */
  static async check(path: string, settings: Recorded, bytes: number, options: RunOptions = {}): Promise<void> {
    const { override = [], keep = 2, notice = () => {} } = options;
    const takeBack = await makeFolder(path);
    try {
      await checkIsOurs(path);
      const lock = await Lock.take(path, notice);
      try {
        await changesIn(path, settings, override);
        await checkRoom(path, bytes, keep);
      } finally {
        await lock.release();
      }
    } finally {
      await takeBack();
    }
  }

  /** Removes what a process that was killed behind its last file left in a finished run: its lock, files half written. */
  static async tidy(path: string): Promise<void> {
    if (!(await listFolder(path)).some((name) => name === "lock" || isTemporary(name))) return;
    const lock = await Lock.take(path, () => {}).catch(unlessHeld);
    if (!lock) return;
    try {
      await removeTemporary(path);
    } finally {
      await lock.release();
    }
  }

  /** The newest intact checkpoint, or undefined for a fresh run. Cuts the log back to its step. Call it once, first. */
  async resume(): Promise<Checkpoint | undefined> {
    const warnings: string[] = [];
    const checkpoint = await newestCheckpoint(this.path, (line) => warnings.push(line));
    for (const line of warnings) this.notice(`warning: ${line}`);
    const step = checkpoint?.manifest.step ?? 0;
    const { unmeasured } = (checkpoint?.manifest.state ?? {}) as { unmeasured?: LogLine }; // train/loop.ts logs that step anew
    try {
      this.damaged.push(...(await checkpointSteps(this.path)).filter((other) => other > step));
      const overrides = await readOverrides(this.path);
      this.overrides = overrides.map(({ after, changes }) => ({ after: Math.min(after, step), changes }));
      const path = join(this.path, "metrics.jsonl");
      const logged = unmeasured ? step - 1 : step;
      const { length, damaged } = await lengthUpTo(path, logged);
      if (damaged.length) this.notice(`warning: metrics.jsonl: ${damagedLines(damaged)} cannot be read; the others stay`);
      this.log = await AppendFile.open(path, length);
      if (this.tensorboard || (await listFolder(this.path)).includes(eventFileName)) {
        this.events = await EventFile.open(this.path, logged);
        if (this.events.isNew && logged > 0) this.notice(`${eventFileName}: begins at step ${logged + 1}; the log has all`);
      }
      if (checkpoint) await pruneCheckpoints(this.path, step, checkpoint.manifest.best?.step, this.keep); // killed after a commit
      return checkpoint;
    } catch (error) {
      await checkpoint?.close();
      throw error;
    }
  }

  /**
   * Adds a line to metrics.jsonl. Numbers that are not finite are written as null. The first line for which overridden settings hold
   * tells them.
   */
  async append(line: LogLine): Promise<void> {
    const { step, ...rest } = line;
    const changes = this.overrides.filter(({ after }) => after === step - 1).flatMap((each) => each.changes);
    const overridden = changes.length > 0 ? { overridden: changes } : {};
    await this.opened().append(`${JSON.stringify({ step, ...rest, ...overridden })}\n`);
    await this.events?.append(line);
  }

  /**
   * Commits a checkpoint, with the log durable up to it, and only then removes old ones: the newest (`keep`) and the best stay.
   * `read` is called when the tensors may change again; the log may grow meanwhile.
   */
  async save(at: Omit<SavedState, "config" | "metadata" | "before">): Promise<Manifest> {
    const log = this.opened();
    const before = async () => {
      await log.sync();
      await this.events?.sync();
    };
    const { config, metadata } = this;
    const manifest = await saveCheckpoint(this.path, { ...at, config, metadata, before });
    for (const step of this.damaged.splice(0)) {
      if (step !== at.step && step !== at.best?.step) await remove(join(this.path, checkpointName(step)));
    }
    await pruneCheckpoints(this.path, at.step, at.best?.step, this.keep);
    return manifest;
  }

  /** Writes a model alone, under the official parameter names. */
  finish(
    model: Iterable<SafetensorsEntry>,
    metadata: Record<string, string> = {},
    name = "checkpoint.safetensors",
  ): Promise<Written> {
    return saveModel(join(this.path, name), model, metadata);
  }

  /** Refuses when the checkpoints that this run is still to add, of `bytes` each, do not fit on the disk. */
  checkSpace(bytes: number): Promise<void> {
    return checkRoom(this.path, bytes, this.keep);
  }

  /** Flushes the log and gives the folder back. */
  async close(): Promise<void> {
    try {
      await this.log?.close();
      await this.events?.close();
    } finally {
      await this.lock.release();
    }
  }

  private opened(): AppendFile {
    if (!this.log) throw new Error("RunFolder: call resume() before logging or saving");
    return this.log;
  }
}

/**
 * While a checkpoint is written the newest (`keep`) lie there (and the best, where it is neither). Those that are there already take
 * no more room.
 */
async function checkRoom(path: string, bytes: number, keep: number): Promise<void> {
  const steps = await checkpointSteps(path);
  const sound = await Promise.all(
    steps.map((step) =>
      readManifest(join(path, checkpointName(step))).then(
        () => 1,
        () => 0,
      ),
    ),
  );
  const surplus = sound.reduce<number>((a, b) => a + b, 0) > keep; // `resume` removes it before one is written
  const more = surplus ? 0 : Math.max(1, keep + 1 - steps.length);
  await checkSpace(path, more * bytes, more > 1 ? `room for ${more} checkpoints` : "room for a checkpoint");
}

/** For the owner of a folder's lock. */
async function removeTemporary(path: string): Promise<void> {
  for (const name of await listFolder(path)) if (isTemporary(name)) await remove(join(path, name));
}

/** For `catch`: a lock that somebody else holds is none to be had. */
function unlessHeld(error: unknown): undefined {
  if (!(error instanceof BusyError)) throw error;
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
async function agree(
  path: string,
  settings: Recorded,
  override: readonly string[],
  notice: (line: string) => void,
): Promise<void> {
  const file = join(path, "config.json");
  const changes = await changesIn(path, settings, override);
  if (changes?.length === 0) return;
  if (changes) {
    notice(`warning: settings other than the run began with: ${changes.join(", ")}`);
    await addOverride(path, { after: (await checkpointSteps(path))[0] ?? 0, changes });
  }
  await replaceFile(file, textOf(settings));
}

const textOf = (settings: Recorded) => `${JSON.stringify(settings, null, 2)}\n`;

/** What is recorded since the run began, where it says what was so before: a run goes on without it. */
function isNew(key: string, before: ReadonlyMap<string, string>, now: string | undefined): boolean {
  if (before.has(key)) return false;
  const known = Object.entries(recipeSchema).find(([name]) => name === key);
  return key === "clips" || (known !== undefined && JSON.stringify(known[1].value) === now);
}

/** Settings that differ from those the run began with, all of them overridden by name; undefined for a fresh run. Errors: UsageError. */
async function changesIn(
  path: string,
  settings: Recorded,
  override: readonly string[],
): Promise<string[] | undefined> {
  const file = join(path, "config.json");
  if (!(await listFolder(path)).includes("config.json")) return undefined;
  const before = leavesOf(parseJson(await readRegular(file, 2 ** 20, "config.json"), "config.json", 2 ** 20));
  const now = leavesOf(JSON.parse(textOf(settings)));
  const keys = [...new Set([...before.keys(), ...now.keys()])];
  checkNames(override, new Set(keys));
  const changed = keys.filter((key) => before.get(key) !== now.get(key) && !isNew(key, before, now.get(key)));
  const refused = changed.filter((key) => !override.some((name) => covers(name, key)));
  const told = (key: string) => `${key} ${shown(before.get(key))} -> ${shown(now.get(key))}`;
  if (refused.length)
    throw new UsageError(
      `${path}: its run began with other settings: ${refused.map(told).join(", ")}; use another folder, or --override ${refused.join(",")}`,
    );
  const lacking = changed.filter((key) => needsOtherMoments(key, before.get(key), now.get(key)));
  if (lacking.length > 0 && (await checkpointSteps(path)).length > 0)
    throw new UsageError(
      `${path}: ${lacking.map(told).join(", ")}: its checkpoints have no moments for that, so the run cannot go on with it; ` +
        `another run can begin with its weights: --pretrained ${path}`,
    );
  return changed.map(told);
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

/** Leaves of settings by dotted name, as JSON; a list is a leaf. */
export function leavesOf(value: Json, prefix = "", into = new Map<string, string>()): Map<string, string> {
  if (value === null || typeof value !== "object" || Array.isArray(value))
    return into.set(prefix, JSON.stringify(value));
  for (const [key, inner] of Object.entries(value)) leavesOf(inner, prefix ? `${prefix}.${key}` : key, into);
  return into;
}

/** "line 5", or how many and the first of them. */
const damagedLines = ([first, ...more]: readonly number[]): string =>
  more.length ? `${more.length + 1} lines, the first line ${first},` : `line ${first}`;

/**
 * Bytes of the log's lines up to `step`, and the numbers of those that are damaged: no JSON, or not in the order of steps. They
 * stay where lines up to `step` follow. A line without an end is a torn one and not counted.
 */
async function lengthUpTo(path: string, step: number): Promise<{ length: number; damaged: number[] }> {
  const handle = await open(path, "r").catch(orMissing(path));
  const damaged: number[] = [];
  if (!handle) return { length: 0, damaged };
  try {
    const piece = Buffer.alloc(2 ** 16);
    let length = 0; // up to the last sound line
    let rest = "";
    let passed = 0;
    let number = 0;
    let last = 0;
    const unsure: number[] = []; // behind it
    for (let at = 0; ; ) {
      const { bytesRead } = await handle.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return { length, damaged };
      at += bytesRead;
      const lines = (rest + piece.toString("latin1", 0, bytesRead)).split("\n"); // latin1: a character is a byte
      rest = lines.pop()!;
      for (const line of lines) {
        number++;
        passed += line.length + 1;
        const found = stepInLine(line);
        const sound = found !== undefined && found <= step && found >= last;
        if (!sound) unsure.push(number);
        const ours = found === undefined && last + unsure.length <= step; // a step has a line: this is one of the missing
        if (!sound && !ours) continue;
        length = passed;
        last = sound ? found : last + unsure.length;
        damaged.push(...unsure.splice(0));
      }
    }
  } finally {
    await handle.close();
  }
}

/** The step of a line of the log; undefined where the line is damaged. */
function stepInLine(latin1: string): number | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(latin1, "latin1"));
    const { step } = JSON.parse(text) as { step: unknown };
    return Number.isSafeInteger(step) ? (step as number) : undefined;
  } catch {
    return undefined;
  }
}
