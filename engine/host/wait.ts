// Waiting for the device in Node. dawn.node polls pending promises from setImmediate, which burns a core; a callback that
// sleeps slows the polling down (measured: a fifth to a third less CPU, 1.4 to 2.7 times shorter on two busy cores).
import type { EngineError } from "../errors.ts";
import { orFault, type Hearing } from "./or-fault.ts";

const cell = typeof SharedArrayBuffer === "undefined" ? undefined : new Int32Array(new SharedArrayBuffer(4));

/** Settles with `promise`, polling every `ms`; rejects when a fault is heard, or with what `late` says at a look. */
export const throttled = <T>(
  promise: Promise<T>,
  hear: Hearing,
  ms: number,
  late: () => EngineError | undefined,
): Promise<T> =>
  orFault(promise, hear, (fail) => {
    let isSettled = false;
    const turn = () => {
      if (isSettled) return;
      const error = late();
      if (error) return fail(error);
      if (cell && ms > 0) Atomics.wait(cell, 0, 0, ms);
      setImmediate(turn);
    };
    setImmediate(turn);
    return () => {
      isSettled = true;
    };
  });
