// A decoding thread: takes plans, answers batches. Bundled as an entry of its own, `loader-worker`; never touches a GPU.
import { parentPort, workerData } from "node:worker_threads";
import { EngineError } from "../engine/errors.ts";
import { type BatchPlan, type BatchSource, type ClipBatch, makeBatch } from "./batch.ts";
import { ShardReader } from "./shards.ts";
import type { WorkerAnswer } from "./loader.ts";

const source = workerData as BatchSource;
const port = parentPort!;
const reader = new ShardReader();

port.on("message", async (plan: BatchPlan) => {
  try {
    const { batch, bad } = await makeBatch(source, plan, reader);
    port.postMessage({ step: plan.step, batch, bad } satisfies WorkerAnswer, buffersOf(batch));
  } catch (error) {
    port.postMessage({ step: plan.step, error: describe(error) } satisfies WorkerAnswer);
  }
});

function buffersOf({ frames, mask, sentiment, categories, vad, indices }: ClipBatch): ArrayBuffer[] {
  return [frames, mask, sentiment, categories, vad, indices].map(({ buffer }) => buffer);
}

/** Classes do not survive the trip between threads; their names do. */
function describe(error: unknown): { name: string; message: string; stack?: string } {
  if (error instanceof EngineError) return { name: error.name, message: error.message };
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { name, message, stack };
}
