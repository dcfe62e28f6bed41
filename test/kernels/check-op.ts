// `checkOp`: all derived tests of an op, for programs of one's own.
import type { Gpu } from "../../engine/index.ts";
import type { Op } from "./derive.ts";
import { testsOf } from "./op-tests.ts";
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
  for (const { name, run } of testsOf(op, gpu, told)) {
    await run();
    names.push(name);
    told.passed?.(name);
  }
  return { passed: names };
}
