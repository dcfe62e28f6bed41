// The name of a run under runs/, and what may differ from the run that lies there.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../engine/errors.ts";
import { RunFolder } from "../train/runs/run-folder.ts";

/** Refuses a name that is no plain folder name. */
export function checkRunName(name: string): void {
  if (!/^[\w.-]+$/.test(name) || name.startsWith("."))
    throw new UsageError(`--name: "${name}" is not a plain folder name`);
}

/** The run's name, or name-2, name-3 … where a finished run has it already; what a killed process left in that is removed. */
export async function freshName(name: string): Promise<string> {
  for (let k = 1; ; k++) {
    const tried = k === 1 ? name : `${name}-${k}`;
    const folder = join("runs", tried);
    if (!existsSync(join(folder, "results.json"))) return tried;
    await RunFolder.tidy(folder);
  }
}

/** What `--override` names, by the names that config.json has; `known` finds one by its flag, and others stay as they are. */
export function overridesOf(text: string | undefined, known: (flag: string) => string | undefined): string[] {
  const words = text?.split(",").map((word) => word.trim()) ?? [];
  if (words.includes(""))
    throw new UsageError(`--override: "${text}" has an empty name; expected names such as lr,steps`);
  return words.map((word) => known(word.replace(/^--/, "")) ?? word);
}
