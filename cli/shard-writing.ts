// New shards of clips that are made one after another: what cannot be made is left out, until there is too much of it, and the folder
// appears whole or not at all.
import { basename, dirname } from "node:path";
import { commitFolder, makeFolder, removeLeftovers } from "../data/formats/disk.ts";
import type { Clip } from "../data/shards/clip.ts";
import type { ShardIndex } from "../data/shards/index-file.ts";
import { type WriteOptions, writeShards } from "../data/shards/writer.ts";
import { type Meter, orStopped, Stopped, type StopRequest } from "../data/threads/long-work.ts";
import { FormatError, HealthError } from "../engine/errors.ts";

/** What clips are made of, and how many of them may be left out. */
export interface Making<T> {
  readonly count: number;
  /** "sentences", for messages. */
  readonly what: string;
  readonly maxBad: number;
  /** Errors: FormatError for one that cannot be made. */
  make(item: T): Promise<Clip>;
}

/** Clips on their way into shards. */
export class ClipsInMaking<T> {
  readonly bad: string[] = [];
  #done = 0;

  constructor(
    private readonly making: Making<T>,
    private readonly progress: Meter,
    private readonly stop: StopRequest,
  ) {
    progress.start("write shards", making.count);
  }

  async *of(items: readonly T[]): AsyncGenerator<Clip> {
    for (const item of items) {
      if (this.stop.requested !== undefined) throw new Stopped();
      const clip = await this.making.make(item).catch((error: unknown) => this.#leaveOut(error));
      this.progress.at(++this.#done);
      if (clip) yield clip;
    }
  }

  #leaveOut(error: unknown): undefined {
    if (!(error instanceof FormatError)) throw error;
    this.bad.push(error.message);
    this.progress.say(`left out: ${error.message}`);
    const { count, what, maxBad } = this.making;
    if (this.bad.length > maxBad * count)
      throw new HealthError(
        `${this.bad.length} of ${count} ${what} cannot be read, allowed are ${maxBad}; the last: ${error.message}`,
      );
  }
}

/** The splits test and train, or those of them that there are, in a new folder, whole or not at all; undefined when a stop was requested on the way. */
export async function writtenShards(
  target: string,
  clips: (split: "train" | "test") => AsyncIterable<Clip>,
  { parts = ["test", "train"], ...options }: WriteOptions & { readonly parts?: readonly ("train" | "test")[] },
): Promise<ShardIndex[] | undefined> {
  const made: ShardIndex[] = [];
  await makeFolder(dirname(target));
  await removeLeftovers(dirname(target), `${basename(target)}.tmp-`);
  const work = commitFolder(target, async (temporary) => {
    for (const split of (["test", "train"] as const).filter((each) => parts.includes(each)))
      made.push(await writeShards(temporary, split, clips(split), options));
  });
  return orStopped(work.then(() => made));
}

/** A line for each split that was made. */
export const splitLines = (splits: readonly ShardIndex[]): string[] =>
  splits.map(({ split, samples, shards }) => {
    const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    return `${split.padEnd(6)}${samples} clips in ${shards.length} tar files, ${(bytes / 1e6).toFixed(1)} MB`;
  });
