// The one way from a name found in a file to a path on disk.
import { realpathSync, type Stats, statSync } from "node:fs";
import { isAbsolute, join, relative, sep } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { quoted } from "./json.ts";

/**
 * The real path of the regular file `name` below the folder `root`. Refuses absolute paths, `..`, backslashes, NUL,
 * drive letters, URLs, links that lead outside, and everything that is not a regular file.
 */
export function inside(root: string, name: string, file: string): string {
  return placeInside(root, name, file, "a regular file", (stats) => stats.isFile());
}

/** The same for a folder. */
export function folderInside(root: string, name: string, file: string): string {
  return placeInside(root, name, file, "a folder", (stats) => stats.isDirectory());
}

function placeInside(root: string, name: string, file: string, what: string, is: (stats: Stats) => boolean): string {
  const refuse = (why: string) => new FormatError(`${file}: ${quoted(name)} ${why}`);
  const wrong = fault(name);
  if (wrong) throw refuse(wrong);
  let path: string;
  try {
    path = realpathSync(join(root, name));
  } catch (error) {
    throw refuse(`cannot be opened (${codeOf(error)})`);
  }
  const way = relative(realpathSync(root), path);
  if (way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way)) throw refuse("leads out of its folder");
  if (!is(statSync(path))) throw refuse(`is not ${what}`);
  return path;
}

/** What is wrong with a name as a relative path, whatever is on the disk; undefined for a plain one. */
export function fault(name: string): string | undefined {
  if (name === "" || /\p{C}/u.test(name)) return "is not a file name";
  if (isAbsolute(name) || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(name)) return "must be relative to its folder";
  if (name.includes("\\") || name.split("/").some((part) => part === "" || part === "." || part === ".."))
    return "must be a plain relative path";
  return undefined;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
