// Work in the order of the calls, a few pieces at a time.

/** Runs what it is given in order; at most `width` pieces are under way. */
export class Lanes {
  readonly #ends: Promise<unknown>[];
  #count = 0;

  constructor(width: number) {
    this.#ends = new Array<Promise<unknown>>(width).fill(Promise.resolve());
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    const lane = this.#count++ % this.#ends.length;
    const done = this.#ends[lane].then(work);
    this.#ends[lane] = done.catch(() => {});
    return done;
  }

  /** When everything that was given to it has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#ends);
  }
}
