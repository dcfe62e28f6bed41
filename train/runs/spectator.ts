// What ranks that write nothing have in the place of a run folder: rank 0's.
import type { RunFolder } from "./run-folder.ts";

/** What a training does with its folder. */
export type RunPlace = Pick<RunFolder, "resume" | "append" | "save" | "finish" | "checkSpace" | "close">;

/** A folder that is somebody else's: nothing is read or written. */
export const spectator: RunPlace = {
  resume: async () => undefined,
  append: async () => {},
  save: async ({ read }) => {
    read?.();
    return undefined as never;
  },
  finish: async () => undefined as never,
  checkSpace: async () => {},
  close: async () => {},
};
