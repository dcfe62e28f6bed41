// Frozen features of a split: both branches over its batches, in order, with the labels of the clips.
import type { ClipBatch } from "../../data/shards/batch.ts";
import type { Tensor } from "../../engine/index.ts";
import { joinRows, type Matrix } from "../matrix.ts";
import { featureRows } from "./encode.ts";

/** Features and labels of a split; rows in the split's order. */
export interface Features {
  /** [N, E] of unit length. */
  readonly video: Matrix;
  readonly text: Matrix;
  readonly captions: readonly string[];
  /** Multi-hot [N, C]. */
  readonly categories: Matrix;
  /** [N, 3]. */
  readonly vad: Matrix;
}

/** Runs `encode` (v_BE, t_BE of a batch) over all batches of `samples` clips; `at` hears how many are done. */
export async function extractFeatures(
  batches: AsyncIterable<ClipBatch>,
  samples: number,
  encode: (batch: ClipBatch) => { v_BE: Tensor; t_BE: Tensor },
  at: (done: number) => void = () => {},
): Promise<Features> {
  const [video, text, categories, vad]: (Float32Array | Uint8Array)[][] = [[], [], [], []];
  const captions: string[] = [];
  const both = (batch: ClipBatch) => {
    const { v_BE, t_BE } = encode(batch);
    return [v_BE, t_BE];
  };
  for await (const { batch, rows } of featureRows(batches, both)) {
    video.push(rows[0]);
    text.push(rows[1]);
    categories.push(batch.categories);
    vad.push(batch.vad);
    captions.push(...batch.captions);
    at(captions.length);
  }
  return {
    captions,
    video: joinRows(video, samples),
    text: joinRows(text, samples),
    categories: joinRows(categories, samples),
    vad: joinRows(vad, samples),
  };
}
