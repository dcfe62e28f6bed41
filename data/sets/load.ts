// One sample -> the model's input: pictures decoded, resized, cropped at the centre and normalised, and the subject's
// mask. Knows nothing of threads; it is called here or in a worker, with the same result.
import { basename } from "node:path";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { sampleInto } from "../shards/frames.ts";
import { decodeImage, frameInto } from "../pixels/image.ts";
import { quoted } from "../formats/json.ts";
import { type Box, boxesOf, scaleBox } from "../pixels/boxes.ts";
import { maskFullSizeInto, maskInto } from "../pixels/mask.ts";
import { centreOffset, type Image, type Size, shortSideSize } from "../pixels/resize.ts";
import { ShardReader } from "../shards/shards.ts";
import type { FileSource, Sample, ShardSource } from "./benchmark.ts";
import { jointBoxes } from "./bold.ts";
import { fileLimits, readBytes } from "./files.ts";

/** Side of the published crop, for which `resize` of a source is meant. */
const PUBLISHED_SIDE = 224;
/** Pixels of a picture after its resize, and of one whose mask is drawn at full size: a thin strip grows large. */
const MOST_PIXELS = 2 ** 24;

/** The size of a model's input. */
export interface Frame {
  /** Frames of a sample, T; for shards, whose frames are chosen when they are read. */
  readonly frames: number;
  /** Side of the square crop in pixels, S. */
  readonly side: number;
}

/** One sample, or several one after another. */
export interface Pixels {
  /** [T, 3, S, S], normalised. */
  readonly frames: Float32Array<ArrayBuffer>;
  /** [T, S, S], 1 where the subject is, else 0. */
  readonly mask: Float32Array<ArrayBuffer>;
}

/** Short side to which pictures are resized for a crop of `side`: 256 for 224, and as much less for smaller models. */
export function resizeFor(resize: 256 | 224, side: number): number {
  return Math.round((resize * side) / PUBLISHED_SIDE);
}

/** What is needed of a sample to load it. */
export type Loadable = Pick<Sample, "id" | "source">;

/** Reads one sample. What is wrong with it is a FormatError that names the sample and the file. */
export async function loadSample(sample: Loadable, { frames, side }: Frame): Promise<Pixels> {
  if (!Number.isSafeInteger(side) || side < 1) throw new UsageError(`side is ${side}, expected a whole number above 0`);
  const { source, id } = sample;
  if (source.kind === "faulty") throw new FormatError(`${quoted(id)}: ${source.reason}`);
  const count = source.kind === "files" ? source.frames.length : frames;
  const pixels = side * side;
  const out = { frames: new Float32Array(count * 3 * pixels), mask: new Float32Array(count * pixels) };
  if (source.kind === "shard") await loadShard(out, source, { frames, side });
  else await loadFiles(out, source, side).catch((error) => blame(id, error));
  return out;
}

/** Says which sample an error is of. */
function blame(id: string, error: unknown): never {
  if (error instanceof FormatError) throw new FormatError(`${quoted(id)}: ${error.message}`, { cause: error });
  throw error;
}

async function loadShard(out: Pixels, { sample, categories }: ShardSource, { frames, side }: Frame): Promise<void> {
  // a small picture is shown whole: cropping the embedded set's would cut people off
  const resize = side >= PUBLISHED_SIDE ? resizeFor(256, side) : side;
  const view = { frames, side, resize, sampling: "uniform", crop: "centre" } as const;
  const reader = new ShardReader();
  try {
    await sampleInto(out, 0, sample, view, { seed: 0, epoch: 0, index: 0 }, categories, reader);
  } finally {
    reader.close();
  }
}

async function loadFiles(out: Pixels, source: FileSource, side: number): Promise<void> {
  const { frames, root } = source;
  const resize = resizeFor(source.resize, side);
  const distinct = new Map<string, Promise<Image>>(); // a short clip shows a frame several times
  for (const name of frames) if (!distinct.has(name)) distinct.set(name, readPicture(root, name));
  await Promise.allSettled(distinct.values()); // all of them, so that the first bad frame is named, not the fastest
  const mask = maskOf(source);
  const pixels = side * side;

  for (let slot = 0; slot < frames.length; slot++) {
    const first = frames.indexOf(frames[slot]);
    if (first < slot) {
      out.frames.copyWithin(slot * 3 * pixels, first * 3 * pixels, (first + 1) * 3 * pixels);
      out.mask.copyWithin(slot * pixels, first * pixels, (first + 1) * pixels);
      continue;
    }
    const image = await distinct.get(frames[slot])!;
    const size = shortSideSize(image, resize);
    if (size.width * size.height > MOST_PIXELS)
      throw new FormatError(
        `${basename(frames[slot])}: is ${image.width}x${image.height}, too long and thin to be resized`,
      );
    const crop = { x: centreOffset(size.width, side), y: centreOffset(size.height, side), width: side, height: side };
    frameInto(out.frames, slot * 3 * pixels, image, size, crop);
    const { at, boxes } = mask(slot, image);
    if (at === "resized") maskInto(out.mask, slot * pixels, boxes(size), crop);
    else maskFullSizeInto(out.mask, slot * pixels, boxes(image), checkFullSize(image, frames[slot]), resize, side);
  }
}

async function readPicture(root: string, name: string): Promise<Image> {
  return decodeImage(readBytes(root, name, fileLimits.picture), basename(name));
}

function checkFullSize(image: Image, name: string): Image {
  if (image.width * image.height <= MOST_PIXELS) return image;
  throw new FormatError(`${basename(name)}: is ${image.width}x${image.height}, allowed are ${MOST_PIXELS} pixels`);
}

/** Where a frame's mask is drawn, and its boxes in pixels of a picture of that size. */
type FrameMask = { readonly at: "resized" | "full size"; readonly boxes: (size: Size) => readonly Box[] };

function maskOf({ root, frames, mask }: FileSource): (slot: number, image: Image) => FrameMask {
  switch (mask.kind) {
    case "box":
      return (_, image) => ({ at: "resized", boxes: (size) => [scaleBox(mask.box, image, size)] });
    case "joints": {
      const boxes = jointBoxes(root, mask.file, mask.person);
      return (slot) => {
        const box = boxes.get(mask.numbers[slot]);
        return { at: "full size", boxes: () => (box ? [box] : []) };
      };
    }
    case "detections":
      return (slot, image) => {
        const found = mask.boxes[slot];
        if (!found) throw new FormatError(`${mask.file}: has no entry for ${quoted(frames[slot])}`);
        return { at: mask.at, boxes: (size) => boxesOf(found, size, mask.rule, image) };
      };
  }
}
