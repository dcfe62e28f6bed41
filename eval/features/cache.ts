// Features of one split on disk, so that they are extracted once. A folder per split, checkpoint, protocol and data: rows that are
// added batch by batch (data/features/kept-rows.ts), under a manifest of what the folder's name is the hash of, and
//
//   <benchmark>_<split>_features.npy      when all is there: the official cache file, features and targets back to back
//
// A folder is written to by one process at a time: the caller holds its lock.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { KeptRows } from "../../data/features/kept-rows.ts";
import { listFolder, replaceFile } from "../../data/formats/disk.ts";
import { npyBytes } from "../../data/formats/npy.ts";
import { takes } from "../../engine/takes.ts";
import { type Matrix, matrix } from "../matrix.ts";

/** What features depend on; everything in it is part of the folder's name. */
export interface CacheKey {
  /** Name of the data set. */
  readonly benchmark: string;
  readonly split: string;
  /** sha256 of the checkpoint's weights. */
  readonly checkpoint: string;
  /** How samples are shown to the model: frames, side, switches that change pixels or the choice of samples. */
  readonly input: Readonly<Record<string, string | number>>;
  /** Fingerprint of the samples and their files. */
  readonly data: string;
  /** Samples of the split, bad ones included. */
  readonly samples: number;
  /** Numbers in a row. */
  readonly width: number;
}

/** Changes with every change of how features are computed or stored. */
const FORMAT = 1;

/** Name of the folder that features under this key are kept in, below the user's cache folder: readable, with a hash of the key. */
export function cacheName(key: CacheKey): string {
  takes(
    "cacheName(key: { benchmark: text, split: text, checkpoint: text, data: text, samples: natural, " +
      "width: size, ... }, ...)",
    arguments,
  );
  const { input, ...rest } = key;
  const sorted = Object.entries(input).sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash("sha256").update(JSON.stringify([FORMAT, rest, sorted]));
  return `${key.benchmark}_${key.split}-${hash.digest("hex").slice(0, 16)}`;
}

/**
 * Features of a benchmark's split on the disk, added batch by batch: an interrupted run goes on where it was, and a damaged end
 * is cut off.
 */
export class FeatureCache {
  private constructor(
    readonly folder: string,
    private readonly key: CacheKey,
    private readonly rows: KeptRows,
  ) {}

  /** The sample to go on with. */
  get next(): number {
    return this.rows.next;
  }

  /** Whether every sample is done. */
  get isComplete(): boolean {
    return this.rows.isComplete;
  }

  /** Samples that have no row. */
  get bad(): readonly number[] {
    return this.rows.bad;
  }

  /** Opens `folder`, making it if needed, cut back to its intact batches. */
  static async open(folder: string, key: CacheKey): Promise<FeatureCache> {
    takes(
      "FeatureCache.open(folder: text, key: { benchmark: text, split: text, samples: natural, width: size, ... }, ...)",
      arguments,
    );
    return new FeatureCache(folder, key, await KeptRows.open(folder, key, { format: FORMAT, ...key }));
  }

  /** Adds the rows of the samples up to `next` that are not bad, durably. */
  append(rows: Float32Array, next: number, bad: readonly number[] = []): Promise<void> {
    return this.rows.append(rows, next, bad);
  }

  /** All features, [samples but the bad ones, width]. */
  async read(): Promise<Matrix> {
    const { samples, width } = this.key;
    return matrix(samples - this.rows.bad.length, width, await this.rows.all());
  }

  /** Writes the official cache file, features and then `targets`, unless it is there; returns its path. */
  async exportNpy(targets: readonly Matrix[]): Promise<string> {
    const name = `${this.key.benchmark}_${this.key.split}_features.npy`;
    const path = join(this.folder, name);
    if (!(await listFolder(this.folder)).includes(name))
      await replaceFile(path, npyBytes([await this.read(), ...targets]));
    return path;
  }

  /** Closes its files; what was added stays. */
  close(): Promise<void> {
    return this.rows.close();
  }
}
