// A list of clips -> shards, shard by shard, in a folder beside the one that is to be. Finished shards stay where the work is
// stopped or killed, and the same call goes on after them; the folder takes its name when all is complete.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, HealthError, UsageError } from "../../engine/errors.ts";
import { orMissing } from "../formats/cause.ts";
import {
  isTemporary,
  listFolder,
  makeFolder,
  remove,
  renameDurably,
  replaceFile,
  syncFolder,
} from "../formats/disk.ts";
import { parseJson } from "../formats/json.ts";
import { Lock } from "../formats/lock.ts";
import { foundAt } from "../formats/regular.ts";
import type { Clip } from "../shards/clip.ts";
import {
  INDEX_VERSION,
  indexBytes,
  indexName,
  type ShardEntry,
  type ShardIndex,
  shardName,
} from "../shards/index-file.ts";
import { writeShard } from "../shards/writer.ts";
import { inOrder } from "../threads/in-order.ts";
import { type Meter, Stopped, type StopRequest } from "../threads/long-work.ts";
import { type Account, accountOf, Unfit } from "./account.ts";
import { ClipMaker, type StoredForm } from "./clip.ts";
import type { ClipList, ListedClip } from "./list-file.ts";

export interface ListOptions extends StoredForm {
  /** Rows of a shard. */
  readonly perShard: number;
  /** Share of the rows that may be dropped; more of them are a HealthError. */
  readonly maxBad: number;
}

/** What was made of a list. */
export interface Converted {
  readonly rows: number;
  readonly kept: number;
  readonly dropped: Account;
  /** Shards that an earlier run had finished. */
  readonly found: number;
  readonly splits: readonly ShardIndex[];
}

type Dropped = Pick<Unfit, "kind" | "message">;

/** A shard that is finished, or rows of which nothing came. */
interface Part {
  readonly entry?: ShardEntry;
  readonly dropped: readonly Dropped[];
}

/** Where the work of a folder lies until it is complete. */
export const workFolder = (out: string): string => `${out}.unfinished`;

/** Clips made at the same time. */
const AHEAD = 3;

/**
 * Makes the folder `out` of a list, or goes on with it. Stopped is thrown where somebody asks to stop.
 * Errors: UsageError where another list or other options were begun, HealthError for too many rows that cannot be made.
 */
export async function shardsOfList(
  list: ClipList,
  out: string,
  options: ListOptions,
  meter: Meter,
  stop: StopRequest,
): Promise<Converted> {
  const folder = workFolder(out);
  await makeFolder(join(folder, "shards"));
  const lock = await Lock.take(folder, (line) => meter.say(line));
  try {
    for (const name of await listFolder(join(folder, "shards")))
      if (isTemporary(name)) await remove(join(folder, "shards", name));
    const work = new Work(folder, list, options, meter, stop);
    await work.recall();
    const converted = await work.complete();
    await replaceFile(join(folder, "shards", "report.json"), `${JSON.stringify(reportOf(list, converted), null, 1)}\n`);
    await syncFolder(join(folder, "shards"));
    await renameDurably(join(folder, "shards"), out);
    return converted;
  } finally {
    await lock.release();
    const isUnfinished = foundAt(join(folder, "shards"), folder) && foundAt(join(folder, "finished.json"), folder);
    if (!isUnfinished) await remove(folder);
  }
}

/** What is kept with the shards. */
const reportOf = ({ file, sentiment }: ClipList, { rows, kept, dropped }: Converted) => ({
  ...{ list: file, rows, kept, dropped, sentiment },
});

class Work {
  private parts = new Map<string, Part>();
  private readonly clips: ClipMaker;
  private done = 0;
  private found = 0;

  constructor(
    private readonly folder: string,
    private readonly list: ClipList,
    private readonly options: ListOptions,
    private readonly meter: Meter,
    private readonly stop: StopRequest,
  ) {
    this.clips = new ClipMaker(options, list.categories.length);
  }

  /** What an earlier run finished. */
  async recall(): Promise<void> {
    const path = join(this.folder, "finished.json");
    const bytes = await readFile(path).catch(orMissing(path));
    if (!bytes) return;
    const { plan, parts } = parseJson(bytes, "finished.json") as unknown as { plan: string; parts: [string, Part][] };
    if (plan !== this.plan())
      throw new UsageError(
        `${this.folder}: was begun with another list, other files or other flags; go on with those, or remove it`,
      );
    const isThere = ([name, { entry }]: [string, Part]) =>
      entry === undefined || foundAt(join(this.folder, "shards", name), name)?.size === entry.bytes;
    this.parts = new Map(parts.filter(isThere));
    this.found = this.parts.size;
  }

  async complete(): Promise<Converted> {
    const { list } = this;
    const tasks = list.splits.flatMap((split) => this.tasksOf(split));
    const rest = tasks.filter(({ name }) => !this.parts.has(name));
    this.done = list.clips.length - rest.reduce((sum, { rows }) => sum + rows.length, 0);
    this.meter.start("write shards", list.clips.length, this.done);
    if (this.found > 0) this.meter.say(`${this.found} shards are there already; going on after them`);
    for (const { name, rows } of rest) await this.make(name, rows);
    const splits: ShardIndex[] = [];
    for (const split of list.splits) splits.push(await this.close(split, tasks));
    const kept = splits.reduce((sum, { samples }) => sum + samples, 0);
    return { rows: list.clips.length, kept, dropped: accountOf(this.dropped()), found: this.found, splits };
  }

  private tasksOf(split: string) {
    const all = this.list.clips.filter((clip) => clip.split === split);
    const { perShard } = this.options;
    return Array.from({ length: Math.ceil(all.length / perShard) }, (_, n) => ({
      ...{ split, name: shardName(split, n), rows: all.slice(n * perShard, (n + 1) * perShard) },
    }));
  }

  private async make(name: string, rows: readonly ListedClip[]): Promise<void> {
    const dropped: Dropped[] = [];
    const entry = await writeShard(
      join(this.folder, "shards"),
      name,
      this.made(rows, dropped),
      this.list.categories.length,
    );
    this.parts.set(name, { ...(entry && { entry }), dropped });
    const finished = { plan: this.plan(), parts: [...this.parts] };
    await replaceFile(join(this.folder, "finished.json"), `${JSON.stringify(finished)}\n`);
  }

  private async *made(rows: readonly ListedClip[], dropped: Dropped[]): AsyncGenerator<Clip> {
    const make = (row: ListedClip) => this.clips.clipOf(row).catch(faultOf);
    for await (const made of inOrder(rows, AHEAD, make)) {
      if (this.stop.requested !== undefined) throw new Stopped();
      this.meter.at(++this.done);
      if (made instanceof Unfit) this.drop(made, dropped);
      else yield made;
    }
  }

  private drop({ kind, message }: Unfit, dropped: Dropped[]): void {
    dropped.push({ kind, message });
    this.meter.say(`dropped: ${message}`);
    const count = this.dropped().length + dropped.length;
    const { length: all } = this.list.clips;
    if (count > this.options.maxBad * all)
      throw new HealthError(
        `${count} of ${all} rows cannot be made, allowed are ${100 * this.options.maxBad} % (--max-bad); the last: ${message}\n` +
          `finished shards are in ${this.folder}`,
      );
  }

  private dropped(): Dropped[] {
    return [...this.parts.values()].flatMap(({ dropped }) => dropped);
  }

  /** Writes the index of a split. */
  private async close(split: string, tasks: readonly { split: string; name: string }[]): Promise<ShardIndex> {
    const own = tasks.filter((task) => task.split === split);
    const shards = own.flatMap(({ name }) => this.parts.get(name)?.entry ?? []);
    if (shards.length === 0)
      throw new FormatError(`${this.list.file}: none of the clips of split ${split} can be made`);
    const samples = shards.reduce((sum, shard) => sum + shard.samples, 0);
    const { categories } = this.list;
    const index: ShardIndex = { version: INDEX_VERSION, split, fps: this.options.fps, samples, categories, shards };
    await replaceFile(join(this.folder, "shards", indexName(split)), indexBytes(index));
    return index;
  }

  /** What decides which bytes come out. */
  private plan(): string {
    const { fps, side, minFrames, perShard } = this.options;
    return createHash("sha256")
      .update(JSON.stringify([this.list.sha256, fps, side, minFrames, perShard]))
      .digest("hex");
  }
}

/** What is wrong with a row's files; any other error ends the work. */
function faultOf(error: unknown): Unfit {
  if (error instanceof Unfit) return error;
  throw error;
}
