// A user's footage -> the model's input: a folder of frames, picture files, or a video; frames chosen by number, resized,
// cropped in the middle, with masks of the subject.
import { UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { Canvas } from "../pixels/canvas.ts";
import type { Image, Size } from "../pixels/resize.ts";
import type { Side } from "../pixels/side.ts";
import { cropFits, modelResize, type Pixels } from "../pixels/view.ts";
import { linspaceFrames } from "../sampling.ts";
import { type FrameName, nobody, type SubjectBoxes } from "./boxes.ts";
import { openReel, type Reel } from "./reel.ts";

/** Which frames are taken, how they are shown, and where the subject is. */
export interface FootageOptions {
  /** Frames to take, evenly spaced as in evaluation, repeated where there are fewer; "all" takes each once. */
  readonly frames: number | "all";
  /** Side of the model's pictures in pixels; [height, width] of rectangles. */
  readonly side: Side;
  /** Short side before the crop: 256 for 224 and in proportion above; below, the whole frame, as small models are trained. */
  readonly resize?: Side;
  /** First and last frame to choose from, numbered from 0, both included; the whole footage. */
  readonly range?: readonly [first: number, last: number];
  /** Where the subject is; nowhere, which leaves the masks empty. */
  readonly subject?: SubjectBoxes;
}

/** T frames as the model sees them. */
export interface Footage extends Pixels {
  /** The same frames as RGB bytes, S x S. */
  readonly pictures: readonly Image[];
  /** File names, or numbers in a video. */
  readonly names: readonly string[];
  /** Frames whose mask shows the subject somewhere. */
  readonly seen: number;
  /** Frames that are not one of the others again. */
  readonly distinct: number;
}

/** Frames of one call: more are no clip. */
const MOST = 1024;

/**
 * Reads a folder of frames (natural order), picture files in the order given, or one video file. What is wrong with a
 * file is a FormatError that begins with its name; a missing ffmpeg is a UsageError.
 */
export async function readFootage(source: string | readonly string[], options: FootageOptions): Promise<Footage> {
  takes("readFootage(source: text | text[], options: { frames: any, side: any, ... }, ...)", arguments);
  const { frames, side, resize = modelResize(side), range, subject = nobody } = options;
  if (!cropFits({ side, resize }))
    throw new UsageError(`a crop of ${side} pixels does not fit frames resized to ${resize}`);
  const reel = await openReel(typeof source === "string" ? [source] : source);
  const chosen = choose(reel, frames, range);
  const canvas = new Canvas(chosen.length, { side, resize });
  const distinct = [...new Set(chosen)];
  let at = 0;
  for await (const image of reel.pictures(distinct)) {
    const index = distinct[at++];
    const frame: FrameName = { name: reel.nameOf(index), index };
    const boxes = (original: Size, drawn: Size) => subject(frame, original, drawn);
    canvas.draw(chosen.indexOf(index), image, { at: "resized", boxes }, frame.name);
  }
  for (const [slot, index] of chosen.entries()) canvas.repeat(chosen.indexOf(index), slot);
  return {
    ...canvas.pixels,
    pictures: Array.from(chosen, (_, slot) => canvas.picture(slot)),
    names: chosen.map((index) => reel.nameOf(index)),
    seen: chosen.filter((_, slot) => canvas.shows(slot)).length,
    distinct: distinct.length,
  };
}

/** Numbers of the frames to show, ascending. */
function choose({ name, length }: Reel, frames: number | "all", range: FootageOptions["range"]): number[] {
  const [first, last] = range ?? [0, length - 1];
  if (!Number.isInteger(first) || !Number.isInteger(last) || first < 0 || last < first || last >= length)
    throw new UsageError(`frames ${first} to ${last} of ${name}: it has frames 0 to ${length - 1}`);
  const count = frames === "all" ? last - first + 1 : frames;
  if (!Number.isInteger(count) || count < 1 || count > MOST)
    throw new UsageError(`${count} frames of ${name}: expected 1 to ${MOST}`);
  return [...linspaceFrames(first, last, count)];
}
