// Features of one split on disk, so that they are extracted once. A folder per split, checkpoint, protocol and data:
//
//   manifest.json     what the folder's name is the hash of, in words; the number of samples and the width
//   features.f32      rows of `width` little-endian f32 in the split's order; the file only grows
//   batches.jsonl     a line per batch, written once its rows are durable: {"next": the sample to go on with, "bad": the samples
//                     of the batch that could not be read and have no row, "sha256": of the batch's rows}
//   <benchmark>_<split>_features.npy      when all is there: the official cache file, features and targets back to back
//
// A process that is killed leaves whole batches and perhaps a torn one; opening again verifies every hash, cuts the rest, and
// goes on. A folder is written to by one process at a time: the caller holds its lock.

import { createHash } from "node:crypto";
import { open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { orMissing } from "../../data/formats/cause.ts";
import { AppendFile, listFolder, makeFolder, replaceFile } from "../../data/formats/disk.ts";
import { parseJson } from "../../data/formats/json.ts";
import { npyBytes } from "../../data/formats/npy.ts";
import { DiskError, FormatError, ShapeError } from "../../engine/errors.ts";
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

/** Samples that are done: all before `next`, but for the bad ones. */
interface Done {
  readonly next: number;
  readonly bad: readonly number[];
}

/**
 * Features of a benchmark's split on the disk, added batch by batch: an interrupted run goes on where it was, and a damaged end
 * is cut off.
 */
export class FeatureCache {
  private constructor(
    readonly folder: string,
    private readonly key: CacheKey,
    /** Undefined where nothing is left to be done. */
    private readonly files: { readonly features: AppendFile; readonly batches: AppendFile } | undefined,
    private done: Done,
  ) {}

  /** The sample to go on with. */
  get next(): number {
    return this.done.next;
  }

  /** Whether every sample is done. */
  get isComplete(): boolean {
    return this.done.next === this.key.samples;
  }

  /** Samples that have no row. */
  get bad(): readonly number[] {
    return this.done.bad;
  }

  /** Opens `folder`, making it if needed, cut back to its intact batches. */
  static async open(folder: string, key: CacheKey): Promise<FeatureCache> {
    takes(
      "FeatureCache.open(folder: text, key: { benchmark: text, split: text, samples: natural, width: size, ... }, ...)",
      arguments,
    );
    await makeFolder(folder);
    await agree(join(folder, "manifest.json"), key);
    const { next, bad, bytes } = await intactBatches(folder, key);
    const length = (next - bad.length) * key.width * 4;
    const paths = ["features.f32", "batches.jsonl"].map((name) => join(folder, name));
    const sizes = await Promise.all(
      paths.map((path) =>
        stat(path).then(
          ({ size }) => size,
          () => -1,
        ),
      ),
    );
    if (next === key.samples && sizes[0] === length && sizes[1] === bytes)
      return new FeatureCache(folder, key, undefined, { next, bad });
    const features = await AppendFile.open(paths[0], length);
    try {
      const batches = await AppendFile.open(paths[1], bytes);
      return new FeatureCache(folder, key, { features, batches }, { next, bad });
    } catch (error) {
      await features.close();
      throw error;
    }
  }

  /** Adds the rows of the samples up to `next` that are not bad, durably. */
  async append(rows: Float32Array, next: number, bad: readonly number[] = []): Promise<void> {
    const { width, samples } = this.key;
    const count = next - this.done.next - bad.length;
    if (!this.files || next > samples || count < 0 || rows.length !== count * width)
      throw new ShapeError(
        `feature cache: ${rows.length} numbers for samples ${this.done.next} to ${next - 1} of ${samples}, ${bad.length} of them bad, in rows of ${width}`,
      );
    const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
    const { features, batches } = this.files;
    await features.append(bytes);
    await features.sync();
    this.done = { next, bad: [...this.done.bad, ...bad] };
    await batches.append(`${JSON.stringify({ next, bad, sha256: sha256(bytes) })}\n`);
  }

  /** All features, [samples but the bad ones, width]. */
  async read(): Promise<Matrix> {
    const { samples, width } = this.key;
    const rows = samples - this.done.bad.length;
    const { buffer, byteOffset, byteLength } = await readFile(join(this.folder, "features.f32"));
    if (byteLength !== rows * width * 4)
      throw new DiskError(`${this.folder}: features.f32 has ${byteLength} bytes instead of ${rows * width * 4}`);
    return matrix(rows, width, new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)));
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
  async close(): Promise<void> {
    try {
      await this.files?.features.close();
    } finally {
      await this.files?.batches.close();
    }
  }
}

/** Writes the manifest of a fresh folder; one of something else is refused. */
async function agree(path: string, key: CacheKey): Promise<void> {
  const text = `${JSON.stringify({ format: FORMAT, ...key }, null, 1)}\n`;
  const found = await readFile(path, "utf8").catch(orMissing);
  if (found === text) return;
  if (found !== undefined)
    throw new FormatError(`manifest.json: the cache folder ${path.slice(0, -14)} holds other features; delete it`);
  await replaceFile(path, text);
}

/** What all leading batches with the right hash make, and the length of their lines. */
async function intactBatches(folder: string, { width, samples }: CacheKey): Promise<Done & { bytes: number }> {
  const text = (await readFile(join(folder, "batches.jsonl"), "latin1").catch(orMissing)) ?? "";
  const file = await open(join(folder, "features.f32"), "r").catch(orMissing);
  const bad: number[] = [];
  let [next, bytes] = [0, 0];
  try {
    for (const line of text.split("\n").slice(0, -1)) {
      const batch = readLine(line, next, samples);
      if (!file || !batch) break;
      const piece = new Uint8Array((batch.next - next - batch.bad.length) * width * 4);
      const { bytesRead } = await file.read(piece, 0, piece.length, (next - bad.length) * width * 4);
      if (bytesRead !== piece.length || sha256(piece) !== batch.sha256) break;
      next = batch.next;
      bad.push(...batch.bad);
      bytes += line.length + 1;
    }
  } finally {
    await file?.close();
  }
  return { next, bad, bytes };
}

/** A line that was torn in writing, or does not go on from `from`, is none. */
function readLine(line: string, from: number, samples: number): (Done & { sha256: string }) | undefined {
  try {
    const { next, bad, sha256 } = parseJson(new TextEncoder().encode(line), "batches.jsonl") as Record<string, unknown>;
    const isNext = (v: unknown) => Number.isSafeInteger(v) && (v as number) > from && (v as number) <= samples;
    if (!isNext(next) || !Array.isArray(bad) || typeof sha256 !== "string") return undefined;
    const inside = bad.every((v) => Number.isSafeInteger(v) && v >= from && v < (next as number));
    return inside && new Set(bad).size === bad.length ? { next: next as number, bad, sha256 } : undefined;
  } catch {
    return undefined;
  }
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
