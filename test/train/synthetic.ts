// A model small enough for a test of training, and batches for it made of seeded noise: no files, no data set.
import type { ClipBatch } from "../../data/shards/batch.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { defaults, type Settings } from "../../train/settings.ts";
import { WordTokenizer } from "../../data/tokenizer/words.ts";
import { gaussian, uniform } from "../kernels/derive.ts";

const words = ["a", "he", "she", "they", "shouts", "laughs", "weeps", "waits"];

export const tokenizer = new WordTokenizer(words, 8);

/** Every part of EmotionCLIP, each as small as it may be. */
export const tiny: ModelConfig = {
  embed: 16,
  vision: { image: 16, patch: 8, width: 16, layers: 1, heads: 2, mlp: 32 },
  text: { context: tokenizer.context, vocabulary: tokenizer.vocabulary, width: 16, layers: 1, heads: 2 },
  head: { kind: "transformer", frames: 2, layers: 1, heads: 2, feedForward: 32, dropout: 0.1 },
  activation: "gelu",
  subject: "sap",
};

export const settings: Settings = { ...defaults, steps: 8, batch: 8, lr: 3e-3, warmup: 2, dropout: 0.1, workers: 0 };

/** B clips of noise, the same for the same step: frames, a box per frame, captions, sentiment. */
export function syntheticBatch(step: number, { head, vision }: ModelConfig = tiny, B = settings.batch): ClipBatch {
  const random = uniform(1000 + step);
  const pixels = B * head.frames * Number(vision.image) ** 2;
  const noise = (n: number) => Float32Array.from({ length: n }, () => gaussian(random));
  const word = () => words[Math.floor(words.length * random())];
  return {
    step,
    epoch: 0,
    count: B,
    frames: Uint8Array.from({ length: 3 * pixels }, () => 256 * random()),
    mask: Uint8Array.from({ length: pixels }, () => Number(random() < 0.3)),
    captions: Array.from({ length: B }, () => `${word()} ${word()} ${word()}`),
    sentiment: noise(7 * B),
    categories: new Uint8Array(0),
    vad: new Float32Array(0),
    keys: Array.from({ length: B }, (_, i) => `clip-${step}-${i}`),
    indices: Int32Array.from({ length: B }, (_, i) => i),
  };
}
