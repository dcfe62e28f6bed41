// Tar archives read in place: where each member lies, and nothing else. Stricter than tar: only regular files and
// folders, safe names, whole numbers, right checksums, a proper end. Nothing is ever unpacked to disk.
import { FormatError } from "../../engine/errors.ts";
import { quoted } from "./json.ts";

/** A file inside an archive: `size` bytes from byte `offset` of the archive. */
export type Member = { readonly name: string; readonly offset: number; readonly size: number };

/** Reads `length` bytes from byte `at` of an archive; the range lies inside it. The result is used before the next read. */
export type ReadAt = (at: number, length: number) => Uint8Array;

export const tarLimits = { name: 255, pax: 65_536, member: 2 ** 26, members: 2 ** 22, padding: 2 ** 20 } as const;

/** Types of headers that say something of what follows: pax of the next member and of all, GNU's long name. */
const NOTES = ["x", "g", "L"];
const BLOCK = 512;
const SPACE = 0x20;
const strict = new TextDecoder("utf-8", { fatal: true });

/** What a pax or GNU header says about the member that follows it. */
type Override = { path?: string; size?: number };

/** The regular files of an archive of `bytes` bytes, in order; `file` begins every message. */
export function* tarMembers(readAt: ReadAt, bytes: number, file: string): Generator<Member> {
  const refuse = (why: string) => new FormatError(`${file}: ${why}`);
  if (bytes % BLOCK !== 0) throw refuse(`${bytes} bytes, not a multiple of ${BLOCK}: truncated, or not a tar archive`);

  let override: Override = {};
  let count = 0;
  for (let at = 0; ; ) {
    if (at + 2 * BLOCK > bytes) throw refuse(`ends at byte ${bytes} without the two zero blocks that end an archive`);
    const block = readAt(at, BLOCK);
    if (isZero(block)) {
      if (Object.keys(override).length > 0) throw refuse(`a header at the end, byte ${at}, describes no member`);
      return checkEnd(readAt, at, bytes, refuse);
    }
    const header = parseHeader(block, (why) => refuse(`header at byte ${at}: ${why}`));
    const isNote = NOTES.includes(header.type);
    const name = (isNote ? undefined : override.path) ?? header.name;
    const size = (isNote ? undefined : override.size) ?? header.size;
    const offset = at + BLOCK;
    const next = offset + Math.ceil(size / BLOCK) * BLOCK;
    const what = quoted(name);
    if (size > tarLimits.member) throw refuse(`${what} has ${size} bytes, allowed are ${tarLimits.member}`);
    if (next > bytes) throw refuse(`${what} ends at byte ${offset + size}, but the archive has ${bytes}: truncated`);
    if (++count > tarLimits.members) throw refuse(`more than ${tarLimits.members} members`);

    at = next;
    if (isNote) {
      if (size > tarLimits.pax) throw refuse(`${what}: a header of ${size} bytes, allowed are ${tarLimits.pax}`);
      const body = readAt(offset, size);
      if (header.type === "g") checkGlobal(body, refuse);
      else
        override = {
          ...override,
          ...(header.type === "x" ? paxFields(body, refuse) : { path: gnuName(body, refuse) }),
        };
      continue;
    }
    if (!["0", "\0", "5"].includes(header.type))
      throw refuse(`${what} is ${kindOf(header.type)}; allowed are regular files and folders`);
    override = {};
    const fault = nameFault(name, header.type === "5");
    if (fault) throw refuse(`member ${what} ${fault}`);
    if (header.type === "5") {
      if (size !== 0) throw refuse(`folder ${what} has ${size} bytes`);
      continue;
    }
    yield { name: withoutDot(name), offset, size };
  }
}

/** Two zero blocks, and only zeros after them. */
function checkEnd(readAt: ReadAt, from: number, bytes: number, refuse: (why: string) => FormatError): void {
  if (bytes - from > tarLimits.padding) throw refuse(`${bytes - from} bytes after the last member, byte ${from}`);
  for (let at = from; at < bytes; at += BLOCK)
    if (!isZero(readAt(at, BLOCK))) throw refuse(`data after the end of the archive, at byte ${at}`);
}

type Header = { name: string; size: number; type: string };

function parseHeader(block: Uint8Array, refuse: (why: string) => FormatError): Header {
  const magic = String.fromCharCode(...block.subarray(257, 263));
  const stored = octal(block, 148, 8);
  if (stored === undefined || stored !== checksum(block))
    throw refuse(`checksum ${stored ?? "is not a number"}, the bytes add up to ${checksum(block)}`);
  if (magic !== "ustar\0" && magic !== "ustar ") throw refuse(`magic ${quoted(magic)}, expected "ustar"`);
  for (const [field, at, length] of NUMBERS)
    if (octal(block, at, length) === undefined && (block[at] & 0x80) === 0)
      throw refuse(`${field} is not an octal number`);
  const size = octal(block, 124, 12);
  if (size === undefined) throw refuse("size is not an octal number");

  const name = text(block, 0, 100);
  const prefix = magic === "ustar\0" ? text(block, 345, 155) : ""; // GNU keeps times there
  if (name === undefined || prefix === undefined) throw refuse("the name is not valid UTF-8");
  return { name: prefix ? `${prefix}/${name}` : name, size, type: String.fromCharCode(block[156]) };
}

/** Numbers that we check and do not use; GNU may write the large ones in base 256. */
const NUMBERS = [
  ["mode", 100, 8],
  ["uid", 108, 8],
  ["gid", 116, 8],
  ["mtime", 136, 12],
] as const;

/** An octal field: digits, padded by spaces before and by spaces or NULs after; an empty one is 0. */
function octal(block: Uint8Array, at: number, length: number): number | undefined {
  const end = at + length;
  let i = at;
  let value = 0;
  while (i < end && block[i] === SPACE) i++;
  for (; i < end && block[i] >= 0x30 && block[i] <= 0x37; i++) value = value * 8 + block[i] - 0x30;
  while (i < end && (block[i] === SPACE || block[i] === 0)) i++;
  return i === end ? value : undefined;
}

/** The sum of the header's bytes, its checksum field counted as spaces. */
function checksum(block: Uint8Array): number {
  let sum = 8 * SPACE;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i];
  return sum;
}

/** A text field up to its first NUL; undefined if it is not UTF-8. */
function text(block: Uint8Array, at: number, length: number): string | undefined {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return decode(end < 0 ? field : field.subarray(0, end));
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The records "length key=value\n" of a pax header; of them only path and size matter here. */
function paxFields(body: Uint8Array, refuse: (why: string) => FormatError): Override {
  const fields: Override = {};
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(SPACE, at);
    const digits = space < 0 || space - at > 6 ? "" : String.fromCharCode(...body.subarray(at, space));
    const end = at + Number(digits);
    const record = /^[1-9]\d*$/.test(digits) && end <= body.length ? decode(body.subarray(space + 1, end)) : undefined;
    const match = record && /^([^=\0]+)=([\s\S]*)\n$/.exec(record);
    if (!match) throw refuse(`bad pax record at byte ${at} of its header`);
    applyPax(fields, match[1], match[2], refuse);
    at = end;
  }
  return fields;
}

/** A global header may tell times, comments and owners, which do not matter here, but not where members lie. */
function checkGlobal(body: Uint8Array, refuse: (why: string) => FormatError): void {
  const [field] = Object.keys(paxFields(body, refuse));
  if (field) throw refuse(`a global pax header sets the ${field} of every member`);
}

function applyPax(fields: Override, key: string, value: string, refuse: (why: string) => FormatError): void {
  if (key.startsWith("GNU.sparse") || key === "linkpath" || key === "hdrcharset")
    throw refuse(`pax field ${quoted(key)} is not allowed`);
  if (key === "path") fields.path = value;
  if (key !== "size") return;
  if (!/^\d{1,15}$/.test(value)) throw refuse(`pax size ${quoted(value)} is not a whole number`);
  fields.size = Number(value);
}

function gnuName(body: Uint8Array, refuse: (why: string) => FormatError): string {
  const end = body.indexOf(0);
  const name = decode(end < 0 ? body : body.subarray(0, end));
  if (name === undefined) throw refuse("a long name is not valid UTF-8");
  return name;
}

/** Why a name must not be used, or nothing. */
function nameFault(name: string, folder: boolean): string | undefined {
  const path = withoutDot(folder ? name.replace(/\/$/, "") : name);
  if (folder && (path === "" || path === ".")) return undefined; // the folder that was packed
  if (path === "") return "has no name";
  if (path.length > tarLimits.name) return `has a name of ${path.length} characters, allowed are ${tarLimits.name}`;
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "has an absolute path";
  if (/\p{C}/u.test(path)) return "has a control character in its name";
  if (path.includes("\\")) return "has a backslash in its name";
  const parts = path.split("/");
  if (parts.includes("..")) return "leads out of the archive";
  if (parts.includes("") || parts.includes(".")) return "has an empty part in its name";
  return undefined;
}

function withoutDot(name: string): string {
  return name.startsWith("./") ? name.slice(2) : name;
}

function kindOf(type: string): string {
  const kinds: Record<string, string> = {
    1: "a hard link",
    2: "a symbolic link",
    3: "a character device",
    4: "a block device",
    6: "a FIFO",
    7: "a contiguous file",
    D: "a list of a folder's contents",
    K: "a long link name",
    M: "the rest of a file in another archive",
    S: "a sparse file",
    V: "a volume label",
    X: "a pax header of Solaris",
  };
  return Object.hasOwn(kinds, type) ? kinds[type] : `of unknown type ${quoted(type)}`;
}

function isZero(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}
