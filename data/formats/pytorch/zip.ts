// Zip archives, read in place. Two tables describe the same entries, the central directory and the headers beside the data;
// programs disagree about which to believe, so here they must agree, and together cover every byte of the file.
import { inflateRaw, inflateRawSync, type ZlibOptions } from "node:zlib";
import { quoted } from "../json.ts";
import type { Bytes } from "./bytes.ts";
import { crc32 } from "./crc32.ts";

/** Limits, checked before anything is allocated. `grown` is how much compressed entries may hold beyond 64 MiB, as a multiple of their bytes in the file. */
const limits = { entries: 100_000, directory: 32 * 2 ** 20, name: 1024, inflated: 64 * 2 ** 20, grown: 20 } as const;

/** An entry as both tables describe it. */
export interface ZipEntry {
  readonly name: string;
  readonly isCompressed: boolean;
  readonly crc: number;
  /** Bytes in the file, from `start`. */
  readonly packed: number;
  /** Bytes of content. */
  readonly size: number;
  readonly start: number;
}

const SIGNATURE = { local: 0x04034b50, central: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50 };
const DESCRIPTOR = 0x08074b50;
const ENCRYPTED = 0x0001 | 0x0040 | 0x2000;
const PATCHED = 0x0020;
const HAS_DESCRIPTOR = 0x0008;

/** The entries of an archive by name; throws FormatError for any archive that two programs could read differently. */
export function readDirectory(file: Bytes): Map<string, ZipEntry> {
  const end = findEnd(file);
  const found = readCentral(file, end).sort((a, b) => a.header - b.header);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (const [i, entry] of found.entries()) {
    const label = quoted(entry.name);
    if (entry.header !== at) {
      const fault = entry.header < at ? "overlaps the one before" : "leaves a hole";
      file.fail(`zip: entry ${label} ${fault}: it begins at byte ${entry.header}, expected ${at}`);
    }
    if (entries.has(entry.name)) file.fail(`zip: two entries are named ${label}`);
    const limit = i + 1 < found.length ? found[i + 1].header : end.start;
    const start = checkLocal(file, entry, limit);
    entries.set(entry.name, { ...entry, start });
    at = checkDescriptor(file, entry, start + entry.packed, limit);
  }
  if (at !== end.start) file.fail(`zip: ${end.start - at} bytes between the last entry and the directory`);
  checkGrowth(file, entries.values());
  return entries;
}

interface Central extends Omit<ZipEntry, "start"> {
  readonly flags: number;
  readonly method: number;
  readonly header: number;
}

/** Where the central directory lies. */
interface End {
  readonly start: number;
  readonly size: number;
  readonly count: number;
}

function findEnd(file: Bytes): End {
  if (file.size < 22) file.fail(`zip: ${file.size} bytes; the smallest archive has 22`);
  const tail = Math.min(file.size, 22 + 0xffff);
  const bytes = file.at(file.size - tail, tail);
  const view = viewOf(bytes);
  let at = tail - 22;
  while (at >= 0 && !(view.getUint32(at, true) === SIGNATURE.end && view.getUint16(at + 20, true) === tail - 22 - at))
    at--;
  if (at < 0) file.fail("zip: no end record: the file is cut short, or something follows the archive");
  const position = file.size - tail + at;
  const [disk, firstDisk] = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
  if ((disk !== 0 && disk !== 0xffff) || (firstDisk !== 0 && firstDisk !== 0xffff))
    file.fail(`zip: part ${disk} of several; only whole archives are read`);
  const here = view.getUint16(at + 8, true);
  const small = {
    count: view.getUint16(at + 10, true),
    size: view.getUint32(at + 12, true),
    start: view.getUint32(at + 16, true),
  };
  if (here !== small.count)
    file.fail(`zip: ${here} of ${small.count} entries on this disk; only whole archives are read`);
  const { end, directoryEnd } = widen(file, small, position);
  if (end.count > limits.entries) file.fail(`zip: ${end.count} entries; at most ${limits.entries} are allowed`);
  if (end.size > limits.directory)
    file.fail(`zip: a directory of ${end.size} bytes; at most ${limits.directory} are allowed`);
  if (end.start + end.size !== directoryEnd)
    file.fail(`zip: the directory ends at byte ${end.start + end.size}, expected ${directoryEnd}`);
  return end;
}

/** With a zip64 end record the numbers are there, and the small ones agree or are all ones. */
function widen(file: Bytes, small: End, position: number): { end: End; directoryEnd: number } {
  const locator = position >= 20 ? viewOf(file.at(position - 20, 20)) : undefined;
  if (locator?.getUint32(0, true) !== SIGNATURE.locator64) {
    if (small.count === 0xffff || small.size === 0xffffffff || small.start === 0xffffffff)
      file.fail("zip: the zip64 end record is missing");
    return { end: small, directoryEnd: position };
  }
  const at = whole(file, locator, 8, "the place of the zip64 end record");
  if (locator.getUint32(4, true) !== 0 || locator.getUint32(16, true) > 1)
    file.fail("zip: one of several parts; only whole archives are read");
  if (at + 56 > position - 20) file.fail(`zip: the zip64 end record lies at byte ${at}, outside the file`);
  const view = viewOf(file.at(at, 56));
  if (view.getUint32(0, true) !== SIGNATURE.end64) file.fail(`zip: no zip64 end record at byte ${at}`);
  const length = whole(file, view, 4, "the length of the zip64 end record");
  if (at + 12 + length !== position - 20) file.fail(`zip: a zip64 end record of ${length} bytes does not fit`);
  if (view.getUint32(16, true) !== 0 || view.getUint32(20, true) !== 0)
    file.fail("zip: one of several parts; only whole archives are read");
  const end = {
    count: whole(file, view, 32, "the count of entries"),
    size: whole(file, view, 40, "the size of the directory"),
    start: whole(file, view, 48, "the place of the directory"),
  };
  if (whole(file, view, 24, "the count of entries") !== end.count)
    file.fail("zip: one of several parts; only whole archives are read");
  for (const [key, ones] of [
    ["count", 0xffff],
    ["size", 0xffffffff],
    ["start", 0xffffffff],
  ] as const)
    if (small[key] !== ones && small[key] !== end[key])
      file.fail(`zip: the two end records disagree about the directory's ${key}: ${small[key]} and ${end[key]}`);
  return { end, directoryEnd: at };
}

function readCentral(file: Bytes, { start, size, count }: End): Central[] {
  const bytes = file.at(start, size);
  const view = viewOf(bytes);
  const entries: Central[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > size || view.getUint32(at, true) !== SIGNATURE.central)
      file.fail(`zip: ${count} entries are promised, the directory has ${i}`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > size) file.fail(`zip: entry ${i} of the directory ends at byte ${next}, the directory at ${size}`);
    const name = decodeName(file, bytes.subarray(at + 46, at + 46 + nameLength));
    const extra = bytes.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    entries.push(readEntry(file, viewOf(bytes.subarray(at, at + 46)), name, extra));
    at = next;
  }
  if (at !== size) file.fail(`zip: ${size - at} bytes after the last entry of the directory`);
  return entries;
}

function readEntry(file: Bytes, view: DataView, name: string, extra: Uint8Array): Central {
  const label = quoted(name);
  const flags = view.getUint16(8, true);
  const method = view.getUint16(10, true);
  if (flags & ENCRYPTED) file.fail(`zip: entry ${label} is encrypted`);
  if (flags & PATCHED) file.fail(`zip: entry ${label} is a patch`);
  if (method !== 0 && method !== 8)
    file.fail(`zip: entry ${label} is packed by method ${method}; stored (0) and deflate (8) are read`);
  const wide = zip64Fields(file, extra, label);
  const value = (field: number, what: string) => {
    const small = view.getUint32(field, true);
    return small === 0xffffffff ? wide(what) : small;
  };
  const size = value(24, "size");
  const packed = value(20, "packed size");
  const header = value(42, "place");
  const disk = view.getUint16(34, true);
  if (disk !== 0 && disk !== 0xffff) file.fail(`zip: entry ${label} lies in part ${disk} of several`);
  if (method === 0 && size !== packed)
    file.fail(`zip: entry ${label} is stored, yet has ${packed} bytes in the file and ${size} in content`);
  if (header + 30 + packed > file.size)
    file.fail(`zip: entry ${label} would end at byte ${header + 30 + packed}, the file has ${file.size}`);
  return { name, isCompressed: method === 8, crc: view.getUint32(16, true), packed, size, flags, method, header };
}

/** Takes the 8-byte numbers of the zip64 extra field in order, one for each that is all ones. */
function zip64Fields(file: Bytes, extra: Uint8Array, label: string): (what: string) => number {
  const field = extraField(file, extra, 1, label);
  let at = 0;
  return (what) => {
    if (!field || at + 8 > field.byteLength) return file.fail(`zip: entry ${label} has no zip64 ${what}`);
    at += 8;
    return whole(file, field, at - 8, `the ${what} of ${label}`);
  };
}

function extraField(file: Bytes, extra: Uint8Array, id: number, label: string): DataView | undefined {
  const view = viewOf(extra);
  let found: DataView | undefined;
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = view.getUint16(at + 2, true);
    if (at + 4 + length > extra.length) file.fail(`zip: entry ${label} has a broken extra field`);
    if (view.getUint16(at, true) === id) {
      if (found) file.fail(`zip: entry ${label} has two zip64 fields`);
      found = viewOf(extra.subarray(at + 4, at + 4 + length));
    }
    at += 4 + length;
  }
  return found;
}

/** Compares the header beside the data with the directory. Returns where the data begins: only this header knows. */
function checkLocal(file: Bytes, entry: Central, limit: number): number {
  const label = quoted(entry.name);
  const room = limit - entry.header;
  const fits = (length: number) => {
    if (length > room) file.fail(`zip: entry ${label} needs ${length} bytes, up to the next there are ${room}`);
  };
  fits(30 + entry.packed);
  const fixed = viewOf(file.at(entry.header, 30));
  if (fixed.getUint32(0, true) !== SIGNATURE.local) file.fail(`zip: no header of ${label} at byte ${entry.header}`);
  const [nameLength, extraLength] = [fixed.getUint16(26, true), fixed.getUint16(28, true)];
  fits(30 + nameLength + extraLength + entry.packed);
  const rest = file.at(entry.header + 30, nameLength + extraLength);
  const disagree = (what: string, here: number | string, there: number | string) =>
    file.fail(`zip: header and directory disagree about ${what} of ${label}: ${here} and ${there}`);
  const name = decodeName(file, rest.subarray(0, nameLength));
  if (name !== entry.name) disagree("the name", quoted(name), label);
  const flags = fixed.getUint16(6, true);
  if (flags !== entry.flags) disagree("the flags", flags, entry.flags);
  if (fixed.getUint16(8, true) !== entry.method) disagree("the method", fixed.getUint16(8, true), entry.method);
  const wide = zip64Fields(file, rest.subarray(nameLength), label);
  const later = (flags & HAS_DESCRIPTOR) !== 0; // then zeros may stand here, and the numbers behind the data
  const crc = fixed.getUint32(14, true);
  if (crc !== entry.crc && !(later && crc === 0)) disagree("the checksum", crc, entry.crc);
  for (const [field, what, want] of [
    [22, "the size", entry.size],
    [18, "the packed size", entry.packed],
  ] as const) {
    const small = fixed.getUint32(field, true);
    const size = small === 0xffffffff && want !== small ? wide(what) : small;
    if (size !== want && !(later && size === 0)) disagree(what, size, want);
  }
  return entry.header + 30 + nameLength + extraLength;
}

/** The numbers behind the data, if the flags promise them: with or without a signature, of 4 or 8 bytes. Returns the end. */
function checkDescriptor(file: Bytes, entry: Central, at: number, limit: number): number {
  if (!(entry.flags & HAS_DESCRIPTOR)) return at;
  const length = limit - at;
  if (length === 12 || length === 16 || length === 20 || length === 24) {
    const view = viewOf(file.at(at, length));
    const first = length % 8 === 0 ? 4 : 0; // with a signature, or without
    const isWide = length >= 20;
    const number = (field: number) => (isWide ? Number(view.getBigUint64(field, true)) : view.getUint32(field, true));
    const isSigned = first === 0 || view.getUint32(0, true) === DESCRIPTOR;
    const packed = number(first + 4);
    const size = number(first + (isWide ? 12 : 8));
    const isSame = view.getUint32(first, true) === entry.crc && packed === entry.packed && size === entry.size;
    if (isSigned && isSame) return limit;
  }
  return file.fail(`zip: the numbers behind ${quoted(entry.name)} are not those of the directory`);
}

/** Weights hardly shrink; an archive whose entries would grow without measure is a bomb, whatever else lies in it. */
function checkGrowth(file: Bytes, entries: Iterable<ZipEntry>): void {
  let grown = 0;
  let packed = 0;
  for (const entry of entries) {
    if (!entry.isCompressed) continue;
    grown += entry.size;
    packed += entry.packed;
    const most = limits.inflated + limits.grown * packed;
    if (grown > most)
      file.fail(
        `zip: entry ${quoted(entry.name)} brings the inflated size to ${grown} bytes; at most ${most} for ${packed} packed`,
      );
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeName(file: Bytes, bytes: Uint8Array): string {
  if (bytes.length > limits.name) file.fail(`zip: a name of ${bytes.length} bytes; at most ${limits.name} are allowed`);
  if (bytes.length === 0 || bytes.includes(0)) file.fail("zip: a name that is empty or has a NUL");
  try {
    return utf8.decode(bytes);
  } catch {
    return file.fail("zip: a name that is not valid UTF-8");
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function whole(file: Bytes, view: DataView, at: number, what: string): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) file.fail(`zip: ${what} is ${value}; at most 2^53 - 1`);
  return Number(value);
}

/** The content of an entry that is small enough to hold, unpacked and its checksum compared. */
export function readSmall(file: Bytes, entry: ZipEntry, most: number): Uint8Array {
  if (entry.size > most)
    file.fail(`zip: entry ${quoted(entry.name)} has ${entry.size} bytes; at most ${most} are allowed`);
  if (entry.packed > most + 1024)
    file.fail(`zip: entry ${quoted(entry.name)} has ${entry.packed} packed bytes for ${entry.size}`);
  const packed = file.at(entry.start, entry.packed);
  const bytes = entry.isCompressed ? inflated(file, entry, () => inflateRawSync(packed, optionsFor(entry))) : packed;
  checkCrc(file, entry, crc32(bytes));
  return bytes;
}

/** The same for an entry of any size, without blocking. */
export async function unpack(file: Bytes, entry: ZipEntry): Promise<Uint8Array> {
  const packed = new Uint8Array(entry.packed);
  await file.fill(packed, entry.start);
  const result = await new Promise<unknown>((resolve) =>
    inflateRaw(packed, optionsFor(entry), (error, value) => resolve(error ?? value)),
  );
  const bytes = inflated(file, entry, () => result);
  checkCrc(file, entry, crc32(bytes));
  return bytes;
}

/** One byte more than declared is allowed, so that an entry which is too long differs from one which is right. */
const optionsFor = ({ size }: ZipEntry): ZlibOptions => ({ maxOutputLength: size + 1, info: true });

function inflated(file: Bytes, entry: ZipEntry, run: () => unknown): Uint8Array {
  const label = quoted(entry.name);
  let result: unknown;
  try {
    result = run();
  } catch (error) {
    result = error;
  }
  if (result instanceof Error) {
    const isLong = (result as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    const why = isLong ? `unpacks to more than the declared ${entry.size} bytes` : `is damaged (${result.message})`;
    return file.fail(`zip: entry ${label} ${why}`);
  }
  const { buffer, engine } = result as { buffer: Uint8Array; engine: { bytesWritten: number } };
  if (buffer.length !== entry.size)
    file.fail(`zip: entry ${label} unpacks to ${buffer.length} bytes, declared are ${entry.size}`);
  if (engine.bytesWritten !== entry.packed)
    file.fail(`zip: entry ${label} uses ${engine.bytesWritten} of its ${entry.packed} packed bytes`);
  return buffer;
}

/** `sum` is of the whole content. */
export function checkCrc(file: Bytes, { name, crc }: ZipEntry, sum: number): void {
  if (sum === crc) return;
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  file.fail(`zip: entry ${quoted(name)} is damaged: its checksum is ${hex(sum)}, expected ${hex(crc)}`);
}
