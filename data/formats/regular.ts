// A whole file that somebody else may have made: regular and bounded, so that a FIFO, a device or a bomb is refused, not read.
import { type Stats, statSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { FormatError } from "../../engine/errors.ts";
import { readFault } from "./cause.ts";

/** The bytes of a regular file of at most `limit` bytes; `label` begins the message of a refusal. */
export async function readRegular(path: string, limit: number, label: string): Promise<Uint8Array> {
  const size = await sizeOfRegular(path, label);
  if (size > limit) throw new FormatError(`${label}: ${size} bytes; at most ${limit} are allowed`);
  return readFirst(path, size, label);
}

/** The first `count` bytes of a regular file, or all of a shorter one. */
export async function readHead(path: string, count: number, label: string): Promise<Uint8Array> {
  return readFirst(path, Math.min(count, await sizeOfRegular(path, label)), label);
}

/** So many bytes and no more, whatever the file grows to meanwhile. */
async function readFirst(path: string, count: number, label: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  const handle = await open(path, "r").catch((error) => refuse(label, error));
  try {
    for (let done = 0; done < count; ) {
      const { bytesRead } = await handle.read(bytes, done, count - done, done).catch((error) => refuse(label, error));
      if (bytesRead === 0) throw new FormatError(`${label}: ends at byte ${done} while it is read`);
      done += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return bytes;
}

/** The size of a regular file. */
export async function sizeOfRegular(path: string, label: string): Promise<number> {
  const found = await stat(path).catch((error) => refuse(label, error));
  if (!found.isFile()) throw new FormatError(`${label}: not a regular file`);
  return found.size;
}

/** A fault of the system as a FormatError of the file. */
export function refuse(label: string, error: NodeJS.ErrnoException): never {
  throw new FormatError(`${label}: ${readFault(error)}`, { cause: error });
}

/** What lies at a path; undefined for nothing. Any other fault is a FormatError that begins with `label`. */
export function foundAt(path: string, label: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    return refuse(label, error as NodeJS.ErrnoException);
  }
}
