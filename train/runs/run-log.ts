// metrics.jsonl as it is read back: a line a step, whatever became of the run that wrote it.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import * as v from "valibot";
import { foundAt, sizeOfRegular } from "../../data/formats/regular.ts";

const number = v.nullable(v.number());

const loggedStep = v.object({
  step: v.number(),
  loss: number,
  lr: number,
  norm: v.optional(number),
  logitScale: v.optional(number),
  clipsPerSecond: number,
  probes: v.optional(v.record(v.string(), number)),
});

/** What the log says of a step; what was not finite is null. */
export type LoggedStep = v.InferOutput<typeof loggedStep>;

/** The steps of a log in order, and how many of its lines are damaged: a resumed run keeps those. No log has no steps. */
export async function readLog(path: string): Promise<{ rows: LoggedStep[]; damaged: number }> {
  const rows: LoggedStep[] = [];
  let damaged = 0;
  if (!foundAt(path, "metrics.jsonl")) return { rows, damaged };
  await sizeOfRegular(path, "metrics.jsonl");
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line === "") continue;
    const { success, output } = v.safeParse(loggedStep, jsonIn(line));
    if (success) rows.push(output);
    else damaged++;
  }
  return { rows, damaged };
}

function jsonIn(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
