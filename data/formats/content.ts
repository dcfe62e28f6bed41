// What a file of weights holds besides the numbers: a tree of plain values, in which a tensor is a name and a foreign object
// is only its class name and its parts. Nothing here was ever called.
import type { FileDtype } from "./dtypes.ts";
import { takes } from "../../engine/takes.ts";

/** A tensor in a file of weights. */
export interface StoredTensor {
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
}

/** Gives the buffer for the next piece of so many bytes. */
export type Room = (length: number) => Uint8Array;

/** The place of a tensor in the tree; `name` is its key in the file's `tensors`. */
export class TensorRef {
  constructor(readonly name: string) {
    takes("new TensorRef(name: text, ...)", arguments);
  }
}

/** An object of a class that is not ours, as data: what it would have been made of. */
export class Inert {
  constructor(
    /** The class or function, as in "argparse.Namespace". */
    readonly name: string,
    /** What it would have been called with; empty for a mention of the name alone. */
    readonly args: readonly Content[] = [],
    /** Its attributes, or whatever else it was to be filled with; null if nothing. */
    readonly state: Content = null,
  ) {
    takes("new Inert(name: text, args?: any, state?: any, ...)", arguments);
  }
}

/** A value of the tree: whole numbers beyond 2^53 are bigint, tuples and lists are arrays. */
export type Content =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | TensorRef
  | Inert
  | readonly Content[]
  | ReadonlyMap<string | number, Content>;

/** The part of a weight file that a description needs. */
export interface Stored {
  readonly path: string;
  readonly format: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly content: Content;
  /** Classes in a pickle that are not known, with the number of their objects: kept as data, never made. */
  readonly unread?: ReadonlyMap<string, number>;
}

/** An entry of nested dicts. */
export function at(content: Content, ...keys: (string | number)[]): Content | undefined {
  let inner: Content | undefined = content;
  for (const key of keys) inner = inner instanceof Map ? inner.get(key) : undefined;
  return inner;
}
