// The small model of the main job, for the embedded data set.
import { stageTowers } from "../clip/stage.ts";
import type { ModelConfig } from "./config.ts";
import { takes } from "../../engine/takes.ts";

/** The small model of the main job; its vocabulary is that of the embedded data set. */
export function stageModel(vocabulary: number): ModelConfig {
  takes("stageModel(vocabulary: size, ...)", arguments);
  return {
    embed: 64,
    // strong positions and weak patches: the subject token is a sum of positions, and few steps must teach what it means
    vision: {
      image: 64,
      patch: 16,
      width: 64,
      layers: 3,
      heads: 4,
      mlp: 256,
      initial: { position: 0.5, patch: 0.03 },
    },
    text: { context: 24, vocabulary, width: 64, layers: 2, heads: 4 },
    // the head starts close to the mean over frames
    head: {
      kind: "transformer",
      frames: 4,
      layers: 1,
      heads: 4,
      feedForward: 128,
      dropout: 0,
      initial: { position: 0.02, gain: 0.1 },
    },
    activation: "gelu",
    subject: "sap",
  };
}

/** A model that trains in a second: all parts of EmotionCLIP, each about as small as it may be. */
export function tinyModel(vocabulary: number): ModelConfig {
  const stage = stageModel(vocabulary);
  return {
    ...stage,
    embed: 16,
    vision: { ...stage.vision, image: 32, width: 16, layers: 1, heads: 2, mlp: 32 },
    text: { ...stage.text, width: 16, layers: 1, heads: 2 },
    head: { ...stage.head, frames: 2, heads: 2, feedForward: 32 },
  };
}

/** A CLIP: single pictures, and nothing beside the towers. */
export const clipStage = (vocabulary: number): ModelConfig => ({
  ...stageTowers(vocabulary),
  head: { kind: "mean", frames: 1, layers: 1, heads: 4, feedForward: 128, dropout: 0 },
  subject: "none",
});
