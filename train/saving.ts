// Checkpoints that are written while training goes on: it waits until the tensors have been read, not for the disk.

/** One checkpoint at a time. A save that failed is told by the next call, whichever it is. */
export class Saving {
  #last: Promise<unknown> = Promise.resolve();
  #fault: { readonly error: unknown } | undefined;

  /** Begins a save once the one before is done, and resolves when it has called `read`: then the tensors may change. */
  async begin(save: (read: () => void) => Promise<unknown>): Promise<void> {
    await this.done();
    const isRead = new Promise<void>((read) => {
      this.#last = save(read);
    });
    this.#last.catch((error) => (this.#fault = { error }));
    await Promise.race([isRead, this.#last]);
  }

  /** Throws why a save has failed. */
  check(): void {
    if (this.#fault) throw this.#fault.error;
  }

  /** Resolves when nothing is being written any more. Errors: why a save has failed. */
  async done(): Promise<void> {
    await this.#last;
  }
}
