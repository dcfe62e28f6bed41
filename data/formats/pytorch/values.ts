// What a pickle is made of here: descriptions. There is no value that could be called, and no name becomes a property.
import type { FileDtype } from "../dtypes.ts";
import type { StridedView } from "./storage.ts";

/** A float, so that 3.0 is not taken for a count. */
export class Real {
  constructor(readonly value: number) {}
}

export class List {
  readonly items: PickleValue[] = [];
}

export class Tuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** A dict or an OrderedDict. */
export class Dict {
  readonly entries = new Map<string | number, PickleValue>();
}

/** The mention of a class or function, by module and name. */
export class Global {
  constructor(
    readonly module: string,
    readonly name: string,
    /** Whether the list of what is allowed has it; of another one nothing is known, and nothing made but a placeholder. */
    readonly isKnown = true,
  ) {}

  get path(): string {
    return `${this.module}.${this.name}`;
  }
}

/** An object of a foreign class: what it would have been made with and filled with. */
export class Foreign {
  state: PickleValue | undefined;
  /** What was put into it after it was made, where it is a container of a class that is not known. */
  readonly items: PickleValue[] = [];
  constructor(
    readonly global: Global,
    readonly args: readonly PickleValue[],
    /** Whether it stands for numbers that cannot be read: a storage or tensor of a kind that is not known. */
    readonly isWeight = false,
  ) {}
}

/** A storage by its key; `count` elements from `from` on, of all that lie under that key. */
export class TorchStorage {
  constructor(
    readonly dtype: FileDtype,
    readonly key: string,
    readonly from: number,
    readonly count: number,
  ) {}
}

export class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly view: StridedView,
  ) {}
}

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Real
  | List
  | Tuple
  | Dict
  | Global
  | Foreign
  | TorchStorage
  | TorchTensor;

/** The kind of a value for messages; what it holds is not repeated. */
export function kindOf(value: PickleValue | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "None";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Real) return "a float";
  if (value instanceof List) return "a list";
  if (value instanceof Tuple) return `a tuple of ${value.items.length}`;
  if (value instanceof Dict) return "a dict";
  if (value instanceof Global) return "a class";
  if (value instanceof Foreign) return "a foreign object";
  if (value instanceof TorchStorage) return "a storage";
  if (value instanceof TorchTensor) return "a tensor";
  if (typeof value === "string") return "text";
  return typeof value === "boolean" ? "a bool" : "a whole number";
}
