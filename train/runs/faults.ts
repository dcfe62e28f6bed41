// What the log of a run says of steps that were not as they should be; it holds every step once, also of a resumed run.
import { readFile } from "node:fs/promises";
import { unreadable } from "../../data/formats/cause.ts";

export interface TrainingFaults {
  /** Showings in which another clip stood in for a bad one. */
  readonly replaced: number;
  /** Steps without a gradient, from which nothing was learnt. */
  readonly idle: number;
}

/** Counts them in a metrics.jsonl; lines that are damaged count for nothing. Errors: DiskError for one that cannot be read. */
export async function faultsIn(path: string): Promise<TrainingFaults> {
  const text = await readFile(path, "utf8").catch(unreadable(path));
  const lines = text.split("\n").map(lineIn);
  const count = (of: (line: Record<string, unknown>) => number) => lines.reduce((sum, line) => sum + of(line), 0);
  return {
    replaced: count(({ replaced }) => (Array.isArray(replaced) ? replaced.length : 0)),
    idle: count(({ norm, skipped }) => Number(norm === 0 && skipped === undefined)),
  };
}

function lineIn(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
