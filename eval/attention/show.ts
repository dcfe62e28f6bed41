// What the subject token looks at, for the report (figure 5 of the paper): attention over frames of a few held-out clips.
import { forEvaluation, Loader } from "../../data/shards/loader.ts";
import { denormalise } from "../../data/pixels/image.ts";
import { encodeJpeg } from "../../data/pixels/jpeg.ts";
import { boxOfMask } from "../../data/pixels/mask.ts";
import type { ShardSet } from "../../data/shards/shards.ts";
import { compute, tensor } from "../../engine/index.ts";
import { viewOf } from "../probes/evaluate.ts";
import type { AttentionFrame } from "../../cli/pages/report.ts";
import type { Trainer } from "../../train/trainer.ts";

const clips = 3;

/** The first clips of a split, their frames as the model sees them, and the subject token's attention to the patches. */
export async function attentionFrames(trainer: Trainer, set: ShardSet): Promise<AttentionFrame[]> {
  const view = viewOf(trainer);
  const loader = new Loader(set, { ...view, ...forEvaluation, batch: clips, seed: 0, workers: 0 });
  const shown: AttentionFrame[] = [];
  try {
    for await (const batch of loader.batches(0, 1)) {
      const { frames: T, side: S } = view;
      const N = batch.captions.length * T;
      const maps = await compute(() =>
        trainer.model.backbone.visual.subjectAttention(
          tensor(batch.frames, [N, 3, S, S]),
          tensor(batch.mask, [N, S, S]),
        ),
      );
      for (let n = 0; n < N; n++) {
        const pixels = denormalise(batch.frames.subarray(n * 3 * S * S, (n + 1) * 3 * S * S), S);
        shown.push({
          frameJpeg: await encodeJpeg(pixels, 90),
          grid: maps.map((map) => [...map.subarray((n * map.length) / N, ((n + 1) * map.length) / N)]),
          box: boxOfMask(batch.mask.subarray(n * S * S, (n + 1) * S * S), S),
          caption: batch.captions[Math.floor(n / T)],
        });
      }
    }
  } finally {
    await loader.close();
  }
  return shown;
}
