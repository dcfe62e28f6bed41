// The small EmoCLIP of the embedded faces.
import { stageTowers } from "../clip/stage.ts";
import type { EmoClipConfig } from "./config.ts";

/** Two temporal layers over clips of eight frames. */
export const emoClipStage = (vocabulary: number): EmoClipConfig => ({
  ...stageTowers(vocabulary),
  temporal: { frames: 8, positions: 33, layers: 2, heads: 4, headWidth: 32, hidden: 64 },
});
