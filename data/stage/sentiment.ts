// Seven sentiment logits of a line, as a frozen text classifier would give them: mostly right, overconfident, noisy, and
// always the same for the same text.

import { Random } from "../philox.ts";
import type { Caption } from "./captions.ts";
import type { Emotion } from "./emotions.ts";

/** Order of the logits, that of the public seven-class emotion classifiers. */
export const sentiments = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"] as const;

/** Mean logits of a line of each emotion; affection and pride have no class of their own. */
const profile: Record<Emotion, readonly number[]> = {
  anger: [3.4, 1.2, 0, -1, 0.4, 0, -0.2],
  disgust: [1, 3.4, 0, -1, 0.2, 0, -0.2],
  fear: [0, 0, 3.4, -1, 0.2, 0.6, 0.4],
  joy: [-0.8, -1, -0.8, 3.4, 0.6, -0.6, 0.6],
  calm: [-0.4, -0.5, -0.5, 0, 3.2, -0.2, -0.2],
  sadness: [-0.2, -0.4, 0.4, -0.6, 0.4, 3.4, -0.6],
  surprise: [-0.2, -0.4, 0.4, 0.4, 0.6, -0.6, 3.4],
  affection: [-1, -1, -0.6, 2.4, 0.8, 0.8, -0.4],
  pride: [0.2, -0.6, -1, 2, 1.6, -0.8, -0.2],
};

/** Deviation of the classifier's error in each logit. */
const noise = 0.6;

/** Seven logits in the order of `sentiments`; its certainty and error are drawn from the text, for the classifier is frozen. */
export function sentimentOf({ text, emotion }: Caption): number[] {
  const random = new Random(0, `stage/sentiment/${text}`);
  const strength = random.uniform(0.75, 1.15);
  return profile[emotion].map((mean) => Math.round(1e4 * (mean * strength + noise * random.normal())) / 1e4);
}
