// What joins the frames of a clip looks at: how a token of the clip weighs them, layer by layer and head by head.
import type { AnyPixels } from "../../data/pixels/view.ts";
import { compute, UsageError } from "../../engine/index.ts";
import type { VideoText } from "../../model/family.ts";
import { asClips, countFrames, pixelTensors } from "../../model/pixels.ts";

/** Weights of the frames of one clip. */
export interface FrameWeights {
  readonly layers: number;
  readonly heads: number;
  readonly frames: number;
  /** [layers, heads, 1 + frames]: of the token itself, then of the frames. Each row sums to 1. */
  readonly weights: Float32Array;
}

/** How a clip of any number of frames that the model has positions for is weighed. Errors: UsageError for a model that weighs none. */
export async function frameWeights(model: VideoText, clip: AnyPixels): Promise<FrameWeights> {
  const { frameReader, takes } = model;
  if (!frameReader) throw new UsageError("this model has no token that weighs frames");
  const frames = countFrames(clip, takes.side);
  const rows = await compute(() => {
    const { frames_BT3SS, mask_BTSS } = asClips(pixelTensors(clip, takes.side, 0, undefined, takes.colours), frames);
    return frameReader.rows(model.encodeFrames(frames_BT3SS, mask_BTSS));
  });
  const { layers, heads } = frameReader;
  const weights = new Float32Array(layers * heads * (1 + frames));
  for (const [layer, row] of rows.entries()) weights.set(row as Float32Array, layer * heads * (1 + frames));
  return { layers, heads, frames, weights };
}

/** The weights of a layer, [1 + frames]: of one head, or their mean. */
export function weightsOf({ heads, frames, weights }: FrameWeights, layer: number, head?: number): Float64Array {
  const M = 1 + frames;
  const found = new Float64Array(M);
  const some = head === undefined ? Array.from({ length: heads }, (_, h) => h) : [head];
  for (const h of some) for (let m = 0; m < M; m++) found[m] += weights[(layer * heads + h) * M + m] / some.length;
  return found;
}
