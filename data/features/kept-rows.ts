// Rows of numbers on disk that are added piece by piece, whatever kills the process: a folder with
//
//   manifest.json     what the rows are, in words
//   features.f32      rows of `width` little-endian f32 in order; the file only grows
//   batches.jsonl     a line per piece, written once its rows are durable: {"next": the item to go on with, "bad": the items of the
//                     piece that could not be read and have no row, "sha256": of the piece's rows}
//
// A process that is killed leaves whole pieces and perhaps a torn one; opening again verifies every hash, cuts the rest, and goes on.
// A folder is written to by one process at a time: the caller holds its lock.
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { DiskError, FormatError, ShapeError } from "../../engine/errors.ts";
import { causeOf, orMissing } from "../formats/cause.ts";
import { AppendFile, makeFolder, replaceFile } from "../formats/disk.ts";
import { parseJson } from "../formats/json.ts";

/** How many items there are, those included that will be bad, and the numbers of a row. */
export interface RowsShape {
  readonly samples: number;
  readonly width: number;
}

/** Items that are done: all before `next`, but for the bad ones. */
interface Done {
  readonly next: number;
  readonly bad: readonly number[];
}

const names = { manifest: "manifest.json", rows: "features.f32", pieces: "batches.jsonl" } as const;

/** The rows of a folder: those that are there, and what is added to them. */
export class KeptRows {
  #descriptor: number | undefined;

  private constructor(
    readonly folder: string,
    private readonly shape: RowsShape,
    /** Undefined where nothing is left to be done. */
    private readonly files: { readonly features: AppendFile; readonly batches: AppendFile } | undefined,
    private done: Done,
    /** Bytes of rows that were there and are cut off, for they were torn or damaged. */
    readonly cut: number,
  ) {}

  /** The item to go on with. */
  get next(): number {
    return this.done.next;
  }

  /** Whether every item is done. */
  get isComplete(): boolean {
    return this.done.next === this.shape.samples;
  }

  /** Items that have no row, ascending. */
  get bad(): readonly number[] {
    return this.done.bad;
  }

  /** Bytes of all rows that are there. */
  get bytes(): number {
    return (this.done.next - this.done.bad.length) * this.shape.width * 4;
  }

  /** Opens `folder`, making it if needed, cut back to its intact pieces. Errors: FormatError where its manifest says something else. */
  static async open(folder: string, shape: RowsShape, manifest: object): Promise<KeptRows> {
    await makeFolder(folder);
    await agree(folder, manifest);
    const { next, bad, bytes } = await intactPieces(folder, shape);
    const length = (next - bad.length) * shape.width * 4;
    const paths = [names.rows, names.pieces].map((name) => join(folder, name));
    const sizes = await Promise.all(paths.map(sizeOf));
    if (next === shape.samples && sizes[0] === length && sizes[1] === bytes)
      return new KeptRows(folder, shape, undefined, { next, bad }, 0);
    const features = await AppendFile.open(paths[0], length);
    try {
      const batches = await AppendFile.open(paths[1], bytes);
      return new KeptRows(folder, shape, { features, batches }, { next, bad }, Math.max(0, sizes[0] - length));
    } catch (error) {
      await features.close();
      throw error;
    }
  }

  /** Adds the rows of the items up to `next` that are not bad, durably. */
  async append(rows: Float32Array, next: number, bad: readonly number[] = []): Promise<void> {
    const { width, samples } = this.shape;
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

  /** All rows, one after another. Errors: DiskError where the file cannot be read or has another length. */
  async all(): Promise<Float32Array<ArrayBuffer>> {
    const { buffer, byteOffset, byteLength } = await readFile(join(this.folder, names.rows)).catch((error) => {
      throw this.#unreadable(error);
    });
    if (byteLength !== this.bytes)
      throw new DiskError(`${this.folder}: ${names.rows} has ${byteLength} bytes instead of ${this.bytes}`);
    return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
  }

  /** Whether an item that is done has no row. */
  isBad(item: number): boolean {
    const { bad } = this.done;
    return bad[badBefore(bad, item)] === item;
  }

  /**
   * Puts the row of an item that is done and not bad into `out` at row `at`: one read from the file, nothing is held. Errors: DiskError
   * where the file is gone, fails or was cut.
   */
  readInto(item: number, out: Float32Array, at: number): void {
    const { width } = this.shape;
    const bytes = new Uint8Array(out.buffer, out.byteOffset + 4 * at * width, 4 * width);
    const row = item - badBefore(this.done.bad, item);
    const read = this.#read(bytes, row * bytes.length);
    if (read !== bytes.length)
      throw new DiskError(`${this.folder}: ${names.rows} ends within row ${row}; it was cut while it was read`);
  }

  #read(bytes: Uint8Array, at: number): number {
    try {
      this.#descriptor ??= openSync(join(this.folder, names.rows), "r");
      return readSync(this.#descriptor, bytes, 0, bytes.length, at);
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): DiskError {
    return new DiskError(`${this.folder}: ${names.rows} cannot be read: ${causeOf(error)}`, { cause: error });
  }

  /** Closes its files; what was added stays. */
  async close(): Promise<void> {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    try {
      await this.files?.features.close();
    } finally {
      await this.files?.batches.close();
    }
  }
}

/** How many of ascending numbers are below `item`. */
function badBefore(bad: readonly number[], item: number): number {
  let [low, high] = [0, bad.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bad[middle] < item) low = middle + 1;
    else high = middle;
  }
  return low;
}

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => -1,
  );

/** Writes the manifest of a fresh folder; one of something else is refused. */
async function agree(folder: string, manifest: object): Promise<void> {
  const path = join(folder, names.manifest);
  const text = `${JSON.stringify(manifest, null, 1)}\n`;
  const found = await readFile(path, "utf8").catch(orMissing(path));
  if (found === text) return;
  if (found !== undefined)
    throw new FormatError(`${names.manifest}: the cache folder ${folder} holds other features; delete it`);
  await replaceFile(path, text);
}

/** What all leading pieces with the right hash make, and the length of their lines. */
async function intactPieces(folder: string, { width, samples }: RowsShape): Promise<Done & { bytes: number }> {
  const [pieces, rows] = [join(folder, names.pieces), join(folder, names.rows)];
  const text = (await readFile(pieces, "latin1").catch(orMissing(pieces))) ?? "";
  const file = await open(rows, "r").catch(orMissing(rows));
  const bad: number[] = [];
  let [next, bytes] = [0, 0];
  try {
    for (const line of text.split("\n").slice(0, -1)) {
      const piece = readLine(line, next, samples);
      if (!file || !piece) break;
      const rows = new Uint8Array((piece.next - next - piece.bad.length) * width * 4);
      const { bytesRead } = await file.read(rows, 0, rows.length, (next - bad.length) * width * 4);
      if (bytesRead !== rows.length || sha256(rows) !== piece.sha256) break;
      next = piece.next;
      bad.push(...piece.bad);
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
    const { next, bad, sha256 } = parseJson(new TextEncoder().encode(line), names.pieces) as Record<string, unknown>;
    const isNext = (v: unknown) => Number.isSafeInteger(v) && (v as number) > from && (v as number) <= samples;
    if (!isNext(next) || !Array.isArray(bad) || typeof sha256 !== "string") return undefined;
    const inside = bad.every((v) => Number.isSafeInteger(v) && v >= from && v < (next as number));
    return inside && new Set(bad).size === bad.length ? { next: next as number, bad, sha256 } : undefined;
  } catch {
    return undefined;
  }
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
