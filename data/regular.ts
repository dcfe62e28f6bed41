// A whole file that somebody else may have made: regular and bounded, so that a FIFO, a device or a bomb is refused, not read.
import { readFile, stat } from "node:fs/promises";
import { FormatError } from "../engine/errors.ts";

/** The bytes of a regular file of at most `limit` bytes; `label` begins the message of a refusal. */
export async function readRegular(path: string, limit: number, label: string): Promise<Uint8Array> {
  const size = await sizeOfRegular(path, label);
  if (size > limit) throw new FormatError(`${label}: ${size} bytes; at most ${limit} are allowed`);
  return readFile(path).catch((error) => refuse(label, error));
}

/** The size of a regular file. */
export async function sizeOfRegular(path: string, label: string): Promise<number> {
  const found = await stat(path).catch((error) => refuse(label, error));
  if (!found.isFile()) throw new FormatError(`${label}: not a regular file`);
  return found.size;
}

function refuse(label: string, error: NodeJS.ErrnoException): never {
  const why = error.code === "ENOENT" ? "no such file" : `cannot be read (${error.code ?? error.message})`;
  throw new FormatError(`${label}: ${why}`, { cause: error });
}
