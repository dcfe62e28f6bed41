// `checkOp`: all derived tests of an op, for programs of one's own.
import type { Gpu } from "../../engine/index.ts";
import type { Op } from "./derive.ts";
import { examined } from "./op-tests.ts";
import type { Races } from "./race-claim.ts";
import type { ClaimOptions } from "./replay.ts";

/** What `checkOp` is told. */
export interface CheckOptions extends ClaimOptions {
  /** Hears the name of each test that passed. */
  readonly passed?: (name: string) => void;
}

/** What `checkOp` found. */
export interface Checked {
  /** Names of the tests that passed: "<op>: <claim>". */
  readonly passed: readonly string[];
  /** Kernels that were tested for races, and those that could not be; none where the claim about races was not asked for. */
  readonly races: Races;
}

/**
 * Runs the derived tests of an op on an open GPU. Errors: ClaimError of the first claim that fails, with the smallest case; its last
 * line is the call that fails again. KernelError for a kernel that does not compile, UsageError for options that are none. In place of
 * options a function may stand, which hears the name of each test that passed.
 */
export async function checkOp(
  op: Op,
  gpu: Gpu,
  options: CheckOptions | ((name: string) => void) = {},
): Promise<Checked> {
  const told = typeof options === "function" ? { passed: options } : options;
  const names: string[] = [];
  const { tests, races } = examined(op, gpu, told);
  for (const { name, run } of tests) {
    await run();
    names.push(name);
    told.passed?.(name);
  }
  return { passed: names, races: races() };
}
