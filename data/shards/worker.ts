// A decoding thread: takes plans, answers batches. Bundled as an entry of its own, `loader-worker`; never touches a GPU.
import { workerData } from "node:worker_threads";
import { type BatchPlan, type BatchSource, type Made, makeBatch } from "./batch.ts";
import { ShardReader } from "./shards.ts";
import { answerWith } from "../threads/thread.ts";

const source = workerData as BatchSource;
const reader = new ShardReader();

answerWith<BatchPlan, Made>((plan) => makeBatch(source, plan, reader), buffersOf);

function buffersOf({ batch }: Made): ArrayBuffer[] {
  const { frames, mask, sentiment, categories, vad, indices } = batch;
  return [frames, mask, sentiment, categories, vad, indices].map(({ buffer }) => buffer);
}
