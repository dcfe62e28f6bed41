// A module in a file: the tensors of a tree under their dotted names, as safetensors.
import { basename } from "node:path";
import { replaceFile } from "../data/formats/disk.ts";
import { type FileDtype, toNumbers } from "../data/formats/dtypes.ts";
import { quoted } from "../data/formats/json.ts";
import { type SafetensorsEntry, safetensorsBytes } from "../data/formats/safetensors.ts";
import { openWeights, type WeightFile } from "../data/formats/weights.ts";
import { arrived, assign, CheckpointError, type Dtype, nearest, type Tensor, UsageError } from "../engine/index.ts";
import { takes } from "../engine/takes.ts";
import { readTensor, Transfer } from "./checkpoint/load.ts";
import { narrowed } from "./checkpoint/narrow.ts";
import { linesUnder } from "./checkpoint/plan.ts";
import { named } from "./params.ts";

/** In which number format `save` writes, and what it writes beside the tensors. */
export interface SaveOptions {
  /** Number format of floating-point tensors; "keep", the default, is that of each tensor. */
  readonly dtype?: "keep" | "f32" | "f16" | "bf16";
  /** Texts that the file carries beside its tensors: the number of the last step, settings as JSON. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What `save` wrote. */
export interface Saved {
  readonly tensors: readonly string[];
  readonly bytes: number;
  readonly sha256: string;
}

/** How strictly the names of a file and of a module must agree. */
export interface LoadModuleOptions {
  /**
   * Refuse names that the file lacks, or the module (default). Otherwise they are listed: what is missing keeps its values, as with
   * `load_state_dict(…, strict=False)`. Shapes and types have to fit in any case.
   */
  readonly strict?: boolean;
}

/** What `load` did, by names. */
export interface LoadedModule {
  readonly loaded: readonly string[];
  /** Of the module, not in the file: they keep their values. */
  readonly missing: readonly string[];
  /** In the file, not of the module. */
  readonly unexpected: readonly string[];
  /** Loaded from another number format than their own. */
  readonly converted: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

const own: Record<Dtype, FileDtype> = { f32: "F32", f16: "F16", u32: "U32", i32: "I32" };
const formats = { f32: "F32", f16: "F16", bf16: "BF16" } as const;
const isFloat = (dtype: Dtype | FileDtype): boolean => /^b?f\d+$/i.test(dtype);

/**
 * Writes the tensors of a module (an object whose fields are tensors or modules) to a .safetensors file, under their dotted names. The
 * file appears whole or not at all, in place of an older one; tensors are read one at a time and must not change until it is there.
 * Errors: UsageError for a module without tensors, or with some that have no memory; FormatError for a number that is not finite, or
 * too large for `dtype`; DiskError.
 *
 *     await save("model.safetensors", model);
 *     await save("optimizer.safetensors", Object.fromEntries(optimizer.state()), { metadata: { step: `${step}` } });
 */
export async function save(path: string, module: object, options: SaveOptions = {}): Promise<Saved> {
  takes(
    'save(path: text, module: object | any[], options?: { dtype?: "keep" | "f32" | "f16" | "bf16", metadata?: object })',
    arguments,
  );
  const { dtype = "keep", metadata = {} } = options;
  if (!/[^/\\]\.safetensors$/.test(path)) throw new UsageError(`save: ${quoted(path)}: only .safetensors is written`);
  for (const [key, value] of Object.entries(metadata))
    if (typeof value !== "string") throw new UsageError(`save: metadata.${key} is no text; metadata are texts`);
  const tensors = tensorsOf("save", module, ({ value }) => value.storage !== undefined || value.scope !== undefined);
  const entries = Array.from(tensors, ([name, tensor]) => entryOf(name, tensor, dtype, basename(path)));
  const written = await replaceFile(path, safetensorsBytes(entries, { format: "pt", ...metadata }));
  return { tensors: [...tensors.keys()], ...written };
}

function entryOf(
  name: string,
  tensor: Tensor,
  wanted: NonNullable<SaveOptions["dtype"]>,
  file: string,
): SafetensorsEntry {
  const { shape } = tensor;
  const dtype = wanted === "keep" || !isFloat(tensor.dtype) ? own[tensor.dtype] : formats[wanted];
  const bytes = async (): Promise<Uint8Array> => {
    const { buffer, byteOffset, byteLength } = await tensor.data();
    const all = new Uint8Array(buffer, byteOffset, byteLength);
    return isFloat(tensor.dtype) ? narrowed(all, "F32", dtype, true, `${file}: ${quoted(name)}`) : all;
  };
  return { name, dtype, shape, bytes };
}

/** The tensors of a module by name; one without memory is refused, and so is a module without any. */
function tensorsOf(what: string, module: object, hasMemory: (tensor: Tensor) => boolean): Map<string, Tensor> {
  const entries = [...named(module)];
  const tensors = new Map(entries);
  if (entries.length === 0)
    throw new UsageError(`${what}: the module has no tensors; its fields are tensors, or objects of tensors`);
  const twice = entries.find(([name, tensor]) => tensors.get(name) !== tensor);
  if (twice) throw new UsageError(`${what}: two tensors of the module are named ${quoted(twice[0])}`);
  const bare = entries.filter(([, tensor]) => !hasMemory(tensor)).map(([name]) => quoted(name));
  if (bare.length > 0)
    throw new UsageError(
      `${what}: ${bare.length} of ${entries.length} tensors have no memory of their own (${bare.slice(0, 6).join(", ")}` +
        `${bare.length > 6 ? ", …" : ""}); declared parameters get it by allocate(groups, …) or allocateFrozen(tensors)`,
    );
  return tensors;
}

/**
 * Reads a file of weights into the tensors of a module, which have memory and outlive scopes: what `save` wrote, or any safetensors
 * file or PyTorch state dict with the same names. All is checked before anything is written: names, shapes, types, and that every
 * number is finite. Floating-point numbers are converted, whole ones have to be of the same type. Errors: CheckpointError that lists all
 * that does not fit, FormatError for a damaged file, UsageError for tensors without memory.
 */
export async function load(path: string, module: object, options: LoadModuleOptions = {}): Promise<LoadedModule> {
  takes("load(path: text, module: object | any[], options?: { strict?: flag })", arguments);
  const { strict = true } = options;
  const tensors = tensorsOf("load", module, ({ value: { storage, scope } }) => !!storage && !scope);
  const file = await openWeights(path);
  try {
    const report = compared(file, tensors, strict);
    for (const name of report.loaded) await checkNumbers(file, name, tensors.get(name)!);
    const transfer = new Transfer();
    for (const name of report.loaded) await fill(file, name, tensors.get(name)!, transfer);
    await arrived();
    return report;
  } finally {
    await file.close();
  }
}

/** What fits; everything that does not is refused at once. */
function compared(file: WeightFile, tensors: ReadonlyMap<string, Tensor>, strict: boolean): LoadedModule {
  const [missing, shapes, types, loaded, converted] = [[], [], [], [], []] as string[][];
  for (const [name, { shape, dtype }] of tensors) {
    const stored = file.tensors.get(name);
    if (!stored) missing.push(name);
    else if (`${stored.shape}` !== `${shape}`)
      shapes.push(`${quoted(name)} is [${stored.shape}] in the file, [${shape}] in the module`);
    else if (!converts(stored.dtype, dtype))
      types.push(`${quoted(name)} is ${stored.dtype} in the file, ${dtype} in the module`);
    else {
      loaded.push(name);
      if (stored.dtype !== own[dtype]) converted.push(name);
    }
  }
  const unexpected = [...file.tensors.keys()].filter((name) => !tensors.has(name));
  const names = strict ? { missing, unexpected } : { missing: [], unexpected: [] };
  refuse(file, { ...names, shape: shapes, type: types }, missing, unexpected);
  if (loaded.length === 0)
    throw new CheckpointError(`${basename(file.path)}: none of its tensors has the name of one of the module`);
  return { loaded, missing, unexpected, converted, metadata: metadataOf(file) };
}

const converts = (from: FileDtype, to: Dtype): boolean => (isFloat(to) ? isFloat(from) : from === own[to]);

function refuse(
  file: WeightFile,
  faults: Record<"missing" | "unexpected" | "shape" | "type", readonly string[]>,
  missing: readonly string[],
  unexpected: readonly string[],
): void {
  const found = Object.entries(faults).filter(([, { length }]) => length > 0);
  if (found.length === 0) return;
  const lines = found.flatMap(([label, all]) =>
    linesUnder(label, all, (line) => {
      if (label === "missing") return quoted(line) + near(line, unexpected);
      return label === "unexpected" ? quoted(line) + near(line, missing) : line;
    }),
  );
  const counts = found.map(
    ([label, { length }]) => `${length} ${label === "shape" || label === "type" ? "of another " : ""}${label}`,
  );
  throw new CheckpointError(
    `${basename(file.path)}: does not fit the module: ${counts.join(", ")}; nothing was loaded\n${lines.join("\n")}`,
  );
}

function near(name: string, known: readonly string[]): string {
  const found = nearest(name, known.slice(0, 2000));
  return found ? ` (did you mean ${quoted(found)}?)` : "";
}

/** The first pass over the file: a damaged piece, or a number that the tensor cannot hold, shows before anything is written. */
async function checkNumbers(file: WeightFile, name: string, { dtype }: Tensor): Promise<void> {
  const from = file.tensors.get(name)!.dtype;
  for await (const piece of file.chunks(name))
    if (isFloat(dtype)) narrowed(piece, from, own[dtype], true, `${basename(file.path)}: ${quoted(name)}`);
}

async function fill(file: WeightFile, name: string, tensor: Tensor, transfer: Transfer): Promise<void> {
  if (tensor.dtype === "f32") return readTensor(file, name, tensor, transfer);
  assign(tensor, toNumbers(file.tensors.get(name)!.dtype, await file.bytes(name)));
  await transfer.sent(4 * tensor.numel);
}

/** The texts of a safetensors file. */
function metadataOf({ content }: WeightFile): Record<string, string> {
  const found = content instanceof Map ? content.get("__metadata__") : undefined;
  return found instanceof Map ? Object.fromEntries(found) : {};
}
