// The nine emotions the people on the stage can have, and what each means in labels: BoLD's 26 categories and
// valence, arousal, dominance. How an emotion looks is in poses.ts, how it sounds in captions.ts.

import type { Random } from "../philox.ts";

/** The nine base emotions; "calm" is the neutral one. */
export const emotions = [
  "anger",
  "disgust",
  "fear",
  "joy",
  "calm",
  "sadness",
  "surprise",
  "affection",
  "pride",
] as const;
export type Emotion = (typeof emotions)[number];

/** BoLD's 26 categories in its order (Luo et al. 2020). */
export const categories = [
  "peace",
  "affection",
  "esteem",
  "anticipation",
  "engagement",
  "confidence",
  "happiness",
  "pleasure",
  "excitement",
  "surprise",
  "sympathy",
  "doubt confusion",
  "disconnection",
  "fatigue",
  "embarrassment",
  "yearning",
  "disapproval",
  "aversion",
  "annoyance",
  "anger",
  "sensitivity",
  "sadness",
  "disquietment",
  "fear",
  "pain",
  "suffering",
] as const;
export type Category = (typeof categories)[number];

/** Chance of a category at intensity 0 and at intensity 1; linear between. */
type Odds = Partial<Record<Category, readonly [number, number]>>;

const odds: Record<Emotion, Odds> = {
  anger: { anger: [0.85, 0.99], annoyance: [0.95, 0.5], disapproval: [0.6, 0.6], confidence: [0.1, 0.3] },
  disgust: {
    aversion: [0.95, 0.99],
    disapproval: [0.7, 0.6],
    annoyance: [0.4, 0.3],
    disquietment: [0.2, 0.5],
    embarrassment: [0.3, 0.1],
  },
  fear: {
    fear: [0.85, 0.99],
    disquietment: [0.9, 0.7],
    anticipation: [0.3, 0.1],
    "doubt confusion": [0.5, 0.1],
    embarrassment: [0.4, 0.1],
    pain: [0, 0.35],
    suffering: [0, 0.5],
  },
  joy: { happiness: [0.97, 0.99], pleasure: [0.7, 0.6], excitement: [0.05, 0.95], engagement: [0.4, 0.4] },
  calm: { peace: [0.97, 0.9], engagement: [0.4, 0.6], disconnection: [0.4, 0.2], fatigue: [0.7, 0.1] },
  sadness: {
    sadness: [0.9, 0.99],
    suffering: [0.1, 0.95],
    pain: [0.1, 0.9],
    fatigue: [0.6, 0.3],
    disconnection: [0.6, 0.4],
    yearning: [0.4, 0.3],
    sensitivity: [0.3, 0.4],
    sympathy: [0.2, 0.2],
  },
  surprise: {
    surprise: [0.97, 0.99],
    anticipation: [0.4, 0.6],
    excitement: [0.1, 0.6],
    "doubt confusion": [0.8, 0.3],
  },
  affection: {
    affection: [0.95, 0.99],
    sympathy: [0.7, 0.5],
    sensitivity: [0.6, 0.4],
    yearning: [0.2, 0.8],
    happiness: [0.2, 0.3],
    embarrassment: [0.6, 0.1],
  },
  pride: { confidence: [0.95, 0.99], esteem: [0.85, 0.95], anticipation: [0.3, 0.5], pleasure: [0.2, 0.4] },
};

/** [valence, arousal, dominance] at intensity 0 and at intensity 1. */
const feeling: Record<Emotion, readonly [readonly number[], readonly number[]]> = {
  anger: [
    [0.32, 0.6, 0.6],
    [0.12, 0.92, 0.8],
  ],
  disgust: [
    [0.34, 0.45, 0.5],
    [0.16, 0.62, 0.56],
  ],
  fear: [
    [0.34, 0.55, 0.34],
    [0.12, 0.9, 0.12],
  ],
  joy: [
    [0.7, 0.5, 0.58],
    [0.95, 0.88, 0.72],
  ],
  calm: [
    [0.56, 0.12, 0.5],
    [0.64, 0.28, 0.56],
  ],
  sadness: [
    [0.34, 0.3, 0.36],
    [0.1, 0.4, 0.16],
  ],
  surprise: [
    [0.52, 0.62, 0.44],
    [0.6, 0.94, 0.38],
  ],
  affection: [
    [0.68, 0.28, 0.46],
    [0.88, 0.5, 0.5],
  ],
  pride: [
    [0.66, 0.38, 0.76],
    [0.82, 0.6, 0.94],
  ],
};

/** What an annotator would say of the subject: 26 zeros and ones, and [valence, arousal, dominance] in [0, 1]. */
export interface DrawnLabels {
  readonly categories: number[];
  readonly vad: [number, number, number];
}

/** Labels of a person with this emotion at this intensity (0..1); annotators differ, hence the random numbers. */
export function annotate(emotion: Emotion, intensity: number, random: Random): DrawnLabels {
  const row = categories.map((category) => {
    const [low, high] = odds[emotion][category] ?? [0, 0];
    return random.chance(low + (high - low) * intensity) ? 1 : 0;
  });
  const [low, high] = feeling[emotion];
  const rate = (axis: number): number => {
    const mean = low[axis] + (high[axis] - low[axis]) * intensity;
    return Math.round(1e4 * Math.min(1, Math.max(0, mean + 0.04 * random.normal()))) / 1e4;
  };
  return { categories: row, vad: [rate(0), rate(1), rate(2)] };
}
