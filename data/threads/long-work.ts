// What long work is given by whoever started it: something to tell how far it is, and a way to hear that it should end.

/** Hears how far the work is; a progress bar is one. */
export interface Meter {
  /** The next phase begins, of `total` units; `done` of them may be from an earlier run. */
  start(phase: string, total: number, done?: number): void;
  /** `done` units of the phase are finished; `facts` is what else is to be said, as in "loss 3.21". */
  at(done: number, facts?: string): void;
  /** A line that stays. */
  say(line: string): void;
}

/** What long work asks between its steps. */
export interface StopRequest {
  /** The exit code that the signal asks for (130 or 143), once one has come. */
  readonly requested: number | undefined;
}

/** The same items, until somebody asks to stop; the item at hand then is the last. */
export async function* untilStopped<T>(items: AsyncIterable<T>, stop: StopRequest): AsyncGenerator<T> {
  for await (const item of items) {
    yield item;
    if (stop.requested !== undefined) return;
  }
}

/** Ends work from within, once somebody has asked to stop. */
export class Stopped extends Error {}

/** The same items; Stopped is thrown where the next one is asked for after somebody has asked to stop. */
export async function* unlessStopped<T>(items: AsyncIterable<T>, stop: StopRequest): AsyncGenerator<T> {
  for await (const item of items) {
    if (stop.requested !== undefined) throw new Stopped();
    yield item;
  }
}

/** What the work comes to; undefined where it was Stopped. */
export async function orStopped<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Stopped) return undefined;
    throw error;
  }
}
