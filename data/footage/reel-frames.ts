// Single frames of footage as a model sees them, one after another, however long the footage is.
import { Canvas } from "../pixels/canvas.ts";
import type { Image, Size } from "../pixels/resize.ts";
import type { Pixels, Square } from "../pixels/view.ts";
import { type FrameName, nobody, type SubjectBoxes } from "./boxes.ts";
import type { Reel } from "./reel.ts";

/** One frame, drawn. */
export interface ReelFrame {
  readonly index: number;
  readonly pixels: Pixels;
  /** The same as a picture of RGB bytes. */
  readonly picture: Image;
  /** Whether the subject is somewhere in it. */
  readonly isSeen: boolean;
}

/** Frames that ffmpeg is asked for at once: their numbers make up one filter, and a command has a longest argument. */
const TOGETHER = 512;

/** The frames of these numbers (ascending, distinct), in order. Errors: FormatError for a frame that cannot be decoded, by its name. */
export async function* reelFrames(
  reel: Reel,
  numbers: readonly number[],
  square: Square,
  subject: SubjectBoxes = nobody,
): AsyncGenerator<ReelFrame> {
  for (let at = 0; at < numbers.length; at += TOGETHER) {
    const some = numbers.slice(at, at + TOGETHER);
    let i = 0;
    for await (const image of reel.pictures(some)) yield drawn(image, some[i++], reel, square, subject);
  }
}

function drawn(image: Image, index: number, reel: Reel, square: Square, subject: SubjectBoxes): ReelFrame {
  const canvas = new Canvas(1, square);
  const frame: FrameName = { name: reel.nameOf(index), index };
  const boxes = (original: Size, resized: Size) => subject(frame, original, resized);
  canvas.draw(0, image, { at: "resized", boxes }, frame.name);
  return { index, pixels: canvas.pixels, picture: canvas.picture(0), isSeen: canvas.shows(0) };
}
