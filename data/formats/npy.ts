// NumPy's .npy format: arrays of plain numbers, several of them back to back where a feature cache holds features and targets.
// The header is read with a grammar of its own; everything is checked before memory is taken for it.

import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { readFault } from "./cause.ts";
import { FormatError, ShapeError } from "../../engine/errors.ts";
import { fits, takes } from "../../engine/takes.ts";
import { quoted } from "./json.ts";

/** The typed arrays whose elements are plain numbers. */
export type Numbers =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** One array in C order. Where `data` cannot hold the file's type as it is: f2 becomes f32, i8 and u8 f64, bool bytes of 0 and 1. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Numbers;
}

/** `header` is NumPy's own limit; the others keep a broken file, which may be sparse, from costing more than a message. */
export const npyLimits = { header: 10_000, axes: 32, arrays: 1000, bytes: 2 ** 30 } as const;

/** Reads `length` bytes at `at` into memory of their own. Only called for ranges inside the file. */
type ReadAt = (at: number, length: number) => Uint8Array<ArrayBuffer>;

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** All arrays of a file that lies in memory; `name` is what messages call it. The whole input must be used. */
export function readNpy(bytes: Uint8Array, name: string): NpyArray[] {
  takes("readNpy(bytes: Uint8Array, name: text, ...)", arguments);
  return readArrays((at, length) => new Uint8Array(bytes.subarray(at, at + length)), bytes.length, name);
}

/** All arrays of the file at `path`. */
export function readNpyFile(path: string): NpyArray[] {
  takes("readNpyFile(path: text, ...)", arguments);
  const name = basename(path);
  const file = openRegular(path, name);
  try {
    return readArrays((at, length) => readFully(file, at, length, name), fstatSync(file).size, name);
  } finally {
    closeSync(file);
  }
}

/** The bytes of a .npy file that holds `arrays` one after another, version 1.0, in pieces. */
export function* npyBytes(arrays: Iterable<NpyArray>): Generator<Uint8Array> {
  takes("npyBytes(arrays: iterable, ...)", arguments);
  for (const array of arrays) {
    fits("npyBytes: an array", "{ shape: numbers, data: numbers, ... }", array);
    const { shape, data } = array;
    const count = shape.reduce((product, size) => product * size, 1);
    if (count !== data.length)
      throw new ShapeError(`npy: shape [${shape}] needs ${count} values, but ${data.length} came`);
    const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
    const text = `{'descr': '${descrOf(data)}', 'fortran_order': False, 'shape': ${tuple}, }`;
    const length = Math.ceil((text.length + 11) / 64) * 64 - 10;
    yield Uint8Array.from([...MAGIC, 1, 0, length & 255, length >> 8]);
    yield new TextEncoder().encode(`${text.padEnd(length - 1)}\n`);
    yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
}

function descrOf(data: Numbers): string {
  const kind = data.constructor.name.startsWith("Float") ? "f" : data.constructor.name.startsWith("Uint") ? "u" : "i";
  return `${data.BYTES_PER_ELEMENT === 1 ? "|" : "<"}${kind}${data.BYTES_PER_ELEMENT}`;
}

function openRegular(path: string, name: string): number {
  try {
    if (!statSync(path).isFile()) throw new FormatError(`${name}: not a regular file`);
    return openSync(path, "r");
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${name}: ${readFault(error)}`, { cause: error });
  }
}

/** One call of the system reads at most 2 GiB, and may read less. */
function readFully(file: number, at: number, length: number, name: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const got = readSync(file, bytes, done, Math.min(length - done, 2 ** 28), at + done);
    if (got === 0) throw new FormatError(`${name}: ends at byte ${at + done}, data was expected`);
    done += got;
  }
  return bytes;
}

function readArrays(readAt: ReadAt, size: number, name: string): NpyArray[] {
  const arrays: NpyArray[] = [];
  for (let at = 0; at < size || arrays.length === 0; ) {
    if (arrays.length === npyLimits.arrays) throw new FormatError(`${name}: more than ${npyLimits.arrays} arrays`);
    const { header, start } = readHeader(readAt, at, size, name);
    const length = byteLength(header, size - start, name);
    arrays.push(decode(header, readAt(start, length), name));
    at = start + length;
  }
  return arrays;
}

/** The text of the header that starts at `at`, parsed, and where its data start. */
function readHeader(readAt: ReadAt, at: number, size: number, name: string): { header: Header; start: number } {
  if (size - at < 10)
    throw new FormatError(`${name}: ${size - at} bytes at byte ${at}; a .npy header needs at least 10`);
  const head = readAt(at, Math.min(12, size - at));
  if (MAGIC.some((byte, i) => head[i] !== byte)) throw new FormatError(`${name}: no .npy magic at byte ${at}`);
  const [major, minor] = [head[6], head[7]];
  if (major < 1 || major > 3 || minor !== 0)
    throw new FormatError(`${name}: .npy version ${major}.${minor}; 1.0, 2.0 and 3.0 are known`);
  const prefix = major === 1 ? 10 : 12;
  if (head.length < prefix) throw new FormatError(`${name}: ends inside the header at byte ${at}`);
  const view = new DataView(head.buffer);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > npyLimits.header)
    throw new FormatError(`${name}: header of ${length} bytes; at most ${npyLimits.header} are allowed`);
  if (length > size - at - prefix)
    throw new FormatError(`${name}: header of ${length} bytes, but the file has ${size - at - prefix} left`);
  // Latin-1 in versions 1 and 2, UTF-8 in 3: the plain types need neither, and the grammar takes ASCII only.
  const text = String.fromCharCode(...readAt(at + prefix, length));
  return { header: new HeaderText(text, name).parse(), start: at + prefix + length };
}

interface Header {
  readonly type: Type;
  readonly bigEndian: boolean;
  readonly fortran: boolean;
  readonly shape: number[];
}

/** A Python dictionary with exactly the keys descr, fortran_order and shape; a cursor over its text. */
class HeaderText {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly name: string,
  ) {}

  parse(): Header {
    const found = new Map<string, string | boolean | number[]>();
    this.expect("{");
    while (!this.take(/\}/y)) {
      const key = this.string("a key");
      if (!["descr", "fortran_order", "shape"].includes(key)) this.fail(`unknown key ${quoted(key)}`);
      if (found.has(key)) this.fail(`key ${quoted(key)} twice`);
      this.expect(":");
      found.set(key, key === "descr" ? this.string("a plain type") : key === "shape" ? this.shape() : this.boolean());
      if (!this.take(/,/y)) {
        this.expect("}");
        break;
      }
    }
    this.skipBlanks();
    if (this.at !== this.text.length) this.fail(`${quoted(this.text.slice(this.at))} after the dictionary`);
    for (const key of ["descr", "fortran_order", "shape"])
      if (!found.has(key)) this.fail(`key ${quoted(key)} is missing`);
    return {
      ...this.type(found.get("descr") as string),
      fortran: found.get("fortran_order") as boolean,
      shape: found.get("shape") as number[],
    };
  }

  private type(descr: string): { type: Type; bigEndian: boolean } {
    const [order, rest] = /^[<>|=]/.test(descr) ? [descr[0], descr.slice(1)] : ["=", descr];
    const type = types.get(rest);
    if (!type || (order === "|" && type.size > 1))
      this.fail(`type ${quoted(descr)}; plain numbers are known: ${[...types.keys()].join(", ")}`);
    return { type: type!, bigEndian: order === ">" };
  }

  private boolean(): boolean {
    const word = this.take(/True|False/y);
    if (!word) this.fail("fortran_order is neither True nor False");
    return word === "True";
  }

  private string(what: string): string {
    const text = this.take(/'[ -&(-[\]-~]*'|"[ !#-[\]-~]*"/y);
    if (text === undefined) this.fail(`${what} is expected at character ${this.at}`);
    return text!.slice(1, -1);
  }

  private shape(): number[] {
    const sizes: number[] = [];
    this.expect("(");
    while (!this.take(/\)/y)) {
      const digits = this.take(/\d{1,17}(?!\d)/y);
      if (digits === undefined) this.fail(`a size is expected at character ${this.at}`);
      if (digits!.length > 1 && digits!.startsWith("0")) this.fail(`size ${digits} starts with 0`);
      if (!Number.isSafeInteger(Number(digits))) this.fail(`size ${digits} is above 2^53 - 1`);
      sizes.push(Number(digits));
      if (sizes.length > npyLimits.axes) this.fail(`more than ${npyLimits.axes} axes`);
      if (!this.take(/,/y)) {
        // (5) is a number in Python; a shape of one axis is written (5,).
        if (sizes.length === 1 && this.take(/\)/y)) this.fail("the shape is not a tuple");
        this.expect(")");
        break;
      }
    }
    return sizes;
  }

  private expect(symbol: string): void {
    this.skipBlanks();
    if (this.text[this.at] !== symbol) this.fail(`"${symbol}" is expected at character ${this.at}`);
    this.at++;
  }

  private skipBlanks(): void {
    while (" \t\r\n".includes(this.text[this.at] ?? "end")) this.at++;
  }

  /** The text that `pattern` (sticky) matches after blanks, or undefined. */
  private take(pattern: RegExp): string | undefined {
    this.skipBlanks();
    pattern.lastIndex = this.at;
    const text = pattern.exec(this.text)?.[0];
    if (text !== undefined) this.at = pattern.lastIndex;
    return text;
  }

  private fail(what: string): never {
    throw new FormatError(`${this.name}: .npy header: ${what}`);
  }
}

/** Elements x size, checked at every factor, against the `left` bytes of the file. */
function byteLength({ type, shape }: Header, left: number, name: string): number {
  let bytes: number = type.size;
  for (const size of shape) {
    if (size > 0) bytes *= size;
    if (bytes > npyLimits.bytes)
      throw new FormatError(`${name}: shape (${shape.join(", ")}) is more than ${npyLimits.bytes} bytes`);
  }
  if (shape.includes(0)) bytes = 0;
  if (bytes > left)
    throw new FormatError(
      `${name}: shape (${shape.join(", ")}) needs ${bytes} bytes, but ${left} are left in the file`,
    );
  return bytes;
}

/** A number type of the file: bytes per element and how they become numbers (little-endian, in memory of their own). */
interface Type {
  readonly size: number;
  decode(bytes: Uint8Array<ArrayBuffer>, name: string): Numbers;
}

const types = new Map<string, Type>([
  ["f2", { size: 2, decode: ({ buffer }) => Float32Array.from(new Uint16Array(buffer), halfToNumber) }],
  ["f4", { size: 4, decode: ({ buffer }) => new Float32Array(buffer) }],
  ["f8", { size: 8, decode: ({ buffer }) => new Float64Array(buffer) }],
  ["i1", { size: 1, decode: ({ buffer }) => new Int8Array(buffer) }],
  ["i2", { size: 2, decode: ({ buffer }) => new Int16Array(buffer) }],
  ["i4", { size: 4, decode: ({ buffer }) => new Int32Array(buffer) }],
  ["i8", { size: 8, decode: ({ buffer }, name) => wholeNumbers(new BigInt64Array(buffer), name) }],
  ["u1", { size: 1, decode: (bytes) => bytes }],
  ["u2", { size: 2, decode: ({ buffer }) => new Uint16Array(buffer) }],
  ["u4", { size: 4, decode: ({ buffer }) => new Uint32Array(buffer) }],
  ["u8", { size: 8, decode: ({ buffer }, name) => wholeNumbers(new BigUint64Array(buffer), name) }],
  ["b1", { size: 1, decode: (bytes) => bytes.map((byte) => (byte === 0 ? 0 : 1)) }],
]);

function decode({ type, bigEndian, fortran, shape }: Header, bytes: Uint8Array<ArrayBuffer>, name: string): NpyArray {
  if (bigEndian) swapBytes(bytes, type.size);
  const data = type.decode(bytes, name);
  return { shape, data: fortran && shape.length > 1 ? toRowMajor(data, shape) : data };
}

function swapBytes(bytes: Uint8Array, size: number): void {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}

/** 64-bit integers as f64, which holds them exactly up to 2^53. */
function wholeNumbers(values: BigInt64Array | BigUint64Array, name: string): Float64Array {
  return Float64Array.from({ length: values.length }, (_, i) => {
    const value = Number(values[i]);
    if (!Number.isSafeInteger(value)) throw new FormatError(`${name}: value ${values[i]} is beyond 2^53 - 1`);
    return value;
  });
}

/** IEEE half precision: 1 sign, 5 exponent, 10 fraction bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** The same values with the last axis running fastest instead of the first. */
function toRowMajor(data: Numbers, shape: readonly number[]): Numbers {
  const out = data.slice();
  const index = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < out.length; i++) {
    let from = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) from = from * shape[axis] + index[axis];
    out[i] = data[from];
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
  return out;
}
