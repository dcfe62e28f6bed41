// Who runs what scopes record: the device (gpu.ts), or a planner that only measures (dry-run.ts). One at a time.
// Also which scopes are open: both are facts of the process, and this is the only file that keeps them.
import { GpuError } from "../errors.ts";
import type { DeviceFacts } from "../declare/op.ts";
import type { Segment } from "../plan/layout.ts";
import type { Storage, TypedArray, Value } from "./tensor.ts";

export interface Runner {
  readonly facts: DeviceFacts;
  /** Names of ways and variants that win over every choice (tests compare alternatives with it). */
  readonly forced: Set<string>;
  /** Runs a segment; `structure` and `numbers` are its key and its data. Kept values get storage of their own. */
  run(
    segment: Segment,
    structure: Int32Array,
    numbers: readonly number[],
    wanted: { reads: readonly Value[]; keeps: readonly Value[] },
  ): { reads: Promise<TypedArray>[] };
  read(value: Value, storage: Storage): Promise<TypedArray>;
  giveBack(storage: Storage): void;
}

/** The open scopes, outermost first (record.ts); reading flushes them. */
export const openScopes: { flush(ends: boolean): void }[] = [];

let current: Runner | undefined;

/** The runner in use; an error if none is open. */
export function runner(): Runner {
  if (!current) throw new GpuError("no GPU is open; `await openGpu()` first");
  return current;
}

/** Makes a runner the one in use and returns the one before. */
export function useRunner(next: Runner | undefined): Runner | undefined {
  const before = current;
  current = next;
  return before;
}
