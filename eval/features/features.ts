// Frozen features of a split: both branches over its batches, in order, into flat arrays.
import type { ClipBatch } from "../../data/shards/batch.ts";
import { compute, type Tensor } from "../../engine/index.ts";
import { type Matrix, matrix } from "../matrix.ts";

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
  const parts = {
    video: [] as Float32Array[],
    text: [] as Float32Array[],
    categories: [] as Uint8Array[],
    vad: [] as Float32Array[],
  };
  const captions: string[] = [];
  for await (const batch of batches) {
    const [video, text] = await compute(() => {
      const { v_BE, t_BE } = encode(batch);
      return [v_BE, t_BE];
    });
    parts.video.push(video as Float32Array);
    parts.text.push(text as Float32Array);
    parts.categories.push(batch.categories);
    parts.vad.push(batch.vad);
    captions.push(...batch.captions);
    at(captions.length);
  }
  const join = <A extends Float32Array | Uint8Array>(pieces: readonly A[], whole: A): Matrix => {
    let offset = 0;
    for (const piece of pieces) {
      whole.set(piece, offset);
      offset += piece.length;
    }
    return matrix(samples, whole.length / samples, whole);
  };
  const length = (pieces: readonly { length: number }[]) => pieces.reduce((sum, piece) => sum + piece.length, 0);
  return {
    captions,
    video: join(parts.video, new Float32Array(length(parts.video))),
    text: join(parts.text, new Float32Array(length(parts.text))),
    categories: join(parts.categories, new Uint8Array(length(parts.categories))),
    vad: join(parts.vad, new Float32Array(length(parts.vad))),
  };
}
