// A promise, or the device's first fault, whichever comes first. A fault is heard by whoever waits and by nobody after that: a promise
// of it that lives as long as the device would keep something of every wait (measured: 13 kB for each step of a training).
import type { EngineError } from "../errors.ts";

/** Tells `heard` of the first fault, soon where there was one already; what comes back ends that. */
export type Hearing = (heard: (fault: EngineError) => void) => () => void;

/**
 * Settles with `promise`; rejects with a fault that is heard before, or with what a watch fails with. `watch` begins one, and gives what
 * ends it.
 */
export function orFault<T>(
  promise: Promise<T>,
  hear: Hearing,
  watch: (fail: (error: EngineError) => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let ends: (() => void)[] = [];
    const end = () => {
      for (const each of ends) each();
      ends = [];
    };
    const fail = (error: unknown) => {
      end();
      reject(error);
    };
    promise.then((value) => {
      end();
      resolve(value);
    }, fail);
    ends = [hear(fail), watch(fail)];
  });
}
