// SIGINT and SIGTERM. The handler only sets a flag (reliability: no I/O in it); long work asks for the flag between steps.
import type { StopRequest } from "../../data/threads/long-work.ts";
import { print } from "./streams.ts";

/** SIGUSR2 is what mpirun passes on to its ranks, where SIGINT and SIGTERM make it end them itself. */
const CODES: Partial<Record<NodeJS.Signals, number>> = {
  SIGINT: 130,
  SIGTERM: 143,
  ...(process.platform !== "win32" && { SIGUSR2: 143 }),
};

/** A terminal signals the launcher and us, and npm may repeat it: what comes this soon (ms) after the first is the same key press. */
const SAME_PRESS = 300;

let graceful = false;
let leave: (code: number) => void = () => {};
let first: { code: number; at: number } | undefined;

/**
 * Long work calls this once: from now on the first signal is only noted, so that the step can be finished and a checkpoint written;
 * the second one ends the process at once. Without this call the first one does. A lost terminal (SIGHUP) no longer ends the work.
 */
export function gracefulStop(): StopRequest {
  graceful = true;
  process.on("SIGHUP", () => {});
  return {
    get requested() {
      return first?.code;
    },
  };
}

/**
 * A stretch of long work that leaves nothing to finish, such as reading lists: a signal in it, or one that came before, ends the
 * process at once.
 */
export async function interruptible<T>(work: () => Promise<T>): Promise<T> {
  if (first) leave(first.code);
  const before = graceful;
  graceful = false;
  try {
    return await work();
  } finally {
    graceful = before;
  }
}

/**
 * Installs the handlers; the command line does it first of all. `exit` ends the process without waiting for anything. A launcher
 * that dies (SIGKILL) cannot pass a signal on: that its channel breaks counts as SIGTERM.
 */
export function listenForSignals(exit: (code: number) => void): void {
  leave = exit;
  const ask = (code: number) => {
    const now = performance.now();
    if (first && now - first.at < SAME_PRESS) return;
    if (first || !graceful) return exit(code);
    first = { code, at: now };
  };
  for (const [signal, code] of Object.entries(CODES)) process.on(signal, () => ask(code));
  process.on("disconnect", () => ask(CODES.SIGTERM!));
  process.channel?.unref(); // it keeps no work alive
}

let isEarly = false;

/** Says that the work was left on the way because of a signal; `text` tells how it goes on. The exit code is then the signal's. */
export function printStopped(text: string): void {
  isEarly = true;
  print(`stopped; ${text}`);
}

/** The exit code of work that ended well: that of the signal which ended it, or 0, also where a signal came too late to matter. */
export const exitCodeOfStop = (): number => (isEarly ? (first?.code ?? 0) : 0);
