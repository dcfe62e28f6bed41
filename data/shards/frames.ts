// One sample -> its place in a batch: which frames, decoded, resized, cropped, normalised, and the subject's mask.
// Knows nothing of threads; the loader calls it here or in a worker, with the same result.
import { FormatError } from "../../engine/errors.ts";
import type { CheckedInfo } from "./clip.ts";
import { decodeImage, frameInto } from "../pixels/image.ts";
import { scaleBox } from "../pixels/boxes.ts";
import { maskInto } from "../pixels/mask.ts";
import { Random } from "../philox.ts";
import { centreOffset, type Image, type Rect, type Size, shortSideSize } from "../pixels/resize.ts";
import { linspaceFrames, randomFrames } from "../sampling.ts";
import type { Sample, ShardReader } from "./shards.ts";

/** How a clip becomes the model's input. */
export type View = {
  /** Frames taken of each clip, T. */
  readonly frames: number;
  /** Side of the square crop in pixels, S. */
  readonly side: number;
  /** Short side to which frames are resized before the crop. */
  readonly resize: number;
  /** `random`: distinct frames, ascending (training); `uniform`: evenly spaced, repeated in short clips (evaluation). */
  readonly sampling: "random" | "uniform";
  /** `random`: its own place for every frame (training); `centre` (evaluation). */
  readonly crop: "random" | "centre";
};

/** Names the random choices made for one showing of a sample. */
export type Draw = { readonly seed: number; readonly epoch: number; readonly index: number };

/** Numbers of the frames that are shown. */
export function chooseFrames(view: View, draw: Draw, count: number, name: string): Int32Array {
  if (view.sampling === "uniform") return linspaceFrames(0, count - 1, view.frames);
  if (count < view.frames)
    throw new FormatError(`${name}: has ${count} frames, random sampling takes ${view.frames} distinct ones`);
  return randomFrames(new Random(draw.seed, `frames ${draw.epoch}`, draw.index), count, view.frames);
}

/**
 * Reads one sample into out.frames at `at` clips ([T, 3, S, S] floats) and out.mask ([T, S, S], 0 or 1), and returns
 * what its JSON says. Anything wrong with the sample is a FormatError that names shard and key.
 */
export async function sampleInto(
  out: { readonly frames: Float32Array; readonly mask: Float32Array },
  at: number,
  sample: Sample,
  view: View,
  draw: Draw,
  categories: number,
  reader: ShardReader,
): Promise<CheckedInfo> {
  const info = reader.info(sample, categories);
  const chosen = chooseFrames(view, draw, sample.frames.length / 2, nameOf(sample));
  const size = shortSideSize(info, view.resize);
  const pixels = view.side * view.side;
  const random = new Random(draw.seed, `crops ${draw.epoch}`, draw.index);
  const distinct = new Map<number, Promise<Image>>(); // a short clip shows a frame several times
  for (const t of chosen)
    if (!distinct.has(t)) distinct.set(t, decodeFrame(reader.frame(sample, t), info, frameName(sample, t)));
  await Promise.allSettled(distinct.values()); // all of them, so that the first bad frame is named, not the fastest

  for (let slot = 0; slot < chosen.length; slot++) {
    const t = chosen[slot];
    const crop = cropOf(view, size, random);
    const first = at * view.frames + slot;
    frameInto(out.frames, first * 3 * pixels, await distinct.get(t)!, size, crop);
    const boxes = info.boxes[t].map((box) => scaleBox(box, info, size));
    maskInto(out.mask, first * pixels, boxes, crop);
  }
  return info;
}

/** `train-00003.tar: clip-17`, for messages. */
export function nameOf({ path, key }: Sample): string {
  return `${path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1)}: ${key}`;
}

/** `train-00003.tar: clip-17.0004`, for messages. */
export function frameName(sample: Sample, t: number): string {
  return `${nameOf(sample)}.${String(t).padStart(4, "0")}`;
}

/** A frame's pixels; refused when their size is not the clip's. */
export async function decodeFrame(bytes: Uint8Array, { width, height }: Size, name: string): Promise<Image> {
  const image = await decodeImage(bytes, name);
  if (image.width !== width || image.height !== height)
    throw new FormatError(`${name}: is ${image.width}x${image.height}, the clip's JSON says ${width}x${height}`);
  return image;
}

/** The frame's crop; two draws a frame in any case, so that the places do not depend on the sizes of others. */
export function cropOf(view: View, { width, height }: Size, random: Random): Rect {
  const { side } = view;
  const place = (size: number) => (view.crop === "random" ? random.below(size - side + 1) : centreOffset(size, side));
  const y = place(height);
  const x = place(width);
  return { x, y, width: side, height: side };
}
