// Faults of a device. The first one ends all work: every later call and every wait throws it.
import { EngineError, GpuError } from "../errors.ts";
import { type Hearing, orFault } from "../host/or-fault.ts";

/** How long a loss that explains a rejection may come after it, in ms. */
const lossAfter = 200;

export class Faults {
  /** Who waits now, and will hear of the first fault. */
  readonly #waiting = new Set<(fault: EngineError) => void>();
  #first: EngineError | undefined;
  #told = false;
  /** Pipelines whose compilation has not been confirmed yet. */
  readonly #compiling = new Set<Promise<void>>();

  constructor(
    device: GPUDevice,
    /** Where the device was, in words. */
    readonly where: () => string,
  ) {
    device.addEventListener("uncapturederror", (event) => {
      const error = new GpuError(`the GPU refused a command: ${(event as GPUUncapturedErrorEvent).error.message}`);
      // a kernel that did not compile explains itself better than the command that used it
      if (this.#compiling.size) void this.compiled.then(() => this.fail(error));
      else this.fail(error);
    });
    device.lost.then(({ reason, message }) => {
      const why = `the GPU was lost (${reason}): ${message.trim() || "no reason given"}\n  ${where()}`;
      this.fail(new GpuError(why, { isLost: true }));
    });
  }

  fail(error: EngineError): void {
    if (this.#first) return;
    this.#first = error;
    for (const heard of [...this.#waiting]) heard(error);
  }

  /** The first fault for somebody who waits; what comes back ends that. */
  readonly hear: Hearing = (heard) => {
    this.#waiting.add(heard);
    const first = this.#first;
    if (first) queueMicrotask(() => this.#waiting.has(heard) && heard(first));
    return () => void this.#waiting.delete(heard);
  };

  /** How many wait now. */
  get waiting(): number {
    return this.#waiting.size;
  }

  get first(): EngineError | undefined {
    return this.#first;
  }

  /** Throws the first fault. */
  check(): void {
    if (this.#first) throw this.#first;
  }

  /** Throws the first fault at a caller who cannot overlook it. */
  tell(): void {
    this.#told ||= this.#first !== undefined;
    this.check();
  }

  /** The program knows. */
  get told(): boolean {
    return this.#told;
  }

  /**
   * The first fault, where a wait was rejected: the rejection itself is one, unless the device tells a moment later that it is
   * lost.
   */
  async causeOf(rejection: unknown): Promise<EngineError> {
    if (!this.#first && !(rejection instanceof EngineError)) {
      const moment = new Promise<void>((resolve) => setTimeout(resolve, lossAfter));
      await orFault(moment, this.hear, () => () => {}).catch(() => {});
    }
    this.fail(rejection instanceof EngineError ? rejection : this.#refused(rejection));
    return this.#first!;
  }

  #refused(rejection: unknown): GpuError {
    const text = rejection instanceof Error ? `${rejection.name} ${rejection.message}`.trim() : String(rejection);
    return new GpuError(`the GPU did not answer: ${text}\n  ${this.where()}`);
  }

  /** A compilation under way: its failure is a fault. */
  watch(compilation: Promise<void>): void {
    const settled = compilation
      .catch((error) => this.causeOf(error))
      .then(() => {})
      .finally(() => this.#compiling.delete(settled));
    this.#compiling.add(settled);
  }

  /** Compilations have not been confirmed. */
  get compiling(): boolean {
    return this.#compiling.size > 0;
  }

  /** Resolves when every compilation so far has been confirmed or has failed. */
  get compiled(): Promise<unknown> {
    return Promise.all(this.#compiling);
  }
}
