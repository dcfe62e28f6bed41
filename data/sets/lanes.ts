// How many samples a thread has in hand at once.

/** Enough to keep the picture decoder busy while another sample is resized, few enough to bound memory. */
const WIDTH = 2;

/** Runs work in the order of the calls, a few pieces at a time. */
export class Lanes {
  private readonly ends = new Array<Promise<unknown>>(WIDTH).fill(Promise.resolve());
  private count = 0;

  run<T>(work: () => Promise<T>): Promise<T> {
    const lane = this.count++ % WIDTH;
    const done = this.ends[lane].then(work);
    this.ends[lane] = done.catch(() => {});
    return done;
  }
}
