// What the engine asks of the program it runs in: an adapter, how much memory there is, choices kept from an earlier
// tuning, and how to wait. Everything else is the same in Node and in a browser.

import type { EngineError } from "../errors.ts";
import type { TaskStore } from "../record/tasks.ts";
import type { Hearing } from "./or-fault.ts";

export interface Host {
  /** A variable of the asynchronous task that asks, where the host can tell tasks apart. */
  readonly tasks?: TaskStore;
  /** Calls `act` whenever nothing is left to do in the program: what still waits then would wait for ever. */
  idle?(act: () => void): void;
  /**
   * The adapter whose name contains `name` (any, where it is empty), with these of Dawn's toggles. Errors: GpuError.
   */
  adapter(name: string, toggles: readonly string[]): Promise<GPUAdapter>;
  /** Bytes of the host's memory, from which a software adapter takes its own. */
  memory(): number;
  /** Where the user's cache lies. Errors: UsageError where there are no files. */
  cacheFolder(): string;
  /** Where the tuned choices for an adapter are kept. Errors: as `cacheFolder`. */
  tunedPath(adapter: string): string;
  /** Kernel choices by shape class, kept for this adapter; empty where there are none: tuning is never needed to run. */
  tuned(adapter: string): ReadonlyMap<string, string>;
  /** Settles with `promise`, looking every `ms`; rejects when a fault is heard, or with what `late` says at a look. */
  wait<T>(promise: Promise<T>, hear: Hearing, ms: number, late: () => EngineError | undefined): Promise<T>;
}
