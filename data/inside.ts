// The one way from a name found in a file to a path on disk.
import { realpathSync, statSync } from "node:fs";
import { isAbsolute, join, relative, sep } from "node:path";
import { FormatError } from "../engine/errors.ts";
import { quoted } from "./json.ts";

/**
 * The real path of the regular file `name` below the folder `root`. Refuses absolute paths, `..`, backslashes, NUL,
 * drive letters, URLs, links that lead outside, and everything that is not a regular file.
 */
export function inside(root: string, name: string, file: string): string {
  const refuse = (why: string) => new FormatError(`${file}: ${quoted(name)} ${why}`);
  if (name === "" || /\p{C}/u.test(name)) throw refuse("is not a file name");
  if (isAbsolute(name) || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(name)) throw refuse("must be relative to its folder");
  if (name.includes("\\") || name.split("/").some((part) => part === "" || part === "." || part === ".."))
    throw refuse("must be a plain relative path");
  let path: string;
  try {
    path = realpathSync(join(root, name));
  } catch (error) {
    throw refuse(`cannot be opened (${codeOf(error)})`);
  }
  const way = relative(realpathSync(root), path);
  if (way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way)) throw refuse("leads out of its folder");
  if (!statSync(path).isFile()) throw refuse("is not a regular file");
  return path;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
