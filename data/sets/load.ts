// One sample -> the model's input: pictures decoded, resized and cropped at the centre, and the subject's mask.
// Knows nothing of threads; it is called here or in a worker, with the same result.
import { basename } from "node:path";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { quoted } from "../formats/json.ts";
import { boxesOf, scaleBox } from "../pixels/boxes.ts";
import { Canvas, type SubjectMask } from "../pixels/canvas.ts";
import { decodeImage } from "../pixels/image.ts";
import type { Image, Size } from "../pixels/resize.ts";
import { pairOf, type Side } from "../pixels/side.ts";
import { type Pixels, publishedResize, type View, viewOf } from "../pixels/view.ts";
import { drawSample } from "../shards/frames.ts";
import { ShardReader } from "../shards/shards.ts";
import { onceEach } from "../threads/in-order.ts";
import type { FileSource, BenchmarkSample, ShardSource } from "./benchmark.ts";
import { jointBoxes } from "./bold.ts";
import { fileLimits, readBytes } from "./files.ts";

/** The size of a model's input. */
export interface Frame {
  /** Frames of a sample, T; for shards, whose frames are chosen when they are read. */
  readonly frames: number;
  /** Side of the square crop in pixels, S; [height, width] of rectangles. */
  readonly side: Side;
}

/** What is needed of a sample to load it. */
export type Loadable = Pick<BenchmarkSample, "id" | "source">;

/** Reads one sample. What is wrong with it is a FormatError that names the sample and the file. */
export async function loadSample(sample: Loadable, options: Frame): Promise<Pixels> {
  takes(
    "loadSample(sample: { id: text, source: object, ... }, options: { frames: size, side: size | size[], ... }, ...)",
    arguments,
  );
  const { frames, side } = options;
  if (!pairOf(side).every((length) => Number.isSafeInteger(length) && length >= 1))
    throw new UsageError(`side is ${side}, expected a whole number above 0`);
  const { source, id } = sample;
  if (source.kind === "faulty") throw new FormatError(`${quoted(id)}: ${source.reason}`);
  if (source.kind === "shard") return loadShard(source, { frames, side });
  return loadFiles(source, side).catch((error) => blame(id, error));
}

/** Says which sample an error is of. */
function blame(id: string, error: unknown): never {
  if (error instanceof FormatError) throw new FormatError(`${quoted(id)}: ${error.message}`, { cause: error });
  throw error;
}

/** Clips of shards are framed as in training from them. */
async function loadShard({ sample, categories }: ShardSource, { frames, side }: Frame): Promise<Pixels> {
  const view: View = { ...viewOf({ frames, image: side }), sampling: "uniform", crop: "centre" };
  const canvas = new Canvas(frames, view);
  const reader = new ShardReader();
  try {
    await drawSample(canvas, 0, sample, view, { seed: 0, epoch: 0, index: 0 }, { reader, categories });
  } finally {
    reader.close();
  }
  return canvas.pixels;
}

/** Pictures of the official data sets are framed as the official code does it, at any side. */
async function loadFiles(source: FileSource, side: Side): Promise<Pixels> {
  const { frames, root } = source;
  const images = await onceEach(frames, (name) => readPicture(root, name)); // a short clip shows a frame several times
  const canvas = new Canvas(frames.length, { side, resize: publishedResize(side, source.resize) });
  const subjectOf = subjectsOf(source);
  for (const [slot, name] of frames.entries()) {
    const first = frames.indexOf(name);
    if (first < slot) canvas.repeat(first, slot);
    else canvas.draw(slot, await images.get(name)!, subjectOf(slot), basename(name));
  }
  return canvas.pixels;
}

async function readPicture(root: string, name: string): Promise<Image> {
  return decodeImage(readBytes(root, name, fileLimits.picture), basename(name));
}

/** The rule for the subject of each frame. */
function subjectsOf({ root, frames, mask }: FileSource): (slot: number) => SubjectMask {
  switch (mask.kind) {
    case "box":
      return () => ({ at: "resized", boxes: (original, drawn) => [scaleBox(mask.box, original, drawn)] });
    case "joints": {
      const boxes = jointBoxes(root, mask.file, mask.person);
      return (slot) => {
        const box = boxes.get(mask.numbers[slot]);
        return { at: "full size", boxes: () => (box ? [box] : []) };
      };
    }
    case "detections":
      return (slot) => {
        const found = mask.boxes[slot];
        const boxes = (original: Size, drawn: Size) => {
          if (!found) throw new FormatError(`${mask.file}: has no entry for ${quoted(frames[slot])}`);
          return boxesOf(found, drawn, mask.rule, original);
        };
        return { at: mask.at, boxes };
      };
  }
}
