// A user's own files: paths from the command line, which may lie anywhere, but are bounded and regular.
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { quoted } from "../formats/json.ts";
import { readRegular, refuse } from "../formats/regular.ts";

/** Largest picture file. */
export const PICTURE_BYTES = 64 * 2 ** 20;

const PICTURE = /\.(jpe?g|png|webp|tiff?|bmp|heic|heif|avif|jxl|jp2)$/i;

/** A path's last part as messages show it. */
export const shownName = (path: string): string => quoted(basename(path)).slice(1, -1);

/** A user's regular file of at most `limit` bytes, and its name for messages. */
export async function readUserFile(path: string, limit: number): Promise<{ name: string; bytes: Uint8Array }> {
  const name = shownName(path);
  return { name, bytes: await readRegular(path, limit, name) };
}

/** Whether a path is a folder; one that is not there is refused. */
export async function isFolder(path: string): Promise<boolean> {
  const info = await stat(path).catch((error) => refuse(shownName(path), error));
  return info.isDirectory();
}

/**
 * The pictures of a folder by extension, in natural order: frame_2 before frame_10. Kinds that are not decoded are among
 * them, so that they are refused by name when they are read, and no clip is silently shorter.
 */
export async function picturesIn(folder: string): Promise<string[]> {
  const all = await readdir(folder).catch((error) => refuse(shownName(folder), error));
  const names = all.filter((name) => PICTURE.test(name) && !name.startsWith("."));
  if (names.length === 0)
    throw new FormatError(`${shownName(folder)}: a folder without .jpg, .png, .webp or .tif files`);
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
