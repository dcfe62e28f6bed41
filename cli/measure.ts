// A measurement of a model in training: figures, and clips that were left out of them.
import type { BadSample } from "../data/bad-samples.ts";
import type { StopRequest } from "../data/threads/long-work.ts";
import type { NotedRow } from "../eval/probes/probe-table.ts";
import type { Trainer } from "../train/trainer.ts";
import type { Say } from "./clips.ts";

/** Measures the model of a trainer as it stands; undefined when a stop was requested on the way. */
export type Measurement = (trainer: Trainer, stop: StopRequest, say: Say) => Promise<NotedRow[] | undefined>;

/** Says each sample that cannot be read. */
export const leftOut =
  (say: Say) =>
  ({ reason }: BadSample) =>
    say(`left out: ${reason}`);
