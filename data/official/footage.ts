// One sentence of the official training set: where its frames lie, which of them a showing takes, and how it is drawn. Whoever
// has the sentence needs nothing else of the set, so that any thread can show it.
import { FormatError } from "../../engine/errors.ts";
import { quoted } from "../formats/json.ts";
import { type BoxRule, boxesOf, type Detection } from "../pixels/boxes.ts";
import type { Canvas } from "../pixels/canvas.ts";
import { decodeImage } from "../pixels/image.ts";
import type { Rect, Size } from "../pixels/resize.ts";
import type { View } from "../pixels/view.ts";
import type { RandomDraw } from "../sampling.ts";
import { type Found, readVideoBoxes } from "../sets/detections.ts";
import { chooseFrames, cropOf } from "../shards/frames.ts";
import { FrameFile, frameNamed } from "./frame-file.ts";
import { type ClipEntry, frameNumbers } from "./index-file.ts";

/** A sentence and where its video lies. Plain data: it travels to threads. */
export interface SentencePlace {
  readonly kind: "sentence";
  readonly entry: ClipEntry;
  /** Logits of the seven sentiments. */
  readonly sentiment: readonly number[];
  /** The folder of the set, and that of the videos in it. */
  readonly root: string;
  readonly videos: string;
  /** How detector boxes meet the picture. */
  readonly rule: BoxRule;
}

/** What is random in a showing: numbers of its frames, and where each is cut out of a picture of `size`. */
export interface FrameChoice {
  readonly numbers: readonly number[];
  crop(slot: number, size: Size): Rect;
}

/** The encoded frames of a sentence and who was detected in each. */
export interface OfficialFootage {
  readonly numbers: readonly number[];
  readonly pictures: readonly Uint8Array[];
  readonly people: readonly (readonly Detection[])[];
}

/** `AbCdEfGhIjK frames 2 to 23`, for messages. */
export const sentenceName = ({ videoId, startFrame, endFrame }: ClipEntry): string =>
  `${quoted(videoId)} frames ${startFrame} to ${endFrame}`;

/** Frames of a sentence; one with fewer than a showing takes repeats some, in order. */
export const sentenceLength = ({ startFrame, endFrame }: ClipEntry): number => endFrame - startFrame + 1;

/** How a sentence is shown by this draw; `among` are its frames, counted from 0, unless the draw chooses them. */
export function chooseOf(
  entry: ClipEntry,
  view: View,
  draw: RandomDraw,
  among: ArrayLike<number> = chooseFrames(view, draw, sentenceLength(entry)),
): FrameChoice {
  const crop = cropOf(view, draw);
  return { numbers: Array.from(among, (k) => entry.startFrame + k), crop: (_, size) => crop(size, view.side) };
}

/** Draws the footage of a sentence, read by this choice, into the places of the canvas from `first` on. */
export async function drawFootage(
  canvas: Canvas,
  first: number,
  { entry, rule }: SentencePlace,
  choice: FrameChoice,
  { pictures, people }: OfficialFootage,
): Promise<void> {
  for (const [slot, bytes] of pictures.entries()) {
    const name = `${sentenceName(entry)}: ${frameNamed(choice.numbers[slot])}`;
    const image = await decodeImage(bytes, name);
    const boxes = (original: Size, drawn: Size) => boxesOf(people[slot], drawn, rule, original);
    canvas.draw(first + slot, image, { at: "resized", boxes }, name, (size) => choice.crop(slot, size));
  }
}

/** Videos whose boxes are remembered. */
const REMEMBERED = 16;

/** Reads sentences; remembers the boxes of a few videos. One per thread. */
export class SentenceReader {
  private readonly boxes = new Map<string, Found>();

  /** Encoded frames, all of them or those of these numbers. */
  async footage({ entry, root, videos }: SentencePlace, numbers?: readonly number[]): Promise<OfficialFootage> {
    try {
      const wanted = numbers ?? frameNumbers(entry);
      const found = this.boxesOf(root, `${videos}/${entry.videoId}/human_boxes.json`);
      const file = await FrameFile.open(root, `${videos}/${entry.videoId}/frames.hdf5`);
      try {
        const pictures = wanted.map((number) => file.read(number));
        return { numbers: wanted, pictures, people: wanted.map((number) => peopleIn(found, number)) };
      } finally {
        file.close();
      }
    } catch (error) {
      if (error instanceof FormatError)
        throw new FormatError(`${sentenceName(entry)}: ${error.message}`, { cause: error });
      throw error;
    }
  }

  /** Neighbours in the index are mostly of one video, whose boxes are then not parsed again. */
  private boxesOf(root: string, name: string): Found {
    const key = `${root}\n${name}`;
    const known = this.boxes.get(key);
    if (known) return known;
    const found = readVideoBoxes(root, name);
    if (this.boxes.size >= REMEMBERED) this.boxes.delete(this.boxes.keys().next().value!);
    this.boxes.set(key, found);
    return found;
  }
}

function peopleIn(found: Found, number: number): readonly Detection[] {
  const people = found.get(frameNamed(number));
  if (!people) throw new FormatError(`human_boxes.json: no entry ${quoted(frameNamed(number))}`);
  return people;
}
