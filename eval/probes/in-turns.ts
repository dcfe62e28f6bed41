// Long synchronous work that lets the rest of the process have its turn: it is a generator, which yields wherever it may be left.

/** Runs the work to its end without a pause. */
export function atOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** A signal that waits this long (ms) is noticed at once. */
const TURN = 50;

/** Runs the work and lets events through on the way; undefined once `isStopped` says so. */
export async function inTurns<T>(work: Generator<void, T>, isStopped: () => boolean): Promise<T | undefined> {
  for (let began = performance.now(); ; ) {
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - began < TURN) continue;
    await new Promise((turn) => setImmediate(turn));
    if (isStopped()) return undefined;
    began = performance.now();
  }
}
