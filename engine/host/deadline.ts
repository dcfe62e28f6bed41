// Patience with a device: time in which it makes no progress, as the process that waits sees it pass.

/** What one look at the clock may count, in ms: a process that was stopped, or held in a debugger, saw no more of its pause. */
const mostPerLook = 1000;

/** Passes after `ms` of waiting in which `progress` stays the same. It only counts while somebody looks. */
export class Deadline {
  #waited = 0;
  #looked: number;
  #seen: number;

  constructor(
    readonly ms: number,
    readonly progress: () => number,
    readonly now: () => number = () => performance.now(),
  ) {
    this.#looked = now();
    this.#seen = progress();
  }

  /** Looks once; waiting means to look again and again. */
  passed(): boolean {
    const [now, progress] = [this.now(), this.progress()];
    this.#waited += Math.min(now - this.#looked, mostPerLook, this.ms / 10);
    this.#looked = now;
    if (progress !== this.#seen) this.#waited = 0;
    this.#seen = progress;
    return this.#waited >= this.ms;
  }
}
