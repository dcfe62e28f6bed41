// One sample -> its place in a batch: which frames, decoded, resized, cropped, and the subject's mask.
// Knows nothing of threads; the loader calls it here or in a worker, with the same result.
import { FormatError } from "../../engine/errors.ts";
import type { CheckedInfo } from "./clip.ts";
import { decodeImage } from "../pixels/image.ts";
import { type Box, scaleBox } from "../pixels/boxes.ts";
import { anywhere, type Canvas, type Crop } from "../pixels/canvas.ts";
import { Random } from "../philox.ts";
import { centred, type Image, type Size } from "../pixels/resize.ts";
import type { View } from "../pixels/view.ts";
import { type RandomDraw, linspaceFrames, randomFrames } from "../sampling.ts";
import { onceEach } from "../threads/in-order.ts";
import type { Sample, ShardReader } from "./shards.ts";

/** Numbers of the frames that are shown, of `count`; a clip with fewer than the view takes shows some of them again. */
export function chooseFrames(view: View, draw: RandomDraw, count: number): Int32Array {
  if (view.sampling === "uniform" || count < view.frames) return linspaceFrames(0, count - 1, view.frames);
  return randomFrames(new Random(draw.seed, `frames ${draw.epoch}`, draw.index), count, view.frames);
}

/** Numbers of the frames of a clip of `count` that some draw may choose, ascending. */
export function framesToChooseFrom(view: Pick<View, "sampling" | "frames">, count: number): Int32Array {
  if (view.sampling === "uniform" || count < view.frames)
    return Int32Array.from(new Set(linspaceFrames(0, count - 1, view.frames)));
  return Int32Array.from({ length: count }, (_, t) => t);
}

/** What a showing of a sample is read from, and the categories that its JSON must have. */
export interface SampleSource {
  readonly reader: ShardReader;
  readonly categories: number;
}

/**
 * Draws one sample into as many places of the canvas from `first` on as frames are chosen, and returns what its JSON says. Anything
 * wrong with the sample is a FormatError that names shard and key.
 */
export async function drawSample(
  canvas: Canvas,
  first: number,
  sample: Sample,
  view: View,
  draw: RandomDraw,
  { reader, categories }: SampleSource,
  chosen: ArrayLike<number> = chooseFrames(view, draw, sample.frames.length / 2),
): Promise<CheckedInfo> {
  const info = reader.info(sample, categories);
  const crop = cropOf(view, draw);
  const numbers = Array.from(chosen);
  const images = await onceEach(numbers, (t) => decodeFrame(reader.frame(sample, t), info, frameName(sample, t)));
  for (const [slot, t] of numbers.entries()) {
    const subject = { at: "resized", boxes: inPixelsOf(info.boxes[t]) } as const;
    canvas.draw(first + slot, await images.get(t)!, subject, frameName(sample, t), crop);
  }
  return info;
}

/** Boxes in pixels of the original, in those of the resized picture. */
const inPixelsOf = (boxes: readonly Box[]) => (original: Size, drawn: Size) =>
  boxes.map((box) => scaleBox(box, original, drawn));

/** `train-00003.tar: clip-17`, for messages. */
export function nameOf({ path, key }: Sample): string {
  return `${path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1)}: ${key}`;
}

/** `train-00003.tar: clip-17.0004`, for messages. */
export function frameName(sample: Sample, t: number): string {
  return `${nameOf(sample)}.${String(t).padStart(4, "0")}`;
}

/** A frame's pixels; refused when their size is not the clip's, where the clip tells it. */
export async function decodeFrame(bytes: Uint8Array, { width, height }: Size, name: string): Promise<Image> {
  const image = await decodeImage(bytes, name);
  if (width > 0 && (image.width !== width || image.height !== height))
    throw new FormatError(`${name}: is ${image.width}x${image.height}, the clip's JSON says ${width}x${height}`);
  return image;
}

/** Where the frames of a showing are cut, one after another. */
export function cropOf({ crop }: View, { seed, epoch, index }: RandomDraw): Crop {
  return crop === "random" ? anywhere(new Random(seed, `crops ${epoch}`, index)) : centred;
}
