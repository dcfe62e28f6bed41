// A GPU that is lost on the way: the work is begun anew on a new one, from what it has saved, so many times and no more.
import { setTimeout as sleep } from "node:timers/promises";
import type { StopRequest } from "../data/threads/long-work.ts";
import { type Gpu, GpuError } from "../engine/index.ts";
import type { Restart } from "../train/loop.ts";
import { firstCause } from "../engine/errors.ts";
import { whole } from "./flags.ts";

/** The flag, its words and what is meant without it, as commander takes them. */
export const RESTARTS = [
  "--restarts <n>",
  "times that a lost GPU is opened again, to go on from the last checkpoint",
  "3",
] as const;

export const restartsOf = (text: string): number => whole("restarts", text, 0, 1000);

/** Milliseconds that a driver is given to come back before the n-th restart. */
const pause = (n: number): number => 1000 * Math.min(n, 60);

/** Milliseconds after which a request to stop is heard while a restart waits. */
const LOOK = 100;

/** Whom a lasting GPU tells of restarts, and who may end them. */
export interface LastingPlace {
  readonly say: (line: string) => void;
  readonly stop: StopRequest;
}

/** A GPU that is opened when it is first needed, and again where it is lost, at most `most` times in all. */
export class LastingGpu {
  #gpu: Gpu | undefined;
  readonly #restarts: Restart[] = [];

  constructor(
    private readonly open: () => Promise<Gpu>,
    private readonly most: number,
    private readonly place: LastingPlace,
  ) {}

  /**
   * Does `work`; where the GPU is lost, again on a new one. It is told of the restarts so far. Undefined when a stop was requested
   * before the new one was there.
   */
  async use<T>(work: (gpu: Gpu, restarts: readonly Restart[]) => Promise<T>): Promise<T | undefined> {
    for (const before = this.#restarts.length; ; ) {
      try {
        this.#gpu ??= await this.open();
        return await work(this.#gpu, this.#restarts.slice(before));
      } catch (thrown) {
        const error = firstCause(thrown);
        if (!this.#mayGoOn(error)) throw error;
        if (!(await this.#restart(error.message.split("\n")[0]))) return undefined;
      }
    }
  }

  /** A lost one may, and one that was lost and does not open yet. */
  #mayGoOn(error: unknown): error is GpuError {
    const isGone = error instanceof GpuError && (error.isLost || this.#gpu === undefined);
    return isGone && this.#restarts.length < this.most && (error.isLost || this.#restarts.length > 0);
  }

  /** Waits for the driver; false where a stop was requested meanwhile. */
  async #restart(reason: string): Promise<boolean> {
    this.#gpu = undefined;
    this.#restarts.push({ reason, date: new Date().toISOString() });
    const { length } = this.#restarts;
    const { say, stop } = this.place;
    say(`warning: ${reason}; restart ${length} of ${this.most}, from the last checkpoint`);
    for (let waited = 0; waited < pause(length) && stop.requested === undefined; waited += LOOK) await sleep(LOOK);
    return stop.requested === undefined;
  }

  close(): void {
    this.#gpu?.close();
  }
}

/** The same error, with how the run in `folder` is gone on with where it is the GPU's. */
export function goneOnWith(thrown: unknown, folder: string): unknown {
  const error = firstCause(thrown);
  if (!(error instanceof GpuError)) return error;
  const { message, isLost } = error;
  return new GpuError(`${message}\n  the same command goes on with ${folder}, from its last checkpoint`, { isLost });
}
