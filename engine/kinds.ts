// The words in which public functions say what they take (takes.ts): what a value must be, and how that is said.
import { type EngineError, ShapeError, UsageError } from "./errors.ts";

/** What an argument must be. `what` ends the sentence "expected …"; `error` is the class of a refusal. */
export interface ArgumentKind {
  readonly what: string;
  readonly is: (value: unknown) => boolean;
  readonly error: new (message: string) => EngineError;
}

/** Sizes, axes and positions go to kernels as 32-bit integers. */
const most = 2 ** 31 - 1;

const isBetween = (value: unknown, least: number, limit: number): boolean =>
  typeof value === "number" && value >= least && value <= limit;
const isWhole = (value: unknown, least: number, limit: number): boolean =>
  Number.isInteger(value) && isBetween(value, least, limit);

const usage = (what: string, is: ArgumentKind["is"]): ArgumentKind => ({ what, is, error: UsageError });
const form = (what: string, is: ArgumentKind["is"]): ArgumentKind => ({ what, is, error: ShapeError });

const typed = (View: new (length: number) => ArrayLike<number>): ArgumentKind =>
  usage(`a ${View.name}`, (value) => value instanceof View);

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** Arrays of numbers, and typed arrays of any number type (not of BigInt). */
export function isNumbers(value: unknown): value is ArrayLike<number> {
  if (Array.isArray(value)) return value.every((item) => typeof item === "number");
  if (!ArrayBuffer.isView(value) || value instanceof DataView) return false;
  return !(value instanceof BigInt64Array || value instanceof BigUint64Array);
}

export const isPromise = (value: unknown): boolean =>
  isObject(value) && typeof (value as { then?: unknown }).then === "function";

/** Sizes of a tensor: whole, at least 1, and fewer than 2^31 elements in all. */
const isShape = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every((size) => isWhole(size, 1, most)) &&
  value.reduce((product, size) => product * size, 1) <= most;

const kinds = new Map<string, ArgumentKind>([
  ["any", usage("anything", () => true)],
  ["number", usage("a finite number", Number.isFinite)],
  ["real", usage("a number that is not NaN", (value) => typeof value === "number" && !Number.isNaN(value))],
  ["float", usage("a number", (value) => typeof value === "number")],
  ["positive", usage("a finite number above 0", (value) => Number.isFinite(value) && (value as number) > 0)],
  ["amount", usage("a finite number of at least 0", (value) => Number.isFinite(value) && (value as number) >= 0)],
  ["limit", usage("a number above 0", (value) => isBetween(value, Number.MIN_VALUE, Infinity))],
  ["share", usage("a number from 0 to 1", (value) => isBetween(value, 0, 1))],
  ["rate", usage("a number from 0 to below 1", (value) => isBetween(value, 0, 1) && value !== 1)],
  ["count", usage("a whole number of at least 1", (value) => isWhole(value, 1, most))],
  ["natural", usage("a whole number of at least 0", (value) => isWhole(value, 0, most))],
  ["seed", usage("a whole number from 0 to 2^53 - 1", (value) => isWhole(value, 0, Number.MAX_SAFE_INTEGER))],
  ["word", usage("a whole number from 0 to 2^32 - 1", (value) => isWhole(value, 0, 2 ** 32 - 1))],
  ["bytes", usage("a whole number of bytes", (value) => isWhole(value, 0, Number.MAX_SAFE_INTEGER))],
  ["text", usage("a text", (value) => typeof value === "string")],
  ["flag", usage("true or false", (value) => typeof value === "boolean")],
  ["function", usage("a function", (value) => typeof value === "function" && !isClass(value))],
  ["object", usage("an object", isPlain)],
  ["map", usage("a Map", (value) => value instanceof Map)],
  ["date", usage("a Date", (value) => value instanceof Date)],
  ["undefined", usage("undefined", (value) => value === undefined)],
  ["null", usage("null", (value) => value === null)],
  ["iterable", usage("something to iterate over", isIterable)],
  ["numbers", usage("an array of numbers", isNumbers)],
  ["Float32Array", typed(Float32Array)],
  ["Float64Array", typed(Float64Array)],
  ["Uint8Array", typed(Uint8Array)],
  ["Uint8ClampedArray", typed(Uint8ClampedArray)],
  ["Uint32Array", typed(Uint32Array)],
  ["Int32Array", typed(Int32Array)],
  ["few", usage("a whole number from 0 to a million", (value) => isWhole(value, 0, 1e6))],
  ["extent", usage("an object with width and height, whole and at least 1", isExtent)],
  ["matrix", usage("a matrix: shape [rows, columns] and data, as many numbers", isMatrix)],
  ["size", form("a whole number of at least 1", (value) => isWhole(value, 1, most))],
  ["whole", form("a whole number", (value) => isWhole(value, -most, most))],
  ["place", form("a whole number of at least 0", (value) => isWhole(value, 0, most))],
  ["shape", form("an array of sizes: whole, at least 1, fewer than 2^31 elements in all", isShape)],
]);

const isClass = (value: object): boolean => /^class\b/.test(Function.prototype.toString.call(value));

/** An object that is no list, no typed array and no promise. */
export function isPlain(value: unknown): boolean {
  return isObject(value) && !Array.isArray(value) && !ArrayBuffer.isView(value) && !isPromise(value);
}

function isExtent(value: unknown): boolean {
  const { width, height } = (isObject(value) ? value : {}) as { width?: unknown; height?: unknown };
  return isWhole(width, 1, most) && isWhole(height, 1, most);
}

function isMatrix(value: unknown): boolean {
  const { shape, data } = (isObject(value) ? value : {}) as { shape?: unknown; data?: unknown };
  if (!Array.isArray(shape) || shape.length !== 2 || !ArrayBuffer.isView(data) || !isNumbers(data)) return false;
  return shape.every((size) => isWhole(size, 0, most)) && shape[0] * shape[1] === data.length;
}

function isIterable(value: unknown): boolean {
  if (!isObject(value)) return false;
  return Symbol.iterator in value || Symbol.asyncIterator in value;
}

/** Adds a word for the instances of a class: ShapeError where tensors are meant, otherwise UsageError. */
export function addKind(
  word: string,
  what: string,
  is: ArgumentKind["is"],
  error: ArgumentKind["error"] = UsageError,
): void {
  kinds.set(word, { what, is, error });
}

/** The kind of a word; a word that nobody has added is a mistake of the declaration. */
export function argumentKind(word: string): ArgumentKind {
  const kind = kinds.get(word);
  if (!kind) throw new Error(`no kind of argument is called ${word}`);
  return kind;
}

/** A value as a message names it: short, whatever it is. */
export function inWords(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 39)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol") return "a symbol";
  if (typeof value === "function") return isClass(value) ? `the class ${value.name}` : "a function";
  if (!isObject(value)) return String(value);
  if (isPromise(value)) return "a promise";
  if (Array.isArray(value)) return arrayInWords(value);
  if (ArrayBuffer.isView(value)) return `a ${nameOf(value)} of ${(value as Uint8Array).length ?? value.byteLength}`;
  if ("dtype" in value && "shape" in value) return `a tensor [${value.shape}] of ${value.dtype}`;
  const name = nameOf(value);
  return name === "Object" || name === "" ? "an object" : `an object of the class ${name}`;
}

function arrayInWords(value: readonly unknown[]): string {
  if (value.length > 8 || value.some((item) => isObject(item) || typeof item === "function"))
    return `an array of ${value.length}`;
  return `[${value.map(inWords).join(", ")}]`;
}

const nameOf = (value: object): string => (Object.getPrototypeOf(value) ? (value.constructor?.name ?? "") : "");
