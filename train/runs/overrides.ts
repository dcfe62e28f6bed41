// Settings that were changed on purpose: overrides.jsonl keeps them through kills, and the log tells each at the first step it holds for.
import { join } from "node:path";
import * as v from "valibot";
import { replaceFile } from "../../data/formats/disk.ts";
import { foundAt, readRegular } from "../../data/formats/regular.ts";

/** The file in a run's folder; it is there once something was overridden. */
const overridesName = "overrides.jsonl";

const entry = v.object({ after: v.number(), changes: v.array(v.string()) });

/** Changes, as "lr 0.1 -> 0.2", made when the run's newest checkpoint was that of step `after`. */
export type Override = v.InferOutput<typeof entry>;

/** Adds changes, durably; those that a killed process has added before stay as they are. */
export async function addOverride(run: string, override: Override): Promise<void> {
  const lines = [...(await readOverrides(run)), override].map((each) => `${JSON.stringify(each)}\n`);
  if (lines.at(-1) !== lines.at(-2)) await replaceFile(join(run, overridesName), lines.join(""));
}

/**
 * Whether a setting that changes from one JSON value to another asks for moments that a checkpoint of before does not hold: those of
 * another optimiser, or of parameters that did not train.
 */
export function needsOtherMoments(name: string, before = "null", now = "null"): boolean {
  if (name === "optimizer") return (before === '"sgd"') !== (now === '"sgd"'); // adam and adamw have the same
  if (name === "lockImage" || name === "lockText") return now !== "true";
  if (name === "unlockImage" || name === "unlockText") return now === "true";
  return name === "lockLayers" && Number(now) < Number(before);
}

/** All of a run in their order; a damaged line is none. */
export async function readOverrides(run: string): Promise<Override[]> {
  const path = join(run, overridesName);
  if (!foundAt(path, overridesName)) return [];
  const text = new TextDecoder().decode(await readRegular(path, 2 ** 20, overridesName));
  return text.split("\n").flatMap((line) => {
    try {
      return [v.parse(entry, JSON.parse(line))];
    } catch {
      return [];
    }
  });
}
