// The towers of a small CLIP for the embedded faces.
import type { TowersConfig } from "./config.ts";

/** 48 x 48 pixels in 16 patches, 32 words, 64 wide. */
export const stageTowers = (vocabulary: number) =>
  ({
    embed: 64,
    vision: { image: 48, patch: 12, width: 64, layers: 3, heads: 4, mlp: 256 },
    text: { context: 32, vocabulary, width: 64, layers: 2, heads: 4 },
    activation: "quickGelu",
  }) satisfies TowersConfig;
