// Frozen features of a split: both branches over its batches, in order, with the labels of the clips.
import type { ClipBatch } from "../../data/shards/batch.ts";
import { HealthError, type Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { joinRows, type Matrix } from "../matrix.ts";
import { featureRows } from "./encode.ts";

/** Features and labels of a split; rows in the split's order, without the clips that could not be read. */
export interface Features {
  /** [N] numbers of the clips that the rows are of. */
  readonly indices: readonly number[];
  /** [N, E] of unit length. */
  readonly video: Matrix;
  /** [N, E] of unit length: the captions. */
  readonly text: Matrix;
  /** [N] what is said in the clips. */
  readonly captions: readonly string[];
  /** Multi-hot [N, C]. */
  readonly categories: Matrix;
  /** [N, 3]. */
  readonly vad: Matrix;
}

/**
 * Runs `encode` (v_BE, t_BE of a batch) over all batches of at most `samples` clips; `at` hears how many are done. Errors:
 * HealthError where no clip came.
 */
export async function extractFeatures(
  batches: AsyncIterable<ClipBatch>,
  samples: number,
  encode: (batch: ClipBatch) => { v_BE: Tensor; t_BE: Tensor },
  at: (done: number) => void = () => {},
): Promise<Features> {
  takes("extractFeatures(batches: iterable, samples: natural, encode: function, at?: function, ...)", arguments);
  const [video, text, categories, vad]: (Float32Array | Uint8Array)[][] = [[], [], [], []];
  const captions: string[] = [];
  const indices: number[] = [];
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
    indices.push(...batch.indices);
    at(captions.length);
  }
  const rows = captions.length;
  if (rows === 0) throw new HealthError(`none of ${samples} clips could be read`);
  return {
    indices,
    captions,
    video: joinRows(video, rows),
    text: joinRows(text, rows),
    categories: joinRows(categories, rows),
    vad: joinRows(vad, rows),
  };
}
