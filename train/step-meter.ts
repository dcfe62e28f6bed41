// What the steps of a training take, by the clock: their rate, how much of it is waiting for data, and the memory.
import { performance } from "node:perf_hooks";
import { sizeText } from "./step-plan.ts";

/** Of one step, between the end of the one before and its own. A clock makes it: it is not the same in a repeated run. */
export interface Pace {
  readonly clipsPerSecond: number;
  /** 10¹² operations a second: the planned arithmetic of the step over its time. */
  readonly tflops: number;
  /** The same as a share of the rate that a matrix product has here, where that was measured. */
  readonly mfu?: number;
  /** Share of the time in which a batch was asked for and not there yet; the device may have been at work on the step before. */
  readonly waiting: number;
  /** Of several ranks: share of the time in which this one had computed all that it could, and waited for the others or for words on their way. */
  readonly ranks?: number;
  /** Bytes that the engine has allocated, and those of this process in memory. */
  readonly gpuBytes: number;
  readonly rss: number;
}

export class StepMeter {
  #since = performance.now();
  #waited = 0;

  /**
   * @param flops arithmetic of a step @param clips of a step @param gpuBytes what the engine has allocated now
   * @param rate flops a second of a matrix product
   */
  constructor(
    private readonly flops: number,
    private readonly clips: number,
    private readonly gpuBytes: () => number,
    private readonly rate?: number,
  ) {}

  /** The same batches; the time until each is there counts as waiting. */
  async *timed<T>(batches: AsyncIterable<T>): AsyncGenerator<T> {
    const source = batches[Symbol.asyncIterator]();
    try {
      for (;;) {
        const asked = performance.now();
        const { value, done } = await source.next();
        this.#waited += performance.now() - asked;
        if (done) return;
        yield value;
      }
    } finally {
      await source.return?.();
    }
  }

  /** A step is finished: what it took since the last one was. @param meeting ms of it that went by with other ranks alone */
  lap(meeting?: number): Pace {
    const now = performance.now();
    const seconds = Math.max(1e-6, (now - this.#since) / 1000);
    const waiting = Math.min(1, this.#waited / 1000 / seconds);
    this.restart(now);
    return {
      clipsPerSecond: Math.round((10 * this.clips) / seconds) / 10,
      tflops: Number((this.flops / seconds / 1e12).toPrecision(4)),
      ...(this.rate && { mfu: Math.round((1000 * this.flops) / seconds / this.rate) / 1000 }),
      waiting: Math.round(1000 * waiting) / 1000,
      ...(meeting !== undefined && { ranks: Math.min(1, Math.round(meeting / seconds) / 1000) }),
      gpuBytes: this.gpuBytes(),
      rss: process.memoryUsage.rss(),
    };
  }

  /** What was done since the last step is none of the next one. */
  restart(now = performance.now()): void {
    this.#since = now;
    this.#waited = 0;
  }
}

/** "120 clips/s  1.32 TFLOP/s (41 %)  data 3 %  212.0 MiB" */
export function paceText({ clipsPerSecond, tflops, mfu, waiting, ranks, gpuBytes }: Pace): string {
  const work = tflops < 1 ? `${Number((1000 * tflops).toPrecision(3))} GFLOP/s` : `${tflops.toPrecision(3)} TFLOP/s`;
  const share = mfu === undefined ? "" : ` (${Math.round(100 * mfu)} %)`;
  const others = ranks === undefined ? "" : `  ranks ${Math.round(100 * ranks)} %`;
  return `${clipsPerSecond.toFixed(0)} clips/s  ${work}${share}  data ${Math.round(100 * waiting)} %${others}  ${sizeText(gpuBytes)}`;
}
