// One face for every file of weights: safetensors, alone or in shards, and PyTorch's formats. What a file is shows in its
// first bytes, never in its name. Opening checks everything that is needed to find the tensors; reading streams them.
import { basename } from "node:path";
import { quoted } from "./json.ts";
import { FormatError, nearest } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { type Content, type Room, type StoredTensor, TensorRef } from "./content.ts";
import { convert, itemBytes } from "./dtypes.ts";
import { type Bytes, FileBytes, PIECE } from "./pytorch/bytes.ts";
import { openArchive, openLegacy, type TorchFile } from "./pytorch/open.ts";
import { countOf } from "./pytorch/storage.ts";
import { limits, SafetensorsFile } from "./safetensors.ts";
import { SafetensorsIndex } from "./safetensors-index.ts";

export { at, type Content, Inert, type Stored, type StoredTensor, TensorRef } from "./content.ts";

/** An open file of weights. Tensors are read one at a time, so its size does not matter. */
export interface WeightFile {
  readonly path: string;
  readonly format: "safetensors" | "safetensors index" | "pytorch" | "pytorch legacy" | "torchscript";
  /** By name: the dotted path from the root of the content, as in "model.logit_scale"; in file order. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Everything the file holds; of safetensors, its tensors by name and "__metadata__". */
  readonly content: Content;
  /** Classes in a pickle that are not known, with the number of their objects: kept as data, never made. */
  readonly unread?: ReadonlyMap<string, number>;
  /** The elements as float32, row-major, whatever the dtype in the file. */
  floats(name: string): Promise<Float32Array>;
  /** The elements in their dtype: row-major, little-endian. */
  bytes(name: string): Promise<Uint8Array>;
  /** The same in pieces of whole elements, each in a buffer of its own, or in the one that `room` gives for its length. */
  chunks(name: string, room?: Room): AsyncIterable<Uint8Array>;
  /** Closes the file; nothing can be read from it afterwards. */
  close(): Promise<void>;
}

/** What is accepted of a file of weights. */
export interface WeightOptions {
  /** Foreign classes, as in "numpy.core.multiarray.scalar", to accept as data. They are never called. */
  readonly inert?: readonly string[];
}

/** Opens a file of weights; throws FormatError for anything that is not one, whole and harmless. */
export async function openWeights(path: string, options: WeightOptions = {}): Promise<WeightFile> {
  takes("openWeights(path: text, options?: { inert?: text[] })", arguments);
  const { inert = [] } = options;
  const file = await FileBytes.open(path);
  let isOpen = false;
  try {
    const kind = kindOf(file);
    if (kind === "zip" || kind === "pickle") {
      const weights = torchWeights(path, file, kind === "zip" ? openArchive(file, inert) : openLegacy(file, inert));
      isOpen = true;
      return weights;
    }
    return await (kind === "index" ? openIndex(path) : openSafetensors(path));
  } finally {
    if (!isOpen) await file.close();
  }
}

/** What a file is by its first bytes; what it is not is told as well as it can be. */
function kindOf(file: Bytes): "zip" | "pickle" | "safetensors" | "index" {
  const first = file.at(0, Math.min(64, file.size));
  const text = new TextDecoder("latin1").decode(first);
  if (first.length > 8 && first[8] === 0x7b && first[6] === 0 && first[7] === 0) return "safetensors"; // its length < 2^48
  if (text.startsWith("PK")) return "zip";
  if (first[0] === 0x80) return "pickle";
  if (text.trimStart().startsWith("{")) return "index";
  if (file.name.endsWith(".safetensors")) return "safetensors";
  if (first.length === 0) file.fail("an empty file");
  if (text.startsWith("version https://git-lfs")) file.fail("a Git LFS pointer; the weights themselves are not here");
  if (/^\s*<(!doctype|html)/i.test(text)) file.fail("a web page, not weights");
  return file.fail("not a file of weights: neither PyTorch, nor safetensors, nor an index of safetensors");
}

function torchWeights(path: string, file: Bytes, torch: TorchFile): WeightFile {
  const info = (name: string) => torch.tensors.get(name) ?? missing(name, path, torch.tensors.keys());
  const all = async (name: string, { dtype, shape }: StoredTensor) => {
    const bytes = new Uint8Array(holdable(file, name, countOf(shape) * itemBytes[dtype]));
    let at = 0;
    for await (const _ of torch.pieces(name, (length) => bytes.subarray(at, (at += length))));
    return bytes;
  };
  return {
    path,
    format: torch.format,
    tensors: torch.tensors,
    content: torch.content,
    unread: torch.unread,
    bytes: async (name) => all(name, info(name)),
    floats: async (name) => {
      const tensor = info(name);
      if (tensor.dtype === "F32") return new Float32Array((await all(name, tensor)).buffer);
      const out = new Float32Array(holdable(file, name, countOf(tensor.shape) * 4) / 4);
      const scratch = new Uint8Array(Math.min(PIECE, countOf(tensor.shape) * itemBytes[tensor.dtype]));
      let at = 0;
      for await (const piece of torch.pieces(name, (length) => scratch.subarray(0, length))) {
        const count = piece.length / itemBytes[tensor.dtype];
        convert(tensor.dtype, piece, out.subarray(at, (at += count)));
      }
      return out;
    },
    chunks: (name, room = (length) => new Uint8Array(length)) => {
      info(name);
      return torch.pieces(name, room);
    },
    close: () => file.close(),
  };
}

function missing(name: string, path: string, known: Iterable<string>): never {
  const near = nearest(name, known);
  throw new FormatError(`${basename(path)}: no tensor ${quoted(name)}${near ? ` (did you mean ${near}?)` : ""}`);
}

function holdable(file: Bytes, name: string, bytes: number): number {
  if (bytes < limits.tensor) return bytes;
  return file.fail(`tensor ${quoted(name)} has ${bytes} bytes; below ${limits.tensor} fit in memory at once`);
}

const openSafetensors = async (path: string) => face(path, "safetensors", await SafetensorsFile.open(path));
const openIndex = async (path: string) => face(path, "safetensors index", await SafetensorsIndex.open(path));

function face(path: string, format: WeightFile["format"], file: SafetensorsFile | SafetensorsIndex): WeightFile {
  const content = new Map<string, Content>();
  if (file.metadata.size) content.set("__metadata__", file.metadata);
  for (const name of file.tensors.keys()) content.set(name, new TensorRef(name));
  return {
    path,
    format,
    tensors: file.tensors,
    content,
    floats: (name) => file.floats(name),
    bytes: (name) => file.read(name),
    chunks: (name, room) => file.chunks(name, room),
    close: () => file.close(),
  };
}
