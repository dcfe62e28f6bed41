// Features from a loaded model: one row for each clip, picture or text, of unit length, in the order given.
import { compute, ShapeError, type Tensor, tensor, UsageError } from "../../engine/index.ts";
import type { Tokenizer } from "../../data/tokenizer/clip.ts";
import { type EmotionClip, textRows } from "../../model/index.ts";
import { type Matrix, matrix } from "../matrix.ts";

/** Frames as the model takes them. A picture is a clip of one frame. */
export interface Pixels {
  /** [T, 3, S, S], normalised (`frameInto` of the data layer). */
  readonly frames: Float32Array;
  /** [T, S, S], the share of each pixel that shows the subject: 0 or 1; all zeros where there is no box. */
  readonly mask: Float32Array;
}

export interface EncodeOptions {
  /** Rows computed at once. */
  readonly batch?: number;
  /** Hears how many rows are done. */
  readonly at?: (done: number) => void;
}

/** Things in order, at hand or still being read. */
export type Stream<T> = Iterable<T> | AsyncIterable<T>;

/** Clips of config.head.frames frames -> [N, E]. While the device works, the next batch is read and handed to it. */
export function encodeVideos(model: EmotionClip, clips: Stream<Pixels>, options?: EncodeOptions): Promise<Matrix> {
  const { vision, head, embed } = model.config;
  const [T, S] = [head.frames, vision.image];
  return encodeRows(clips, embed, options, (batch) => {
    const B = batch.length;
    return model.encodeVideo(
      tensor(joined(batch, "frames", T * 3 * S * S), [B, T, 3, S, S]),
      tensor(joined(batch, "mask", T * S * S), [B, T, S, S]),
    );
  });
}

/** Single pictures -> [N, E], without the temporal head. */
export function encodeImages(model: EmotionClip, images: Stream<Pixels>, options?: EncodeOptions): Promise<Matrix> {
  const { vision, embed } = model.config;
  const S = vision.image;
  return encodeRows(images, embed, options, (batch) =>
    model.encodeImage(
      tensor(joined(batch, "frames", 3 * S * S), [batch.length, 3, S, S]),
      tensor(joined(batch, "mask", S * S), [batch.length, S, S]),
    ),
  );
}

/** Texts -> [N, E]; the tokenizer is the one that the model was trained with (`tokenizerOf`). */
export function encodeTexts(
  model: EmotionClip,
  tokenizer: Tokenizer,
  texts: Stream<string>,
  options?: EncodeOptions,
): Promise<Matrix> {
  return encodeRows(texts, model.config.embed, options, (batch) => textFeatures(model, tokenizer.encode(batch)));
}

/** Rows of ids, one after another -> t_BE. */
export function textFeatures(model: EmotionClip, ids: Uint32Array): Tensor {
  const { context } = model.config.text;
  const { tokens_BW, ends_B } = textRows(ids, model.config.text);
  const B = ends_B.length;
  return model.encodeText(tensor(tokens_BW, [B, context], "u32"), tensor(ends_B, [B], "u32"));
}

/** One after another in one array; each has `length` numbers. */
function joined(batch: readonly Pixels[], name: keyof Pixels, length: number): Float32Array {
  const all = new Float32Array(batch.length * length);
  for (const [b, pixels] of batch.entries()) {
    if (pixels[name].length !== length)
      throw new ShapeError(
        `${name} of item ${b} of a batch: ${pixels[name].length} numbers, the model takes ${length}`,
      );
    all.set(pixels[name], b * length);
  }
  return all;
}

async function encodeRows<T>(
  items: Stream<T>,
  embed: number,
  { batch = 32, at }: EncodeOptions = {},
  encode: (batch: T[]) => Tensor,
): Promise<Matrix> {
  const parts: Float32Array[] = [];
  let done = 0;
  let last: { rows: Promise<unknown>; count: number } | undefined;
  const settle = async () => {
    if (!last) return;
    parts.push((await last.rows) as Float32Array);
    done += last.count;
    at?.(done);
  };
  const batches = inBatches(items, batch);
  let next = batches.next();
  for (;;) {
    const { value } = await next;
    if (!value) break;
    const rows = compute(() => encode(value));
    next = batches.next();
    for (const later of [rows, next]) later.catch(() => {}); // awaited in their turn, after what came before
    await settle();
    last = { rows, count: value.length };
  }
  await settle();
  const data = new Float32Array(done * embed);
  let row = 0;
  for (const part of parts) {
    data.set(part, row);
    row += part.length;
  }
  return matrix(done, embed, data);
}

async function* inBatches<T>(items: Stream<T>, size: number): AsyncGenerator<T[], undefined> {
  if (!Number.isSafeInteger(size) || size < 1) throw new UsageError(`a batch of ${size}; it has 1 row or more`);
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
