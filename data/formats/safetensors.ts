// safetensors: eight bytes of header length, a JSON header, the tensors back to back. Reading validates the whole header
// before a byte of data is used and never holds more than one tensor; writing is a stream of chunks for whoever owns a file.
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { readFault } from "./cause.ts";
import { JsonScanner, quoted } from "./json.ts";
import { FormatError, nearest, ShapeError, UsageError } from "../../engine/errors.ts";
import { fits, takes } from "../../engine/takes.ts";
import type { Room } from "./content.ts";
import { convert, type FileDtype, isDtype, itemBytes } from "./dtypes.ts";

/** Limits of the format and of good sense; a file beyond them is refused before anything is allocated for it. */
export const limits = {
  header: 100_000_000,
  tensors: 200_000,
  metadata: 100_000,
  axes: 32,
  chunk: 8 * 2 ** 20,
  tensor: 2 ** 32,
} as const;

/** Where a tensor lies: `offset` counts from the start of the file, `bytes` = elements x size of the dtype. */
export interface TensorInfo {
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly bytes: number;
}

/** The header of a safetensors file. */
export interface Header {
  readonly tensors: Map<string, TensorInfo>;
  readonly metadata: Map<string, string>;
}

/** A tensor to be written; `bytes` is called once, when its turn comes, and gives little-endian rows in order. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  bytes(): Uint8Array | Promise<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** An open safetensors file. Tensors are read by position, in chunks, so its size does not matter. */
export class SafetensorsFile implements Header {
  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    readonly tensors: Map<string, TensorInfo>,
    readonly metadata: Map<string, string>,
  ) {}

  /** Opens and validates; throws FormatError for anything that is not a complete safetensors file. */
  static async open(path: string): Promise<SafetensorsFile> {
    takes("SafetensorsFile.open(path: text, ...)", arguments);
    const handle = await openRegular(path);
    try {
      const { size } = await handle.stat();
      const { tensors, metadata } = await readHeader(handle, size, basename(path));
      return new SafetensorsFile(path, handle, tensors, metadata);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Where `name` lies; a missing name is refused with the nearest one. */
  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info) return info;
    const near = nearest(name, this.tensors.keys());
    throw new FormatError(`${basename(this.path)}: no tensor ${quoted(name)}${near ? ` (did you mean ${near}?)` : ""}`);
  }

  /** The bytes of a tensor in pieces of at most `size`, in buffers that `room` gives; a piece holds whole elements. */
  async *chunks(
    name: string,
    room: Room = (length) => new Uint8Array(length),
    size: number = limits.chunk,
  ): AsyncGenerator<Uint8Array> {
    const { offset, bytes } = this.info(name);
    const step = Math.max(8, size - (size % 8));
    for (let done = 0; done < bytes; done += step) {
      const piece = room(Math.min(step, bytes - done));
      await readAt(this.handle, piece, offset + done, basename(this.path));
      yield piece;
    }
  }

  /** The bytes of a tensor as they lie in the file. */
  async read(name: string): Promise<Uint8Array> {
    const { offset, bytes } = this.holdable(name);
    const all = new Uint8Array(bytes);
    for (let done = 0; done < bytes; done += limits.chunk) {
      await readAt(this.handle, all.subarray(done, done + limits.chunk), offset + done, basename(this.path));
    }
    return all;
  }

  /** The elements of a tensor as float32, whatever the dtype in the file. */
  async floats(name: string): Promise<Float32Array> {
    const { dtype, bytes } = this.holdable(name);
    if (dtype === "F32") return new Float32Array((await this.read(name)).buffer);
    const out = new Float32Array(bytes / itemBytes[dtype]);
    let at = 0;
    for await (const piece of this.chunks(name)) {
      const count = piece.byteLength / itemBytes[dtype];
      convert(dtype, piece, out.subarray(at, at + count));
      at += count;
    }
    return out;
  }

  private holdable(name: string): TensorInfo {
    const info = this.info(name);
    if (Math.max(info.bytes, (info.bytes / itemBytes[info.dtype]) * 4) < limits.tensor) return info;
    throw new FormatError(
      `${basename(this.path)}: tensor ${quoted(name)} has ${info.bytes} bytes; below ${limits.tensor} fit in memory at once`,
    );
  }

  /** Closes the file; nothing can be read from it afterwards. */
  async close(): Promise<void> {
    await this.handle.close();
  }

  /** As `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  try {
    if (!(await stat(path)).isFile()) throw new FormatError(`${basename(path)}: not a regular file`);
    return await open(path, "r");
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${basename(path)}: ${readFault(error)}`, { cause: error });
  }
}

/** Fills `into` from `position`; a file that ends before is refused. */
async function readAt(handle: FileHandle, into: Uint8Array, position: number, file: string): Promise<void> {
  for (let done = 0; done < into.byteLength; ) {
    const { bytesRead } = await handle.read(into, done, into.byteLength - done, position + done);
    if (bytesRead === 0) throw new FormatError(`${file}: ends at byte ${position + done}, data was expected`);
    done += bytesRead;
  }
}

async function readHeader(handle: FileHandle, size: number, file: string): Promise<Header> {
  if (size < 8) throw new FormatError(`${file}: ${size} bytes; a safetensors file has at least 8`);
  const prefix = new Uint8Array(8);
  await readAt(handle, prefix, 0, file);
  const length = headerLength(prefix, size, file);
  const header = new Uint8Array(length);
  await readAt(handle, header, 8, file);
  return parseHeader(header, size, file);
}

function headerLength(prefix: Uint8Array, size: number, file: string): number {
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(limits.header)) {
    throw new FormatError(`${file}: not a safetensors file, or a header of ${length} bytes; at most ${limits.header}`);
  }
  if (length > BigInt(size - 8)) throw new FormatError(`${file}: header of ${length} bytes, but the file has ${size}`);
  if (length < 2n) throw new FormatError(`${file}: header of ${length} bytes; the shortest is {}`);
  return Number(length);
}

/** The header of a safetensors file held in memory. */
export function parseSafetensors(bytes: Uint8Array, file: string): Header {
  takes("parseSafetensors(bytes: Uint8Array, file: text, ...)", arguments);
  if (bytes.length < 8) throw new FormatError(`${file}: ${bytes.length} bytes; a safetensors file has at least 8`);
  const length = headerLength(bytes.subarray(0, 8), bytes.length, file);
  return parseHeader(bytes.subarray(8, 8 + length), bytes.length, file);
}

/** Validates a header (without its length) against a file of `size` bytes. */
export function parseHeader(header: Uint8Array, size: number, file: string): Header {
  const scanner = new JsonScanner(header, file);
  if (header[0] !== 0x7b) scanner.fail("the header does not start with {");
  const start = 8 + header.length;
  const tensors = new Map<string, TensorInfo>();
  let metadata = new Map<string, string>();
  for (const name of scanner.keys()) {
    if (name === "__metadata__") metadata = readMetadata(scanner);
    else tensors.set(name, readInfo(scanner, name, start, size));
    if (tensors.size > limits.tensors) scanner.fail(`more than ${limits.tensors} tensors`);
  }
  scanner.end();
  checkLayout(tensors, start, size, scanner);
  return { tensors, metadata };
}

function readMetadata(scanner: JsonScanner): Map<string, string> {
  const metadata = new Map<string, string>();
  for (const key of scanner.keys()) {
    if (scanner.peek() !== 0x22) scanner.fail(`__metadata__ ${quoted(key)} is not a string`);
    metadata.set(key, scanner.string());
    if (metadata.size > limits.metadata) scanner.fail(`more than ${limits.metadata} entries in __metadata__`);
  }
  return metadata;
}

function readInfo(scanner: JsonScanner, name: string, start: number, size: number): TensorInfo {
  let dtype: FileDtype | undefined;
  let shape: number[] | undefined;
  let range: number[] | undefined;
  for (const key of scanner.keys()) {
    if (key === "dtype") dtype = readDtype(scanner, name);
    else if (key === "shape") shape = readCounts(scanner, limits.axes, () => `shape of ${quoted(name)}`);
    else if (key === "data_offsets") range = readCounts(scanner, 2, () => `data_offsets of ${quoted(name)}`);
    else scanner.fail(`tensor ${quoted(name)} has an unknown field ${quoted(key)}; known: dtype, shape, data_offsets`);
  }
  if (!dtype || !shape || range?.length !== 2) {
    const missing = !dtype ? "dtype" : !shape ? "shape" : range ? "second number in data_offsets" : "data_offsets";
    return scanner.fail(`tensor ${quoted(name)} has no ${missing}`);
  }
  const [begin, end] = range;
  const bytes = product(shape, itemBytes[dtype]);
  if (bytes === undefined) return scanner.fail(`tensor ${quoted(name)} has more than 2^53 - 1 bytes`);
  if (end < begin) scanner.fail(`tensor ${quoted(name)} ends at ${end}, before its begin ${begin}`);
  if (end > size - start) {
    scanner.fail(`tensor ${quoted(name)} ends at byte ${end} of the data, but the file has ${size - start}`);
  }
  if (end - begin !== bytes) {
    scanner.fail(`tensor ${quoted(name)} has ${end - begin} bytes, but ${dtype} [${shape}] needs ${bytes}`);
  }
  return { dtype, shape, offset: start + begin, bytes };
}

function readDtype(scanner: JsonScanner, name: string): FileDtype {
  const dtype = scanner.string();
  if (isDtype(dtype)) return dtype;
  const known = Object.keys(itemBytes).join(", ");
  return scanner.fail(`tensor ${quoted(name)} has the unknown dtype ${quoted(dtype)}; known: ${known}`);
}

function readCounts(scanner: JsonScanner, most: number, what: () => string): number[] {
  const counts: number[] = [];
  const each = () => `each number of the ${what()}`;
  for (const _ of scanner.members(most)) counts.push(scanner.count(each));
  return counts;
}

/** item x the product of the shape, or undefined where a factor takes it past 2^53 − 1. */
function product(shape: readonly number[], item: number): number | undefined {
  let bytes = item;
  for (const length of shape) {
    if (length === 0) return 0;
    bytes *= length;
  }
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The tensors follow one another from the first byte of the data to the last: no hole, overlap or rest. */
function checkLayout(tensors: Map<string, TensorInfo>, start: number, size: number, scanner: JsonScanner): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.bytes - b.bytes);
  let at = start;
  for (const [name, { offset, bytes }] of inOrder) {
    if (offset !== at) {
      const fault = offset > at ? "leaves a hole" : "overlaps another";
      scanner.fail(`tensor ${quoted(name)} ${fault}: it begins at byte ${offset - start}, expected ${at - start}`);
    }
    at += bytes;
  }
  if (at !== size) scanner.fail(`${size - at} bytes after the last tensor`);
}

/** A safetensors file as a stream of chunks: header, then each tensor as its `bytes()` gives it. Holds one tensor at a time. */
export async function* safetensorsBytes(
  entries: Iterable<SafetensorsEntry>,
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array> {
  takes("safetensorsBytes(entries: iterable, metadata?: object, ...)", arguments);
  const { header, inOrder } = layout(entries, metadata);
  yield header;
  for (const entry of inOrder) yield* wholeEntry(entry);
}

/** Bytes that `safetensorsBytes` will give, known before any tensor is read. */
export function safetensorsSize(
  entries: Iterable<SafetensorsEntry>,
  metadata: Readonly<Record<string, string>> = {},
): number {
  takes("safetensorsSize(entries: iterable, metadata?: object, ...)", arguments);
  const { header, inOrder } = layout(entries, metadata);
  return inOrder.reduce((sum, entry) => sum + bytesOf(entry), header.length);
}

/** Large elements first, so that each tensor is aligned to its element; otherwise the order given. */
function layout(entries: Iterable<SafetensorsEntry>, metadata: Readonly<Record<string, string>>) {
  const all = [...entries];
  for (const entry of all) {
    fits("safetensors: an entry", "{ name: text, dtype: text, shape: numbers, bytes: function, ... }", entry);
    if (!Object.hasOwn(itemBytes, entry.dtype))
      throw new UsageError(`safetensors: ${entry.name} has the unknown dtype ${entry.dtype}`);
  }
  const inOrder = all.sort((a, b) => itemBytes[b.dtype] - itemBytes[a.dtype]);
  const fields: string[] = [];
  if (Object.keys(metadata).length) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  const names = new Set(["__metadata__"]);
  let at = 0;
  for (const entry of inOrder) {
    const { name, dtype, shape } = entry;
    if (names.has(name)) throw new ShapeError(`safetensors: two tensors are named ${quoted(name)}`);
    if (/\p{Surrogate}/u.test(name)) throw new ShapeError(`safetensors: ${quoted(name)} is not valid Unicode`);
    names.add(name);
    const end = at + bytesOf(entry);
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [at, end] })}`);
    at = end;
  }
  return { header: framed(`{${fields.join(",")}}`), inOrder };
}

/** Length, JSON, and spaces to a multiple of eight, so that the data is aligned. */
function framed(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, 8);
  return header;
}

function bytesOf({ name, dtype, shape }: SafetensorsEntry): number {
  const bytes = shape.every((n) => Number.isSafeInteger(n) && n >= 0) ? product(shape, itemBytes[dtype]) : undefined;
  if (bytes === undefined) throw new ShapeError(`safetensors: ${quoted(name)} has the impossible shape [${shape}]`);
  return bytes;
}

async function* wholeEntry(entry: SafetensorsEntry): AsyncGenerator<Uint8Array> {
  const source = await entry.bytes();
  let given = 0;
  for await (const piece of source instanceof Uint8Array ? [source] : source) {
    given += piece.byteLength;
    yield piece;
  }
  const due = bytesOf(entry);
  if (given === due) return;
  throw new ShapeError(
    `safetensors: ${quoted(entry.name)} gave ${given} bytes, but ${entry.dtype} [${entry.shape}] needs ${due}`,
  );
}
