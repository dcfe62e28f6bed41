// A worker thread that answers questions: both ends of it. Classes of errors do not survive the trip between threads;
// their names do.
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parentPort, Worker } from "node:worker_threads";
import { setUpCodec } from "../pixels/codec.ts";
import { DiskError, EngineError, FormatError, HealthError, UsageError } from "../../engine/errors.ts";

type Question<Q> = { readonly id: number; readonly question: Q };
type Answer<A> = { readonly id: number } & ({ readonly answer: A } | { readonly error: Fault });
type Fault = { readonly name: string; readonly message: string; readonly stack?: string };

/** Our end: a thread that runs the bundle `name`.js, which lies beside ours and calls `answerWith`. */
export class Thread<Q, A> {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { done: (answer: A) => void; fail: (error: unknown) => void }>();
  private asked = 0;
  private ended: Error | undefined;

  /** @param data what `workerData` is in the thread */
  constructor(name: string, data?: unknown) {
    setUpCodec(); // once for the process, and before there is a second thread
    this.worker = new Worker(bundleOf(name), { workerData: data });
    this.worker.on("message", (answer: Answer<A>) => this.receive(answer));
    this.worker.on("error", (error) => this.end(error));
    this.worker.on("exit", (code) => this.end(new Error(`a thread of ${name} ended with code ${code}`)));
    this.worker.unref(); // only a question that waits keeps the process alive
  }

  /** Questions that wait for their answers. */
  get load(): number {
    return this.waiting.size;
  }

  /** Questions are begun in the order in which they are asked. */
  ask(question: Q): Promise<A> {
    if (this.ended) return Promise.reject(this.ended);
    this.worker.ref();
    const id = this.asked++;
    return new Promise((done, fail) => {
      this.waiting.set(id, { done, fail });
      this.worker.postMessage({ id, question } satisfies Question<Q>);
    });
  }

  /** Ends the thread; questions that wait fail with this reason. */
  async close(why: string): Promise<void> {
    this.end(new Error(why));
    this.worker.ref(); // or a process with nothing else to do would end before the thread has
    await this.worker.terminate();
  }

  private receive(answer: Answer<A>): void {
    if (this.ended) return; // an answer that was on its way when the thread was closed
    const waiter = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (this.waiting.size === 0) this.worker.unref();
    if ("error" in answer) waiter?.fail(revive(answer.error));
    else waiter?.done(answer.answer);
  }

  private end(error: Error): void {
    this.ended ??= error;
    for (const { fail } of this.waiting.values()) fail(this.ended);
    this.waiting.clear();
  }
}

/** The thread's end: answers every question with `work` of it; `buffers` are handed over, not copied. */
export function answerWith<Q, A>(work: (question: Q) => Promise<A>, buffers: (answer: A) => ArrayBuffer[]): void {
  const port = parentPort!;
  port.on("message", async ({ id, question }: Question<Q>) => {
    try {
      const answer = await work(question);
      port.postMessage({ id, answer } satisfies Answer<A>, buffers(answer));
    } catch (error) {
      port.postMessage({ id, error: describe(error) } satisfies Answer<A>);
    }
  });
}

function bundleOf(name: string): URL {
  const url = new URL(`./${name}.js`, import.meta.url);
  const path = fileURLToPath(url);
  if (!existsSync(path)) throw new Error(`${basename(path)} is not in ${fileURLToPath(new URL(".", url))}`);
  return url;
}

function describe(error: unknown): Fault {
  if (error instanceof EngineError) return { name: error.name, message: error.message };
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { name, message, stack };
}

function revive({ name, message, stack }: Fault): Error {
  const kind = [FormatError, HealthError, DiskError, UsageError].find((known) => known.name === name);
  return kind ? new kind(message) : Object.assign(new Error(message), { name, stack });
}
