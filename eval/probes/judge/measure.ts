// What a judge returns: figures over any choice of samples, so that they can be resampled, and a table by class.
import type { ClassTable, Figure, TaskResult } from "../outcome.ts";

/** A figure before its interval is known: its value over any choice of samples. */
export interface Measure extends Omit<Figure, "value" | "interval"> {
  readonly over: (rows?: Uint32Array) => number;
}

export interface Judged {
  readonly measures: Measure[];
  readonly perClass: ClassTable;
  readonly confusion?: TaskResult["confusion"];
}

/** Of the samples, or of those chosen, the share that is right. */
export function share(isRight: Uint8Array, rows?: Uint32Array): number {
  if (!rows) return isRight.reduce((sum, v) => sum + v, 0) / isRight.length;
  let right = 0;
  for (const i of rows) right += isRight[i];
  return right / rows.length;
}
