// Reads the files around a data set's pictures: whole, bounded, as strict UTF-8; and lists its folders.
import { closeSync, type Dirent, fstatSync, opendirSync, openSync, readdirSync, readSync } from "node:fs";
import { basename } from "node:path";
import { causeOf } from "../formats/cause.ts";
import { DiskError, FormatError } from "../../engine/errors.ts";
import { folderInside, inside } from "../formats/inside.ts";
import { quoted } from "../formats/json.ts";

export const fileLimits = {
  /** A table; the real ones stay below 5 MB, and one that is broken at its end must be refused within two seconds. */
  table: 8 * 2 ** 20,
  /** Arrays and JSON of a split, joints of a clip. */
  split: 16 * 2 ** 20,
  /** One picture. */
  picture: 64 * 2 ** 20,
  /** Boxes of all frames of one video. */
  videoBoxes: 64 * 2 ** 20,
  /** Boxes of all frames of a data set; MovieGraphs has some ten million frames. */
  boxes: 2 ** 31 - 1,
} as const;

const strict = new TextDecoder("utf-8", { fatal: true });

/**
 * All bytes of the file `name` below `root`. Messages call it by its base name. `first`: the character that it must begin
 * with, which spares reading a large file of something else.
 */
export function readBytes(root: string, name: string, limit: number, first?: string): Uint8Array {
  const file = basename(name);
  const path = inside(root, name, file);
  return system(file, () => {
    const handle = openSync(path, "r");
    try {
      const { size } = fstatSync(handle);
      if (size > limit) throw new FormatError(`${file}: has ${size} bytes, allowed are ${limit}`);
      if (first !== undefined) {
        const begin = String.fromCharCode(...readWhole(handle, Math.min(size, 64), file)).trimStart();
        if (!begin.startsWith(first))
          throw new FormatError(`${file}: begins with ${quoted(begin.slice(0, 8))}, not with ${first}`);
      }
      return readWhole(handle, size, file);
    } finally {
      closeSync(handle);
    }
  });
}

/** One call of the system may read less than it was asked for. */
function readWhole(handle: number, size: number, file: string): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size; ) {
    const got = readSync(handle, bytes, done, Math.min(size - done, 2 ** 28), done);
    if (got === 0) throw new FormatError(`${file}: ends at byte ${done} while it is read`);
    done += got;
  }
  return bytes;
}

/** The same as text; a mark of byte order is dropped. */
export function readText(root: string, name: string): string {
  const bytes = readBytes(root, name, fileLimits.table);
  try {
    return strict.decode(bytes);
  } catch {
    throw new FormatError(`${basename(name)}: is not valid UTF-8`);
  }
}

/** Names in the folder `name` below `root`, hidden ones aside, sorted by their characters' codes. */
export function listNames(root: string, name: string, file: string): string[] {
  const path = folderInside(root, name, file);
  const names = system(basename(name), () => readdirSync(path));
  return names.filter((each) => !each.startsWith(".")).sort();
}

/** Names of folders in it, in the order in which the file system has them: `readdir` would sort. */
export function listFolders(root: string, name: string, file: string): string[] {
  const isFolder = (entry: Dirent) => entry.isDirectory() || entry.isSymbolicLink();
  return listUnsorted(root, name, file, isFolder);
}

/** Names of files in it, in the same order. */
export function listFiles(root: string, name: string, file: string): string[] {
  return listUnsorted(root, name, file, (entry) => !entry.isDirectory());
}

function listUnsorted(root: string, name: string, file: string, is: (entry: Dirent) => boolean): string[] {
  const path = folderInside(root, name, file);
  const entries: Dirent[] = [];
  system(basename(name), () => {
    const folder = opendirSync(path);
    try {
      for (let entry = folder.readSync(); entry; entry = folder.readSync()) entries.push(entry);
    } finally {
      folder.closeSync();
    }
  });
  return entries.filter((entry) => is(entry) && !entry.name.startsWith(".")).map((entry) => entry.name);
}

/** What the system refuses is no fault of the file: a DiskError, which nothing skips. */
function system<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new DiskError(`${file}: cannot be read: ${causeOf(error)}`, { cause: error });
  }
}
