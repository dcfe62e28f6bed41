// What the subject token of a model in training looks at (figure 5 of the paper): a few clips of a split with their maps.
import { inBytes } from "../../data/pixels/gathered.ts";
import { pictureOf } from "../../data/pixels/canvas.ts";
import type { Pixels, View } from "../../data/pixels/view.ts";
import { forEvaluation, Loader } from "../../data/shards/loader.ts";
import type { ShardSet } from "../../data/shards/shards.ts";
import type { Trainer } from "../../train/trainer.ts";
import { trainerView } from "../probes/evaluate.ts";
import { type ShownClip, shownFrames } from "./clip.ts";
import { attentionMaps } from "./maps.ts";

/** Clips that are shown. */
const few = 3;

/** The first clips of a split that can be read, titled by their captions: frames as the model sees them, and its attention. */
export async function attentionClips(trainer: Trainer, set: ShardSet): Promise<ShownClip[]> {
  const view = trainerView(trainer);
  const loader = new Loader(set, { ...view, ...forEvaluation, batch: 1, seed: 0, workers: 0, maxBad: 1 });
  const shown: ShownClip[] = [];
  try {
    for await (const batch of loader.batches(0, loader.stepsPerEpoch)) {
      const maps = await attentionMaps(trainer.model, batch);
      shown.push({ title: batch.captions[0], frames: framesOf(inBytes(batch), view), maps });
      if (shown.length === few) break;
    }
  } finally {
    await loader.close();
  }
  return shown;
}

function framesOf({ frames, mask }: Pixels, { frames: T, side }: Pick<View, "frames" | "side">) {
  const numbers = Array.from({ length: T }, (_, t) => t);
  return shownFrames(
    numbers.map((t) => pictureOf(frames, t, side)),
    numbers.map((t) => `frame ${t + 1}`),
    mask,
  );
}
