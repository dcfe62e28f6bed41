// Who runs what scopes record: the device (device/gpu.ts), or a planner that only measures (plan/dry-run.ts). One at a
// time: it is a fact of the process, as is which scopes are open (tasks.ts).
import type { DeviceFacts } from "../declare/facts.ts";
import { GpuError } from "../errors.ts";
import { takes } from "../takes.ts";
import type { Segment, Wanted } from "./segment.ts";
import type { Purpose, Storage, TypedArray, Value } from "./value.ts";

/** The memory of a runner that has any. */
export interface DeviceMemory {
  /** Bytes of the largest binding. */
  readonly maxBinding: number;
  /** A buffer of its own, bound whole. */
  allocate(bytes: number, purpose: Purpose): Storage;
  /** Refuses what would pass the budget or cannot be bound, before the first of several buffers is made. */
  demand(sizes: readonly number[], purpose: Purpose): void;
  /** Host data into storage, `at` bytes from its start, ordered with what was submitted before and after. */
  write(storage: Storage, data: TypedArray | Uint16Array, at?: number): void;
}

/** A stretch of the program that messages name. */
export interface Unit {
  readonly what: string;
}

export interface Runner {
  readonly facts: DeviceFacts;
  /** Bytes of the largest binding: what a value may have at most. */
  readonly maxBinding: number;
  /** Names of ways and variants that win over every choice (tests compare alternatives with it). */
  readonly forced: Set<string>;
  /** Undefined where nothing is computed: a planner that only measures. */
  readonly store?: DeviceMemory;
  /** A fault has ended its work, and the program was told. */
  readonly broken?: boolean;
  /** What the program is at (`during`). */
  during?: Unit | undefined;
  /** Throws what has ended its work, if anything: every later call is answered with it. */
  check?(): void;
  /** Runs a segment; `structure` and `numbers` are its key and its data. Kept values get storage of their own. */
  run(
    segment: Segment,
    structure: Int32Array,
    numbers: readonly number[],
    wanted: Wanted,
  ): { reads: Promise<TypedArray>[] };
  read(value: Value, storage: Storage): Promise<TypedArray>;
  /** Takes back the storage of a kept or pinned value. */
  giveBack(storage: Storage): void;
  /** Destroys buffers that `store` allocated for one purpose, and forgets the plans that mention them. */
  free(storages: readonly Storage[], purpose: Purpose): void;
  /** Resolves when everything submitted has run; throws the first fault. */
  idle(): Promise<void>;
}

let current: Runner | undefined;

/** The runner in use; an error if none is open. */
export function runner(): Runner {
  if (!current) throw new GpuError("no GPU is open; `await openGpu()` first");
  return current;
}

/**
 * Runs `body`; a GPU that fails at what it records says that it was at `what`, such as "training step 12". All its segments
 * count as one of those that may be on their way (`GpuOptions.inFlight`).
 */
export function during<R>(what: string, body: () => R): R {
  takes("during(what: text, body: function)", arguments);
  const owner = runner();
  const before = owner.during;
  owner.during = { what };
  try {
    return body();
  } finally {
    owner.during = before;
  }
}

/** Refuses a value whose memory is on another device than that of `by`. */
export function checkHome({ storage }: Value, { store }: Runner, what: string): void {
  if (!storage?.owner || !store || storage.owner === store) return;
  throw new GpuError(
    `${what} lies on another GPU than the one in use, which is the last that was opened; read it before ` +
      "another is opened and upload the numbers again, or work with one GPU",
  );
}

/** Makes a runner the one in use and returns the one before. */
export function useRunner(next: Runner | undefined): Runner | undefined {
  const before = current;
  current = next;
  return before;
}
