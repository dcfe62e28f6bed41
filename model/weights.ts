// One face for every file of weights: safetensors, alone or in shards, and PyTorch's formats. What a file is shows in its
// first bytes, never in its name. Opening checks everything that is needed to find the tensors; reading streams them.
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { FormatError } from "../engine/errors.ts";
import { type Content, type StoredTensor, TensorRef } from "./content.ts";
import { SafetensorsFile } from "./safetensors.ts";

export { type Content, Inert, type StoredTensor, TensorRef } from "./content.ts";

/** An open file of weights. Tensors are read one at a time, so its size does not matter. */
export interface WeightFile {
  readonly path: string;
  readonly format: "safetensors" | "safetensors index" | "pytorch" | "pytorch legacy" | "torchscript";
  /** By name: the dotted path from the root of the content, as in "model.logit_scale"; in file order. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Everything the file holds; of safetensors, its tensors by name and "__metadata__". */
  readonly content: Content;
  /** The elements as float32, row-major, whatever the dtype in the file. */
  floats(name: string): Promise<Float32Array>;
  /** The elements in their dtype: row-major, little-endian. */
  bytes(name: string): Promise<Uint8Array>;
  /** The same in pieces of whole elements. */
  chunks(name: string): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Foreign classes, as in "numpy.core.multiarray.scalar", to accept as data. They are never called. */
  readonly inert?: readonly string[];
}

/** Opens a file of weights; throws FormatError for anything that is not one, whole and harmless. */
export async function openWeights(path: string, _options: OpenOptions = {}): Promise<WeightFile> {
  const first = await firstBytes(path);
  if (isSafetensors(first) || path.endsWith(".safetensors")) return safetensors(path);
  throw new FormatError(`${basename(path)}: not a file of weights: neither PyTorch nor safetensors`);
}

async function safetensors(path: string): Promise<WeightFile> {
  const file = await SafetensorsFile.open(path);
  const content = new Map<string, Content>();
  if (file.metadata.size) content.set("__metadata__", file.metadata);
  for (const name of file.tensors.keys()) content.set(name, new TensorRef(name));
  return {
    path,
    format: "safetensors",
    tensors: file.tensors,
    content,
    floats: (name) => file.floats(name),
    bytes: (name) => file.read(name),
    chunks: (name) => file.chunks(name),
    close: () => file.close(),
  };
}

/** A header length below 2^48, then the brace; no other format begins so. */
const isSafetensors = (first: Uint8Array) => first.length > 8 && first[6] === 0 && first[7] === 0 && first[8] === 0x7b;

async function firstBytes(path: string): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    if (!(await stat(path)).isFile()) throw new FormatError(`${basename(path)}: not a regular file`);
    handle = await open(path, "r");
    const { buffer, bytesRead } = await handle.read(new Uint8Array(64), 0, 64, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "no such file" : `cannot be read (${code})`;
    throw new FormatError(`${basename(path)}: ${why}`, { cause: error });
  } finally {
    await handle?.close();
  }
}
