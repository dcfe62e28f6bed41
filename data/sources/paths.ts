// The paths that a source of training data stands for: of braces those that are written, of * ? [ ] those that are there.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { expandBraces } from "./braces.ts";

/** Paths that a message names. */
const SHOWN = 10;

/**
 * Files and folders that a text names, in its order, those of a pattern sorted. A path that is there is itself, whatever signs are
 * in it. Errors: FormatError where some are not there, counted, the first ten named; UsageError for one that is named twice.
 */
export function pathsOf(text: string): string[] {
  if (existsSync(text)) return [text];
  const written = expandBraces(text);
  const found = written.map((path) => (existsSync(path) ? [path] : matching(path)));
  const missing = written.filter((_, i) => found[i].length === 0);
  if (missing.length > 0) throw new FormatError(missingText(text, missing, written.length));
  const all = found.flat();
  const twice = all.length === new Set(all).size ? undefined : all.find((path, i) => all.indexOf(path) < i);
  if (twice !== undefined) throw new UsageError(`${text}: names ${twice} twice`);
  return all;
}

function missingText(text: string, missing: readonly string[], all: number): string {
  if (all === 1) return `${text}: ${WILD.test(text) ? "nothing there has such a name" : "no such file or folder"}`;
  const names = [...missing.slice(0, SHOWN), ...(missing.length > SHOWN ? ["…"] : [])];
  return `${text}: ${missing.length} of the ${all} that it names are not there: ${names.join(", ")}`;
}

const WILD = /[*?[]/;

/** What there is of a pattern: * and ? stand for signs of a name, [a-c] for one of them; not for a leading dot, nor for a slash. */
function matching(pattern: string): string[] {
  if (!WILD.test(pattern)) return [];
  if (pattern.includes("**")) throw new UsageError(`${pattern}: ** is not known here; * is any name in one folder`);
  const root = pattern.startsWith("/") ? "/" : "";
  let found = [root];
  for (const part of pattern.split("/").filter((each) => each !== "")) {
    const isName = WILD.test(part) ? expressionOf(part) : undefined;
    found = found.flatMap((folder) => (isName ? namesIn(folder, isName) : there(join(folder, part))));
  }
  return found;
}

const there = (path: string): string[] => (existsSync(path) ? [path] : []);

function namesIn(folder: string, isName: RegExp): string[] {
  try {
    return readdirSync(folder || ".")
      .filter((name) => isName.test(name))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return []; // no folder, or none that may be read: nothing of the pattern is there
  }
}

function expressionOf(part: string): RegExp {
  const source = part.replace(/\[!?[^\]]+\]|[*?]|[.+^${}()|\\[\]]/g, (sign) => {
    if (sign === "*") return ".*";
    if (sign === "?") return ".";
    if (sign.length > 2) return `[${sign.slice(1, -1).replace(/^!/, "^").replaceAll("\\", "\\\\")}]`;
    return `\\${sign}`;
  });
  return new RegExp(`^${part.startsWith(".") ? "" : "(?!\\.)"}${source}$`);
}
