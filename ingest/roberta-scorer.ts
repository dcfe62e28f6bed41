// Sentiment of sentences by a RoBERTa classifier of the user's, on a GPU that is opened when the first sentence comes.
import { basename } from "node:path";
import { sha256Of } from "../data/formats/hash.ts";
import { SENTIMENTS } from "../data/shards/clip.ts";
import { type GpuOptions, openGpu } from "../engine/index.ts";
import { sentimentColumns, sentimentLogits } from "../eval/sentiment.ts";
import { openRoberta } from "../model/roberta/open.ts";
import type { Scorer } from "./sentiment.ts";

/** A scorer that holds a GPU until it is closed. */
export interface GpuScorer extends Scorer {
  close(): Promise<void>;
}

/** Opens and checks the classifier in a folder. Errors: those of `openRoberta`, FormatError for other classes than the seven. */
export async function robertaScorer(folder: string, options: GpuOptions): Promise<GpuScorer> {
  const files = await openRoberta(folder);
  try {
    sentimentColumns(files.config.labels);
  } catch (error) {
    await files.close();
    throw error;
  }
  const loaded = onceAsked(async () => {
    const gpu = await openGpu(options);
    return { gpu, ...(await files.load()) };
  });
  return {
    id: await sha256Of(files.path),
    about: `by the classifier in ${basename(folder)}`,
    tells: true,
    score: async (texts) => {
      const { model } = await loaded.get();
      const { logits } = await sentimentLogits(model, files.tokenizer, texts);
      const Q = SENTIMENTS.length;
      return texts.map((_, i) => Array.from(logits.data.subarray(i * Q, (i + 1) * Q)));
    },
    close: async () => {
      const { gpu, free } = (await loaded.made()) ?? {};
      free?.();
      gpu?.close();
      await files.close();
    },
  };
}

/** What is made when it is asked for, once. */
function onceAsked<T>(make: () => Promise<T>) {
  let made: Promise<T> | undefined;
  return {
    get: (): Promise<T> => {
      made ??= make();
      return made;
    },
    made: async (): Promise<T | undefined> => made?.catch(() => undefined),
  };
}
