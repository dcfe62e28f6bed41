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
  tflops: v.optional(number),
  mfu: v.optional(number),
  waiting: v.optional(number),
  ranks: v.optional(number),
  gpuBytes: v.optional(number),
  skipped: v.optional(number),
  replaced: v.optional(v.array(v.unknown())),
  probes: v.optional(v.record(v.string(), number)),
});

/** What the log says of a step; what was not finite is null. */
export type LoggedStep = v.InferOutput<typeof loggedStep>;

/** What a line of the log says of its step; undefined where it is damaged. */
export function loggedStepOf(line: unknown): LoggedStep | undefined {
  const { success, output } = v.safeParse(loggedStep, line);
  return success ? output : undefined;
}

/** The steps of a log in order, and how many of its lines are damaged: a resumed run keeps those. No log has no steps. */
export async function readLog(path: string): Promise<{ rows: LoggedStep[]; damaged: number }> {
  const rows: LoggedStep[] = [];
  let damaged = 0;
  if (!foundAt(path, "metrics.jsonl")) return { rows, damaged };
  await sizeOfRegular(path, "metrics.jsonl");
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line === "") continue;
    const row = loggedStepOf(jsonIn(line));
    if (row) rows.push(row);
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
