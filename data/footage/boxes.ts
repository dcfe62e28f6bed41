// Where the subject is in a user's pictures: a box given by hand, or a file of boxes for every frame.
import { FormatError, UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { JsonScanner, quoted } from "../formats/json.ts";
import { type Box, type BoxRule, boxesOf, type Detection, MIN_CONFIDENCE, scaleBox } from "../pixels/boxes.ts";
import type { Size } from "../pixels/resize.ts";
import { readUserFile } from "./files.ts";

/**
 * What the numbers of a box mean: pixels of the picture as it is stored (`pixels`), as in every file of one's own; or, in the
 * official files, coordinates of the person detector, letterboxed to 640, its padding ignored as by the official code
 * (`compat`) or subtracted (`exact`).
 */
export type BoxMeaning = BoxRule | "pixels";

/** A frame as box files name it: the name of its file, or its number in a video, from 0. */
export interface FrameName {
  readonly name: string;
  readonly index: number;
}

/** The boxes of the subject in a frame of size `original`, in pixels of the same frame resized to `resized`. */
export type SubjectBoxes = (frame: FrameName, original: Size, resized: Size) => readonly Box[];

/** What `readFootage` takes as `subject` where nobody is marked: every mask is empty. */
export function nobody() {
  takes("nobody(...)", arguments);
  return [];
}

const MOST = 1000; // boxes of a frame
const FRAMES = 300_000; // of one file: three hours of 25 a second
const FARTHEST = 1e6; // pixels

/** "x1,y1,x2,y2" in pixels, several separated by ";", for every frame; or the path of a JSON file of boxes. Both are pixels unless `meaning` says otherwise of a file. */
export async function openBoxes(text: string, meaning: BoxMeaning = "pixels"): Promise<SubjectBoxes> {
  takes('openBoxes(text: text, meaning?: "compat" | "exact" | "pixels", ...)', arguments);
  if (/^[-+.\d\s,;]+$/.test(text)) return fixedBoxes(text);
  const file = await readUserFile(text, 64 * 2 ** 20);
  return boxesFrom(file.bytes, file.name, meaning);
}

/** The same boxes in every frame; one that lies outside of a frame is refused. */
function fixedBoxes(text: string): SubjectBoxes {
  const boxes = text.split(";").map((part): Box => {
    const numbers = part.split(",").map((number) => number.trim());
    if (numbers.length !== 4 || !numbers.every((number) => /^-?\d{1,7}(\.\d{1,9})?$/.test(number)))
      throw new UsageError(`boxes: ${quoted(part)} is not x1,y1,x2,y2 in pixels`);
    const [x1, y1, x2, y2] = numbers.map(Number);
    if (x2 <= x1 || y2 <= y1) throw new UsageError(`boxes: ${quoted(part)} is empty; expected x1 < x2 and y1 < y2`);
    return [x1, y1, x2, y2];
  });
  return ({ name }, original, resized) => {
    for (const box of boxes)
      if (!isWithin(box, original)) throw new UsageError(`boxes: ${outside(box, name, original)}`);
    return boxes.map((box) => scaleBox(box, original, resized));
  };
}

const isWithin = ([x1, y1, x2, y2]: Box, { width, height }: Size): boolean =>
  x1 < width && y1 < height && x2 > 0 && y2 > 0;

const outside = (box: Box, frame: string, { width, height }: Size): string =>
  `${box.join(",")} lies outside of ${quoted(frame)}, ${width}x${height}`;

const IS_DETECTORS =
  "expected pixels of the picture; coordinates of the 640-pixel detector need --box-rule compat or exact";

/**
 * A file of boxes: `{frame: boxes, …}`, or a list of such objects, which are merged. Boxes are `[x1, y1, x2, y2]` or
 * `[x1, y1, x2, y2, confidence]`; those of at most 0.5 confidence draw nothing. A frame is the name of its file; in a video
 * it is its number, from 0 as "17", or from 1 with an extension as ffmpeg extracts them, "00000018.jpg". A frame without a
 * person has an empty list; one that is not there is refused.
 */
export function boxesFrom(bytes: Uint8Array, file: string, meaning: BoxMeaning = "pixels"): SubjectBoxes {
  takes('boxesFrom(bytes: Uint8Array, file: text, meaning?: "compat" | "exact" | "pixels", ...)', arguments);
  const known = detectionsIn(bytes, file);
  const byNumber = numbered(known);
  return ({ name, index }, original, resized) => {
    const found = known.get(name) ?? (name === String(index) ? byNumber.get(index) : undefined);
    if (!found) throw new FormatError(`${file}: has no frame ${quoted(name)}`);
    if (meaning !== "pixels") return boxesOf(found, resized, meaning, original);
    return found
      .filter(([, , , , confidence]) => confidence > MIN_CONFIDENCE)
      .map(([x1, y1, x2, y2]): Box => [x1, y1, x2, y2])
      .map((box) => {
        if (!isWithin(box, original))
          throw new FormatError(`${file}: ${outside(box, name, original)}; ${IS_DETECTORS}`);
        return scaleBox(box, original, resized);
      });
  };
}

/** What a file of boxes holds by the name of each frame, which is there once. Errors: FormatError. */
export function detectionsIn(bytes: Uint8Array, file: string): Map<string, readonly Detection[]> {
  const scanner = new JsonScanner(bytes, file);
  const known = new Map<string, readonly Detection[]>();
  const take = () => {
    for (const frame of scanner.keys()) {
      if (known.has(frame)) scanner.fail(`frame ${quoted(frame)} is there twice`);
      if (known.size === FRAMES) scanner.fail(`has boxes of more than ${FRAMES} frames`);
      known.set(frame, boxesAt(scanner, frame));
    }
  };
  if (scanner.peek() === "[".charCodeAt(0)) for (const _ of scanner.members(FRAMES)) take();
  else take();
  scanner.end();
  if (known.size === 0) throw new FormatError(`${file}: has boxes of 0 frames`);
  return known;
}

/** Frames of a video by number: those that ffmpeg would have extracted are numbered from 1. */
function numbered(known: ReadonlyMap<string, readonly Detection[]>): Map<number, readonly Detection[]> {
  const found = new Map<number, readonly Detection[]>();
  for (const [name, boxes] of known) {
    const [, digits, extension] = /^\D*?(\d{1,9})(\.\w+)?$/.exec(name) ?? [];
    if (digits) found.set(Number(digits) - (extension ? 1 : 0), boxes);
  }
  return found;
}

function boxesAt(scanner: JsonScanner, frame: string): Detection[] {
  const boxes: Detection[] = [];
  for (const _ of scanner.members(MOST)) {
    const box: number[] = [];
    for (const _ of scanner.members(5)) box.push(scanner.number());
    const [x1, y1, x2, y2, confidence = 1] = box;
    const isBox = box.length >= 4 && box.slice(0, 4).every((value) => Math.abs(value) <= FARTHEST);
    if (!isBox || x2 < x1 || y2 < y1 || confidence < 0 || confidence > 1)
      scanner.fail(
        `frame ${quoted(frame)} has the box ${quoted(box.join(" "))}, expected x1 ≤ x2, y1 ≤ y2 within ±${FARTHEST} and perhaps a confidence from 0 to 1`,
      );
    boxes.push([x1, y1, x2, y2, confidence]);
  }
  return boxes;
}
