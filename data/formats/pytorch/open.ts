// PyTorch's two formats. An archive is a zip: one pickle, and a storage in each entry below data/. A legacy file is five
// pickles in a row and the storages behind them. Both become a table of tensors that are read from the file when asked for.
import { quoted } from "../json.ts";
import type { Content, StoredTensor } from "../content.ts";
import { Inert } from "../content.ts";
import { type Bytes, MemoryBytes } from "./bytes.ts";
import { Cursor } from "./cursor.ts";
import { storageBytes } from "./globals.ts";
import { pickleLimits, unpickle, type Unpickled } from "./pickle.ts";
import { StorageData, stretchOf, type Unpacked, viewPieces } from "./storage.ts";
import { treeOf } from "./tree.ts";
import { Dict, List, type TorchStorage, type TorchTensor } from "./values.ts";
import { readDirectory, readSmall, type ZipEntry } from "./zip.ts";

/** The tensors of an open PyTorch file. */
export interface TorchFile {
  readonly format: "pytorch" | "pytorch legacy" | "torchscript";
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly content: Content;
  /** Classes that are not known, with the number of their objects: kept as data, and never made. */
  readonly unread: ReadonlyMap<string, number>;
  pieces(name: string, room: (length: number) => Uint8Array): AsyncIterable<Uint8Array>;
}

/** Reading all tensors may take so many times the file, or 64 MiB: shared storages count each time. */
const repeated = 16;
const small = 64 * 2 ** 20;

/** Opens an archive as torch.save and torch.jit.save write it. */
export function openArchive(file: Bytes, inert: readonly string[] = []): TorchFile {
  const entries = readDirectory(file);
  const folder = folderOf(file, entries);
  const known = (name: string) => entries.get(`${folder}/${name}`);
  checkVersion(file, known("version"));
  checkByteOrder(file, known("byteorder"));
  const pickle = readSmall(file, entries.get(`${folder}/data.pkl`)!, pickleLimits.bytes);
  const memory = new MemoryBytes(file.name, pickle);
  const cursor = new Cursor(memory, 0, pickle.length);
  const unpickled = unpickle(cursor, "zip", inert);
  if (cursor.left) file.fail(`pickle: ${cursor.left} bytes after its end`);
  const tree = treeOf(unpickled.value, (what) => file.fail(what));
  const unpacked: Unpacked = {};
  const data = new Map<string, StorageData>();
  for (const storage of unpickled.storages.values()) {
    const entry = known(`data/${storage.key}`);
    if (!entry) return file.fail(`storage ${quoted(storage.key)} is not in the archive`);
    checkSize(file, storage, entry.size);
    data.set(storage.key, new StorageData(file, entry, unpacked));
  }
  return torchFile(file, "pytorch", tree, unpickled.unknown, data);
}

/** The one folder of the archive, which holds data.pkl. */
function folderOf(file: Bytes, entries: ReadonlyMap<string, ZipEntry>): string {
  const folders = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (folders.length === 1) return folders[0].slice(0, -"/data.pkl".length);
  const first = entries.keys().next().value;
  return file.fail(
    folders.length
      ? `${folders.length} entries named data.pkl; 1 is right`
      : `a zip archive without data.pkl, so not of PyTorch${first ? `; its first entry is ${quoted(first)}` : ""}`,
  );
}

function checkVersion(file: Bytes, entry: ZipEntry | undefined): void {
  if (!entry) return;
  const text = latin1(readSmall(file, entry, 64)).trim();
  if (!/^\d{1,9}$/.test(text) || Number(text) < 1 || Number(text) > 99)
    file.fail(`version ${quoted(text)} of the archive; 1 to 99 are read`);
}

function checkByteOrder(file: Bytes, entry: ZipEntry | undefined): void {
  if (!entry) return;
  const order = latin1(readSmall(file, entry, 64)).trim();
  if (order !== "little") file.fail(`byte order ${quoted(order)}; only "little" is read`);
}

const latin1 = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/** Opens a file as torch.save wrote it before 1.6, and still does without its new format. */
export function openLegacy(file: Bytes, inert: readonly string[] = []): TorchFile {
  let at = 0;
  const next = (): Unpickled => {
    const cursor = new Cursor(file, at, Math.min(file.size, at + pickleLimits.bytes));
    const unpickled = unpickle(cursor, "legacy", inert);
    at = cursor.at;
    return unpickled;
  };
  const { value: magic } = next();
  if (magic !== MAGIC) file.fail("a pickle, but not one of PyTorch: the magic number is missing");
  const { value: protocol } = next();
  if (protocol !== PROTOCOL)
    file.fail(`legacy protocol ${typeof protocol === "number" ? protocol : "unknown"}; ${PROTOCOL} is read`);
  const { value: system } = next();
  if (!(system instanceof Dict)) return file.fail("legacy file: the third pickle is not a dict");
  if (system.entries.get("little_endian") !== true) file.fail("legacy file: not little-endian");
  const unpickled = next();
  const tree = treeOf(unpickled.value, (what) => file.fail(what)); // names that are not known are told before storages
  const { value: keys } = next();
  const data = readStorages(file, unpickled.storages, keys, at);
  return torchFile(file, "pytorch legacy", tree, unpickled.unknown, data);
}

/** Behind the pickles: a count and the elements, for each key in order, to the end of the file. */
function readStorages(
  file: Bytes,
  storages: Unpickled["storages"],
  keys: unknown,
  from: number,
): Map<string, StorageData> {
  if (!(keys instanceof List)) return file.fail("legacy file: the fifth pickle is not a list of storages");
  const data = new Map<string, StorageData>();
  let at = from;
  for (const key of keys.items) {
    if (typeof key !== "string") return file.fail("legacy file: a storage whose key is not text");
    const storage = storages.get(key);
    if (!storage || data.has(key))
      return file.fail(`legacy file: storage ${quoted(key)} is ${storage ? "listed twice" : "not used"}`);
    if (at + 8 > file.size) file.fail(`legacy file: ends at byte ${file.size}, before storage ${quoted(key)}`);
    const found = new DataView(file.at(at, 8).buffer).getBigInt64(0, true);
    if (found !== BigInt(storage.count))
      file.fail(`legacy file: storage ${quoted(key)} has ${found} elements, expected ${storage.count}`);
    const size = storageBytes(storage);
    if (at + 8 + size > file.size)
      file.fail(`legacy file: storage ${quoted(key)} would end at byte ${at + 8 + size}, the file has ${file.size}`);
    data.set(key, new StorageData(file, { start: at + 8, size }));
    at += 8 + size;
  }
  if (data.size !== storages.size)
    file.fail(`legacy file: ${data.size} storages are listed, ${storages.size} are used`);
  if (at !== file.size) file.fail(`legacy file: ${file.size - at} bytes after the last storage`);
  return data;
}

function checkSize(file: Bytes, storage: TorchStorage, size: number): void {
  const { key, dtype, count } = storage;
  if (size !== storageBytes(storage))
    file.fail(`storage ${quoted(key)} has ${size} bytes, but ${count} x ${dtype} need ${storageBytes(storage)}`);
}

function torchFile(
  file: Bytes,
  format: TorchFile["format"],
  { content, tensors }: ReturnType<typeof treeOf>,
  unread: Unpickled["unknown"],
  data: ReadonlyMap<string, StorageData>,
): TorchFile {
  checkTotal(file, tensors, data);
  const isScript = content instanceof Inert && content.name.startsWith("__torch__.");
  return {
    format: isScript ? "torchscript" : format,
    tensors: new Map(Array.from(tensors, ([name, { view }]) => [name, { dtype: view.dtype, shape: view.shape }])),
    content,
    unread,
    pieces: (name, room) => {
      const { storage, view } = tensors.get(name)!;
      return viewPieces(data.get(storage.key)!, view, room);
    },
  };
}

/** What reading every tensor in order comes to: a view over a far stretch, a packed entry and what has several names count each time. */
function checkTotal(
  file: Bytes,
  tensors: ReadonlyMap<string, TorchTensor>,
  data: ReadonlyMap<string, StorageData>,
): void {
  const most = Math.max(small, repeated * file.size);
  let total = 0;
  let last: StorageData | undefined;
  for (const { storage, view } of tensors.values()) {
    const from = data.get(storage.key)!;
    total += Math.max(stretchOf(view), from === last ? 0 : from.unpackedSize);
    last = from;
    if (total > most)
      file.fail(`its tensors come to more than ${most} bytes to read; ${repeated} times the file is allowed`);
  }
}
