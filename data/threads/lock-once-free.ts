// A lock for work that somebody else may be doing already: waited for, and said.
import { setTimeout as pause } from "node:timers/promises";
import { BusyError } from "../../engine/errors.ts";
import { Lock } from "../formats/lock.ts";
import type { Meter, StopRequest } from "./long-work.ts";

/** Milliseconds between two looks at a lock that somebody else has. */
const patience = 200;

/** The lock of a folder, once nobody else has it; undefined when a stop was requested first. */
export async function lockOnceFree(
  folder: string,
  progress: Pick<Meter, "say">,
  stop: StopRequest,
): Promise<Lock | undefined> {
  for (let looks = 0; stop.requested === undefined; looks++) {
    try {
      return await Lock.take(folder, (line) => progress.say(line));
    } catch (error) {
      if (!(error instanceof BusyError)) throw error;
      if (looks === 0) progress.say(`${error.message}; waiting until it is free`);
      await pause(patience);
    }
  }
  return undefined;
}
