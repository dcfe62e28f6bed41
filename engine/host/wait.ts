// Waiting for the device in Node. dawn.node polls pending promises from setImmediate, which burns a core; a callback that
// sleeps slows the polling down (measured: a fifth to a third less CPU, 1.4 to 2.7 times shorter on two busy cores).
import type { EngineError } from "../errors.ts";

const cell = typeof SharedArrayBuffer === "undefined" ? undefined : new Int32Array(new SharedArrayBuffer(4));

/** Settles with `promise`, polling every `ms`; rejects when `fault` does, or with what `late` says at a look. */
export function throttled<T>(
  promise: Promise<T>,
  fault: Promise<never>,
  ms: number,
  late: () => EngineError | undefined,
): Promise<T> {
  let settled = false;
  const tooLate = new Promise<never>((_, reject) => {
    const turn = () => {
      if (settled) return;
      const error = late();
      if (error) return reject(error);
      if (cell && ms > 0) Atomics.wait(cell, 0, 0, ms);
      setImmediate(turn);
    };
    setImmediate(turn);
  });
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  fault.catch(done);
  return Promise.race([promise, fault, tooLate]);
}
