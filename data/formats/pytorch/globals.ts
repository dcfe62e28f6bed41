// The names that a pickle may mention, and what a mention followed by REDUCE means. A list of what is allowed: everything
// else is refused. What is allowed is not called either; each entry says how the description of its result is made.
import { quoted } from "../json.ts";
import { type FileDtype, itemBytes } from "../dtypes.ts";
import { isDoor } from "./doors.ts";
import { countOf, reach } from "./storage.ts";
import { Dict, Foreign, Global, kindOf, List, TorchStorage, TorchTensor, Tuple, type PickleValue } from "./values.ts";

/** Throws the FormatError of the file. */
export type Fail = (what: string) => never;

/** Views may repeat elements, bombs may not; and a tensor has at most so many axes. */
const limits = { repeated: 16, axes: 32 } as const;

/** The storage classes of PyTorch, "torch.FloatStorage" and so on. */
const storages = new Map<string, FileDtype>([
  ["DoubleStorage", "F64"],
  ["FloatStorage", "F32"],
  ["HalfStorage", "F16"],
  ["BFloat16Storage", "BF16"],
  ["LongStorage", "I64"],
  ["IntStorage", "I32"],
  ["ShortStorage", "I16"],
  ["CharStorage", "I8"],
  ["ByteStorage", "U8"],
  ["BoolStorage", "BOOL"],
]);

type Make = (args: readonly PickleValue[], fail: Fail) => PickleValue;

/** What REDUCE makes of each name, by module and name. */
const makers = new Map<string, Make>([
  ["collections OrderedDict", orderedDict],
  ["torch._utils _rebuild_tensor_v2", rebuildTensor],
  ["torch._utils _rebuild_parameter", rebuildParameter],
  ["torch.nn.parameter Parameter", parameter],
  ["torch Size", size],
  ["_codecs encode", encode],
  // Containers of TorchScript: a list or dict behind its type.
  ["torch.jit._pickle build_intlist", typedList],
  ["torch.jit._pickle build_doublelist", typedList],
  ["torch.jit._pickle build_boollist", typedList],
  ["torch.jit._pickle build_tensorlist", typedList],
  ["torch.jit._pickle restore_type_tag", typeTag],
]);

/** Types of elements: mentioned, never made into anything. */
const dtypes = new Set(
  `float64 double float32 float float16 half bfloat16 int64 long int32 int int16 short int8 uint8 bool complex64
   complex128`.split(/\s+/),
);

/** Foreign classes that checkpoints commonly hold: kept as data. */
const inert = new Set([
  "argparse Namespace",
  "numpy dtype",
  "numpy.core.multiarray scalar",
  "numpy._core.multiarray scalar",
  "torch device",
]);

/** Decides about names. `accepted` are further ones to keep as data, as in "pathlib.PosixPath". */
export class Globals {
  /** Names that are not among the allowed, with the objects that would have been made of them. */
  readonly unknown = new Map<string, number>();
  /** Those of them by which a file reaches out of itself. */
  readonly doors = new Set<string>();
  private readonly accepted: ReadonlySet<string>;
  constructor(
    accepted: readonly string[],
    private readonly fail: Fail,
  ) {
    this.accepted = new Set(accepted);
  }

  /** The mention of a name. One that is not among the allowed stands for itself, and for nothing that could be called. */
  find(module: string, name: string): Global {
    const global = new Global(module, name);
    const isKnown = makers.has(keyOf(global)) || (module === "torch" && (storages.has(name) || dtypes.has(name)));
    if (isKnown || this.isInert(global)) return global;
    if (!this.unknown.has(global.path)) this.unknown.set(global.path, 0);
    if (isDoor(module, name)) this.doors.add(global.path);
    return new Global(module, name, false);
  }

  /** A placeholder for what a name that is not known would have made. */
  placeholder(global: Global, args: readonly PickleValue[], isWeight = rebuilds(global)): Foreign {
    this.unknown.set(global.path, 1 + (this.unknown.get(global.path) ?? 0));
    return new Foreign(global, args, isWeight);
  }

  /** REDUCE: what the name would make of `args`; with a placeholder among them, a placeholder. */
  reduce(global: Global, args: readonly PickleValue[]): PickleValue {
    if (!global.isKnown) return this.placeholder(global, args);
    if (this.isInert(global)) return new Foreign(global, args);
    const odd = args.find(isPlaceholder);
    if (odd) return this.placeholder(odd.global, args, odd.isWeight);
    const make = makers.get(keyOf(global));
    if (make) return make(args, (what) => this.fail(`pickle: ${global.name}: ${what}`));
    return this.fail(`pickle: ${quoted(global.path)} makes nothing`);
  }

  /** NEWOBJ: an object of a foreign class, or an empty OrderedDict. */
  create(global: Global, args: readonly PickleValue[]): PickleValue {
    if (!global.isKnown) return this.placeholder(global, args);
    if (this.isInert(global)) return new Foreign(global, args);
    if (keyOf(global) === "collections OrderedDict" && args.length === 0) return new Dict();
    return this.fail(`pickle: NEWOBJ of ${quoted(global.path)}`);
  }

  private isInert(global: Global): boolean {
    return inert.has(keyOf(global)) || isScripted(global) || this.accepted.has(global.path);
  }
}

const keyOf = ({ module, name }: Global) => `${module} ${name}`;

/** A class of a TorchScript archive, defined by code in it that is never looked at. */
export const isScripted = ({ module }: Global) => module === "__torch__" || module.startsWith("__torch__.");

/** Whether a value stands for something of a class that is not known. */
export const isPlaceholder = (value: PickleValue | undefined): value is Foreign =>
  value instanceof Foreign && !value.global.isKnown;

/** PyTorch's makers of tensors and kinds of storages, of which only some are read. */
export const rebuilds = ({ module, name }: Global) => /^torch(\.|$)/.test(module) && /^_?rebuild|Storage$/.test(name);

/** What is said of names that are not among the allowed: all of them at once, and what to do. */
export function unknownNames(names: Iterable<string>, why: string, accepts: boolean): string {
  const all = [...names];
  const shown = all.slice(0, mostNames).map(quoted);
  const list = all.length > mostNames ? `${shown.join(", ")} and ${all.length - mostNames} more` : shown.join(", ");
  const [verb, them] = all.length > 1 ? ["are", "them"] : ["is", "it"];
  const flags = shown.map((name) => `--inert ${name}`).join(" ");
  const way = accepts ? ` (${flags} accepts ${them} as data)` : "";
  return `pickle names ${list}, which ${verb} not among the allowed${why}; nothing was called${way}`;
}

const mostNames = 16;

/** The dtype of a storage class. */
export const storageDtype = ({ module, name }: Global): FileDtype | undefined =>
  module === "torch" ? storages.get(name) : undefined;

/** A dict key: text, or a whole number. */
export function keyFrom(value: PickleValue | undefined, fail: Fail): string | number {
  if (typeof value === "string") return value;
  if (typeof value === "number") return value;
  return fail(`${kindOf(value)} as the key of a dict; text and whole numbers are read`);
}

/** Puts a pair into a dict; no key comes twice. */
export function setItem(dict: Dict, key: PickleValue | undefined, value: PickleValue, fail: Fail): void {
  const name = keyFrom(key, fail);
  if (dict.entries.has(name)) fail(`key ${quoted(String(name))} comes twice in a dict`);
  dict.entries.set(name, value);
}

function orderedDict(args: readonly PickleValue[], fail: Fail): Dict {
  const dict = new Dict();
  if (args.length === 0) return dict;
  const [pairs] = args;
  if (args.length > 1 || !(pairs instanceof List)) return fail(`made of ${args.length} values, not of one list`);
  for (const pair of pairs.items) {
    const items = pair instanceof List || pair instanceof Tuple ? pair.items : [];
    if (items.length !== 2) fail(`${kindOf(pair)} where a pair was expected`);
    setItem(dict, items[0], items[1], fail);
  }
  return dict;
}

/** (storage, offset, size, stride, requires_grad, hooks[, metadata]) */
function rebuildTensor(args: readonly PickleValue[], fail: Fail): TorchTensor {
  if (args.length !== 6 && args.length !== 7) return fail(`${args.length} arguments; 6 or 7 are right`);
  const [storage, offset, shape, strides, needsGrad, hooks, metadata] = args;
  if (!(storage instanceof TorchStorage)) return fail(`${kindOf(storage)} as storage`);
  if (typeof needsGrad !== "boolean") fail(`${kindOf(needsGrad)} as requires_grad`);
  checkHooks(hooks, fail);
  checkMetadata(metadata, fail);
  const view = {
    dtype: storage.dtype,
    shape: counts(shape, "size", fail),
    strides: counts(strides, "stride", fail),
    offset: count(offset, "the offset", fail),
  };
  checkView(storage, view, fail);
  return new TorchTensor(storage, { ...view, offset: storage.from + view.offset });
}

/** Flags that change what the stored numbers mean: `neg` is a tensor whose negation was put off, `conj` a conjugation. */
function checkMetadata(metadata: PickleValue | undefined, fail: Fail): void {
  if (metadata === undefined || metadata === null) return;
  if (!(metadata instanceof Dict)) fail(`${kindOf(metadata)} as metadata`);
  for (const [flag, value] of metadata.entries)
    if (value !== false) fail(`the flag ${quoted(String(flag))}; only tensors whose storage is their values are read`);
}

function checkView(storage: TorchStorage, view: TorchTensor["view"], fail: Fail): void {
  const { shape, strides, offset } = view;
  const what = `size [${shape}] and stride [${strides}] from ${offset}`;
  if (shape.length !== strides.length) fail(`size has ${shape.length} axes, stride has ${strides.length}`);
  const isEmpty = shape.includes(0);
  if (isEmpty ? offset > storage.count : offset + reach(view) >= storage.count)
    fail(`${what} leave the storage of ${storage.count} elements`);
  const elements = countOf(shape);
  if (!isEmpty && elements > limits.repeated * storage.count)
    fail(`${what} repeat ${storage.count} elements to ${elements}; at most ${limits.repeated} times is allowed`);
}

/** A tuple of counts, none of which could overflow a sum or a product of them. */
function counts(value: PickleValue | undefined, what: string, fail: Fail): number[] {
  if (!(value instanceof Tuple)) return fail(`${kindOf(value)} as ${what}`);
  if (value.items.length > limits.axes)
    fail(`${what} has ${value.items.length} axes; at most ${limits.axes} are allowed`);
  const found = value.items.map((item) => count(item, `each number of ${what}`, fail));
  const product = found.reduce((n, length) => n * Math.max(1, length), 1);
  if (what === "size" && product > Number.MAX_SAFE_INTEGER) fail(`size [${found}] is more than 2^53 - 1 elements`);
  return found;
}

/** A whole number from 0 to 2^53 - 1. */
export function count(value: PickleValue | undefined, what: string, fail: Fail): number {
  if (typeof value === "number" && value >= 0) return value;
  const found = typeof value === "number" || typeof value === "bigint" ? String(value).slice(0, 40) : kindOf(value);
  return fail(`${what} must be a whole number from 0 to 2^53 - 1, found ${found}`);
}

function checkHooks(hooks: PickleValue | undefined, fail: Fail): void {
  const isEmpty = hooks === null || (hooks instanceof Dict && hooks.entries.size === 0);
  if (!isEmpty) fail(`${kindOf(hooks)} as hooks; an empty OrderedDict was expected`);
}

/** (tensor, requires_grad, hooks) */
function rebuildParameter(args: readonly PickleValue[], fail: Fail): TorchTensor {
  if (args.length !== 3) return fail(`${args.length} arguments; 3 are right`);
  checkHooks(args[2], fail);
  return parameter(args.slice(0, 2), fail);
}

function parameter(args: readonly PickleValue[], fail: Fail): TorchTensor {
  const [tensor, needsGrad] = args;
  if (args.length < 1 || args.length > 2) return fail(`${args.length} arguments; 1 or 2 are right`);
  if (!(tensor instanceof TorchTensor)) return fail(`${kindOf(tensor)} as tensor`);
  if (args.length === 2 && typeof needsGrad !== "boolean") fail(`${kindOf(needsGrad)} as requires_grad`);
  return tensor;
}

function size(args: readonly PickleValue[], fail: Fail): Tuple {
  const [lengths] = args;
  if (args.length !== 1 || !(lengths instanceof Tuple || lengths instanceof List))
    return fail(`made of ${args.length} values, not of one tuple`);
  return new Tuple(counts(new Tuple(lengths.items), "size", fail));
}

/** How Python 3 writes bytes in protocol 2: text whose characters are the bytes. */
function encode(args: readonly PickleValue[], fail: Fail): Uint8Array {
  const [text, encoding] = args;
  if (args.length !== 2 || typeof text !== "string" || (encoding !== "latin1" && encoding !== "latin-1"))
    return fail("only text as latin1 is read");
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) fail(`character ${i} is not latin1`);
    bytes[i] = code;
  }
  return bytes;
}

function typedList(args: readonly PickleValue[], fail: Fail): PickleValue {
  const [list] = args;
  return args.length === 1 && list instanceof List ? list : fail(`${kindOf(list)} where one list was expected`);
}

function typeTag(args: readonly PickleValue[], fail: Fail): PickleValue {
  const [value, type] = args;
  if (args.length !== 2 || typeof type !== "string")
    return fail(`${args.length} values where a value and its type were expected`);
  return value instanceof List || value instanceof Dict ? value : fail(`the type of ${kindOf(value)}`);
}

/** Bytes of a storage. */
export const storageBytes = ({ dtype, count: elements }: TorchStorage) => elements * itemBytes[dtype];
