// The Nodes at hand: the one that runs, those on PATH and of a version manager, and those that are named.
import { spawnSync } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { UsageError } from "../../engine/errors.ts";

/** A Node to try. */
export interface Node {
  readonly program: string;
  /** "20.20.2" */
  readonly version: string;
}

const major = ({ version }: Node): number => Number(version.split(".")[0]);

const listed = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

const canRun = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

function versionOf(program: string): string | undefined {
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8", timeout: 20_000 });
  return status === 0 ? /^v(\d+\.\d+\.\d+)\s*$/.exec(stdout)?.[1] : undefined;
}

/** Programs called node, node20 … on PATH, and those that nvm keeps. */
function programs(): string[] {
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const named = path.flatMap((folder) =>
    listed(folder)
      .filter((name) => /^node(-?\d+)?$/.test(name))
      .map((name) => join(folder, name)),
  );
  const kept = join(homedir(), ".nvm", "versions", "node");
  return [...named, ...listed(kept).map((version) => join(kept, version, "bin", "node"))].filter(canRun);
}

/** One Node of each major version from 20 on; the running one and the named ones before those that are found. Errors: UsageError. */
export function nodesAtHand(named: readonly string[]): Node[] {
  const found = new Map<number, Node>();
  const add = (program: string, isNamed: boolean) => {
    const version = versionOf(program);
    if (version === undefined && isNamed) throw new UsageError(`--node ${program}: that is no Node which starts`);
    const node = { program, version: version ?? "0" };
    if (major(node) >= 20 && !found.has(major(node))) found.set(major(node), node);
  };
  add(process.execPath, false);
  for (const program of named) add(program, true);
  for (const program of programs()) add(program, false);
  return [...found.values()].sort((a, b) => major(a) - major(b));
}
