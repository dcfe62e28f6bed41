// One test file in a process of its own, which costs a third of a second.
import { fork } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Counts, Message } from "./child.ts";

/** A single test that takes longer than this (ms) hangs; the slowest has to compile kernels on a loaded software adapter. */
const PATIENCE = 10 * 60_000;

/** What Dawn prints for every device on lavapipe. */
const HARMLESS = /^Warning: maxDynamic\w+BuffersPerPipelineLayout artificially reduced/;

/** What a file came to; without counts, `end` says how its process ended. */
export interface Ended {
  readonly counts?: Counts;
  readonly end: string;
}

export interface ChildOptions {
  /** Ends at the first test that fails. */
  readonly untilFailure?: boolean;
  /** Nothing of what the file prints is shown. */
  readonly silent?: boolean;
  /** Time for one test, ms. */
  readonly patience?: number;
}

/** Runs a built test file, in the project's folder `root`. */
export async function runInChild(root: string, path: string, options: ChildOptions = {}): Promise<Ended> {
  const { untilFailure = false, silent = false, patience = PATIENCE } = options;
  const child = fork(join(root, "dist", "test-child.js"), [path, ...(untilFailure ? ["until-failure"] : [])], {
    cwd: root,
    execArgv: ["--enable-source-maps"],
    stdio: ["ignore", silent ? "ignore" : "inherit", "pipe", "ipc"],
  });
  createInterface({ input: child.stderr! }).on("line", (text) => {
    if (!silent && !HARMLESS.test(text)) console.error(text);
  });
  let counts: Counts | undefined;
  let hung = false;
  const giveUp = () => {
    hung = true;
    child.kill("SIGKILL");
  };
  let timer = setTimeout(giveUp, patience);
  child.on("message", (message: Message) => {
    clearTimeout(timer);
    timer = setTimeout(giveUp, patience);
    if (message.kind === "done") counts = message.counts;
  });
  const end = await new Promise<string>((resolve) => {
    child.on("close", (code, signal) => resolve(endOf(code, signal)));
  });
  clearTimeout(timer);
  return { counts, end: hung ? `no test ended within ${patience / 60_000} minutes` : end };
}

/** Node ends with 13 when nothing is left that could settle what a module awaits. */
function endOf(code: number | null, signal: string | null): string {
  if (code === 13) return "a test waits for something that never comes";
  return `the process ended with ${signal ?? `exit code ${code}`}`;
}
