// A user's own files: paths from the command line, which may lie anywhere, but are bounded and regular.
import { open, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { quoted } from "../json.ts";

/** Largest picture file. */
export const PICTURE_BYTES = 64 * 2 ** 20;

/** A path's last part as messages show it. */
export const shownName = (path: string): string => quoted(basename(path)).slice(1, -1);

/** A whole regular file of at most `limit` bytes, or the first `limit` of them where `head` says so. */
export async function readUserFile(
  path: string,
  limit: number,
  head = false,
): Promise<{ name: string; bytes: Uint8Array }> {
  const name = shownName(path);
  const refuse = (why: string) => new FormatError(`${name}: ${why}`);
  const info = await infoOf(path);
  if (!info.isFile()) throw refuse("is not a regular file");
  if (info.size > limit && !head) throw refuse(`has ${info.size} bytes, allowed are ${limit}`);
  const bytes = new Uint8Array(Math.min(info.size, limit));
  try {
    const handle = await open(path, "r");
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, done);
        if (bytesRead === 0) throw refuse(`ends at byte ${done} while it is read`);
        done += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof FormatError ? error : refuse(`cannot be read (${codeOf(error)})`);
  }
  return { name, bytes };
}

/** Whether a path is a folder; one that is not there is refused. */
export async function isFolder(path: string): Promise<boolean> {
  return (await infoOf(path)).isDirectory();
}

/** The pictures of a folder, JPEG and PNG by extension, in natural order: frame_2 before frame_10. */
export async function picturesIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /\.(jpe?g|png)$/i.test(name) && !name.startsWith("."));
  if (names.length === 0) throw new FormatError(`${shownName(folder)}: a folder without .jpg or .png files`);
  return names.sort(naturally).map((name) => join(folder, name));
}

/** Order by pieces: digits by their value, the rest by character codes. */
export function naturally(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => name.match(/\d+|\D+/g) ?? []);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i], right[i]];
    if (x === y) continue;
    const difference = /^\d/.test(x) && /^\d/.test(y) ? Number(x) - Number(y) : 0;
    return difference || (x < y ? -1 : 1);
  }
  return left.length - right.length;
}

async function infoOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    throw new FormatError(`${shownName(path)}: cannot be opened (${codeOf(error)})`);
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
