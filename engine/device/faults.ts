// Faults of a device. The first one ends all work: every later call and every wait throws it.
import { EngineError, GpuError } from "../errors.ts";

export class Faults {
  /** Rejects with the first fault. */
  readonly happened: Promise<never>;
  #first: EngineError | undefined;
  #reject!: (error: EngineError) => void;
  /** Pipelines whose compilation has not been confirmed yet. */
  readonly #compiling = new Set<Promise<void>>();

  constructor(device: GPUDevice) {
    this.happened = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    this.happened.catch(() => {});
    device.addEventListener("uncapturederror", (event) => {
      const error = new GpuError(`the GPU refused a command: ${(event as GPUUncapturedErrorEvent).error.message}`);
      // a kernel that did not compile explains itself better than the command that used it
      if (this.#compiling.size) void this.compiled.then(() => this.fail(error));
      else this.fail(error);
    });
    device.lost.then(({ reason, message }) => {
      if (reason !== "destroyed") this.fail(new GpuError(`the GPU was lost (${reason}): ${message}`));
    });
  }

  fail(error: EngineError): void {
    if (this.#first) return;
    this.#first = error;
    this.#reject(error);
  }

  /** Throws the first fault. */
  check(): void {
    if (this.#first) throw this.#first;
  }

  /** A compilation under way: its failure is a fault. */
  watch(compilation: Promise<void>): void {
    const settled = compilation
      .catch((error) => this.fail(error instanceof EngineError ? error : new GpuError(String(error))))
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
