// The project's own source files and what they import, read as text: the tests of structure stand on it.
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";

/** The folders that hold code, as layers from the bottom. */
export const layers = [
  "engine",
  "kernels",
  "data",
  "model",
  "train",
  "eval",
  "ingest",
  "bench",
  "cli",
  "test",
  "docs",
] as const;

const CODE = /\.(ts|mts|mjs|js)$/;

/** Paths of all code below the layers, with forward slashes, relative to the project's folder (the current one in tests). */
export function sources(): string[] {
  return layers.flatMap((layer) => walk(layer)).filter((path) => CODE.test(path));
}

/** All files below `folder`, generated ones aside. */
export function walk(folder: string): string[] {
  let entries: ReturnType<typeof list>;
  try {
    entries = list(folder);
  } catch {
    return []; // a layer that does not exist yet
  }
  return entries.flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory())
      return ["node_modules", "golden"].includes(entry.name) || path === "data/stage/shards" ? [] : walk(path);
    return [path];
  });
}

const list = (folder: string) =>
  readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));

/** One import of a file. `target` is a path in the project, or a package's name as written. */
export interface Import {
  readonly file: string;
  readonly target: string;
  readonly isLocal: boolean;
  /** Erased by the compiler. */
  readonly isType: boolean;
  /** `import("…")`: happens when asked for. */
  readonly isLazy: boolean;
}

/** What package.json's "imports" may stand for: name -> every file that some condition chooses. */
const alternatives: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries((JSON.parse(readFileSync("package.json", "utf8")) as Manifest).imports ?? {}).map(
    ([name, choices]) => [name, Object.values(choices)],
  ),
);

interface Manifest {
  readonly imports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Every import and re-export of `file`. Comments and template literals are left out, so that examples in them do not count. */
export function importsOf(file: string, text = readFileSync(file, "utf8")): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*(\/\/|\*).*$/gm, "");
  const found: Import[] = [];
  const add = (specifier: string, isType: boolean, isLazy: boolean) => {
    if (specifier.includes("${")) return; // text of a program that this one writes
    const isLocal = specifier.startsWith(".");
    for (const target of alternatives[specifier] ?? [])
      found.push({ file, target: posix.normalize(target), isLocal: true, isType, isLazy });
    if (specifier in alternatives) return;
    const target = isLocal ? posix.join(posix.dirname(file), specifier) : specifier;
    found.push({ file, target, isLocal, isType, isLazy });
  };
  const statement = /^(?:import|export)\s+(type\s+)?((?:[\w$*]|\{[^}]*\}|,|\s)*?)\s*from\s*["']([^"'\n]+)["']/gm;
  for (const [, type, names, specifier] of code.matchAll(statement)) {
    const inner = /^\{([^}]*)\}$/.exec(names.trim())?.[1];
    const allTypes = inner?.split(",").every((name) => name.trim() === "" || /^\s*type\s/.test(name)) ?? false;
    add(specifier, type !== undefined || allTypes, false);
  }
  for (const [, specifier] of code.matchAll(/^import\s*["']([^"'\n]+)["']/gm)) add(specifier, false, false);
  for (const [, specifier] of code.matchAll(/\bimport\(\s*["']([^"'\n$]+)["']\s*\)/g)) add(specifier, false, true);
  return found;
}

/** `@scope/name/file` and `name/file` -> the package's name; undefined for Node's own modules. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith("node:")) return undefined;
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}
