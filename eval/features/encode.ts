// Features from a loaded model: batches in, rows of unit length out, in the order given. The one way there; a row is a clip, a
// picture or a text.
import { readAhead, piped, type Stream } from "../../data/threads/piped.ts";
import { cellsOf } from "../../data/pixels/side.ts";
import type { AnyPixels } from "../../data/pixels/view.ts";
import { compute, ShapeError, type Tensor, tensor, UsageError } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import type { Tokenizer } from "../../data/tokenizer/clip.ts";
import type { VideoText } from "../../model/index.ts";
import { asClips, pixelTensors } from "../../model/pixels.ts";
import { joinRows, type Matrix } from "../matrix.ts";

export type { AnyPixels, Pixels } from "../../data/pixels/view.ts";
export type { Stream } from "../../data/threads/piped.ts";

/** A batch, and of each tensor that was made of it the rows [B, E]. */
export interface Encoded<B> {
  readonly batch: B;
  readonly rows: readonly Float32Array[];
}

/** What `encode` makes of each batch, in order; it is read back while the device already has the next one. */
export function featureRows<B>(
  batches: Stream<B>,
  encode: (batch: B) => readonly Tensor[],
): AsyncGenerator<Encoded<B>> {
  return piped(batches, async (batch) => ({ batch, rows: (await compute(() => encode(batch))) as Float32Array[] }));
}

/** Clips of takes.frames frames -> v_BE. */
export function videoFeatures(model: VideoText, pixels: AnyPixels): Tensor {
  const { frames: T, side, colours } = model.takes;
  const { frames_BT3SS, mask_BTSS } = asClips(pixelTensors(pixels, side, 0, undefined, colours), T);
  return model.encodeVideo(frames_BT3SS, mask_BTSS);
}

/** Single pictures -> v_BE, without the temporal head. */
export function imageFeatures(model: VideoText, pixels: AnyPixels): Tensor {
  const { frames_N3SS, mask_NSS } = pixelTensors(pixels, model.takes.side, 0, undefined, model.takes.colours);
  return model.encodeImage(frames_N3SS, mask_NSS);
}

/** Rows of ids, one after another -> t_BE. */
export function textFeatures(model: VideoText, ids: Uint32Array): Tensor {
  const { context } = model.takes;
  const { tokens_BW, ends_B } = model.textRows(ids);
  const B = ends_B.length;
  return model.encodeText(tensor(tokens_BW, [B, context], "u32"), tensor(ends_B, [B], "u32"));
}

/** How much is computed at once, and who hears of it. */
export interface EncodeOptions {
  /** Rows computed at once. */
  readonly batch?: number;
  /** Hears how many rows are done. */
  readonly at?: (done: number) => void;
}

/** Clips of takes.frames frames -> [N, E]. While the device works, the next batch is read and handed to it. */
export async function encodeVideos(
  model: VideoText,
  clips: Stream<AnyPixels>,
  options?: EncodeOptions,
): Promise<Matrix> {
  takes(
    "encodeVideos(model: { takes: object, encodeVideo: function, encodeText: function, ... }, " +
      "clips: iterable, options?: { batch?: count, at?: function })",
    arguments,
  );
  const { frames, side } = model.takes;
  return encodeRows(clips, model.embed, options, (batch) =>
    videoFeatures(model, together(batch, frames * cellsOf(side))),
  );
}

/** Single pictures -> [N, E], without the temporal head. */
export async function encodeImages(
  model: VideoText,
  images: Stream<AnyPixels>,
  options?: EncodeOptions,
): Promise<Matrix> {
  takes(
    "encodeImages(model: { takes: object, encodeVideo: function, encodeText: function, ... }, " +
      "images: iterable, options?: { batch?: count, at?: function })",
    arguments,
  );
  const { side } = model.takes;
  return encodeRows(images, model.embed, options, (batch) => imageFeatures(model, together(batch, cellsOf(side))));
}

/** Texts -> [N, E]; the tokenizer is the one that the model was trained with (`tokenizerOf`). */
export async function encodeTexts(
  model: VideoText,
  tokenizer: Tokenizer,
  texts: Stream<string>,
  options?: EncodeOptions,
): Promise<Matrix> {
  takes(
    "encodeTexts(model: { takes: object, encodeVideo: function, encodeText: function, ... }, " +
      "tokenizer: { encode: function, ... }, texts: iterable, options?: { batch?: count, " +
      "at?: function })",
    arguments,
  );
  return encodeRows(texts, model.embed, options, (batch) => textFeatures(model, tokenizer.encode(batch)));
}

/** Clips of `pixels` pixels each as one batch. */
export const together = (clips: readonly AnyPixels[], pixels: number): AnyPixels => ({
  frames: joined(clips, "frames", 3 * pixels),
  mask: joined(clips, "mask", pixels),
});

/** One after another in one array, bytes or floats as all of them are; each has `length` numbers. */
function joined(batch: readonly AnyPixels[], name: keyof AnyPixels, length: number): Uint8Array | Float32Array {
  const Kind = batch[0][name] instanceof Float32Array ? Float32Array : Uint8Array;
  const all = new Kind(batch.length * length);
  for (const [b, { [name]: each }] of batch.entries()) {
    const item = `${name} of item ${b} of a batch`;
    if (!(each instanceof Kind))
      throw new ShapeError(`${item}: is no ${Kind.name}, which those before it are; encode bytes and floats apart`);
    if (each.length !== length) throw new ShapeError(`${item}: ${each.length} numbers, the model takes ${length}`);
    all.set(each, b * length);
  }
  return all;
}

async function encodeRows<T>(
  items: Stream<T>,
  embed: number,
  { batch: size = 32, at }: EncodeOptions = {},
  encode: (batch: T[]) => Tensor,
): Promise<Matrix> {
  const parts: Float32Array[] = [];
  let done = 0;
  for await (const { batch, rows } of featureRows(readAhead(inBatches(items, size)), (some) => [encode(some)])) {
    parts.push(rows[0]);
    done += batch.length;
    at?.(done);
  }
  return joinRows(parts, done, embed);
}

/** Lists of `size` of them, the last of what is left. */
export async function* inBatches<T>(items: Stream<T>, size: number): AsyncGenerator<T[], undefined> {
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
