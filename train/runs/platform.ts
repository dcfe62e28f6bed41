// What a program runs on, besides the GPU: recorded with what it computes, and told by `emotionclip --version`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Versions: of this package, of the package webgpu, of Node; "unknown" where a manifest cannot be found. */
export type Versions = Readonly<Record<"program" | "webgpu" | "node", string>>;

/** What decides which bits a step comes to: the adapter with its driver, the lanes of its subgroups, and the programs. */
export interface Platform {
  readonly adapter: string;
  readonly subgroupSize: number;
  readonly versions?: Readonly<Record<string, string>>;
}

/** What is another thing now than it was before, "adapter a -> b"; what was not recorded is passed over. */
export function changesOf(before: Platform, now: Platform): string[] {
  const facts = ({ adapter, subgroupSize, versions }: Platform): Record<string, string> => ({
    adapter,
    "lanes of a subgroup": String(subgroupSize),
    ...versions,
  });
  const [old, current] = [facts(before), facts(now)];
  return Object.keys(current)
    .filter((name) => old[name] !== undefined && old[name] !== current[name])
    .map((name) => `${name} ${old[name]} -> ${current[name]}`);
}

export const packageName = "emotionclip-webgpu";

export function versions(): Versions {
  const here = fileURLToPath(import.meta.url);
  return {
    program: versionAbove(here, packageName),
    webgpu: versionAbove(createRequire(here).resolve("webgpu"), "webgpu"),
    node: process.versions.node,
  };
}

/** The version of the package `name` that a file of it belongs to. */
function versionAbove(file: string, name: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const found = manifestIn(folder);
    if (found?.name === name && found.version) return found.version;
    if (folder === dirname(folder)) return "unknown";
  }
}

function manifestIn(folder: string): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  } catch {
    return undefined; // most folders have none
  }
}
