// Person boxes in JSON: those of one video as a list of one-key objects, those of a whole data set as an object by video.
// The large files hold boxes of millions of frames of which a protocol shows eight per clip, so only those are kept.
import { basename } from "node:path";
import { JsonScanner, quoted } from "../formats/json.ts";
import type { Detection } from "../pixels/boxes.ts";
import { fileLimits, readBytes } from "./files.ts";

/** Boxes of a frame that one file may hold; the detector finds at most 300. */
const MOST = 1000;

/** Names of the frames that are wanted, and what was found for them. */
export type Found = Map<string, readonly Detection[] | undefined>;

/** Looks up the boxes of all frames in `wanted` (video -> frame) in `{video: {frame: [boxes]}}`. */
export function readGroupedBoxes(root: string, name: string, wanted: ReadonlyMap<string, Found>): void {
  const scanner = open(root, name, "{", fileLimits.boxes);
  for (const video of scanner.keys()) {
    const found = wanted.get(video);
    for (const frame of scanner.keys()) {
      if (found?.has(frame)) found.set(frame, boxesAt(scanner, frame));
      else skipBoxes(scanner, frame);
    }
  }
  scanner.end();
}

/** All boxes of one video in `[{frame: [boxes]}, …]`, which is to be merged. */
export function readVideoBoxes(root: string, name: string): Found {
  const scanner = open(root, name, "[", fileLimits.videoBoxes);
  const found: Found = new Map();
  for (const _ of scanner.members())
    for (const frame of scanner.keys()) {
      if (found.has(frame)) scanner.fail(`frame ${quoted(frame)} is there twice`);
      found.set(frame, boxesAt(scanner, frame));
    }
  scanner.end();
  return found;
}

function open(root: string, name: string, first: string, limit: number): JsonScanner {
  return new JsonScanner(readBytes(root, name, limit, first), basename(name));
}

/** `[[x1, y1, x2, y2, confidence], …]`. */
function boxesAt(scanner: JsonScanner, frame: string): Detection[] {
  const boxes: Detection[] = [];
  for (const _ of scanner.members(MOST)) {
    const box: number[] = [];
    for (const _ of scanner.members()) if (box.push(scanner.number()) > 5) break;
    if (box.length !== 5) refuse(scanner, frame, `a box of ${box.length > 5 ? "more than 5" : box.length} numbers`);
    if (box[4] < 0 || box[4] > 1) refuse(scanner, frame, `a confidence of ${box[4]}`);
    boxes.push(box as unknown as Detection);
  }
  return boxes;
}

function refuse(scanner: JsonScanner, frame: string, what: string): never {
  return scanner.fail(`frame ${quoted(frame)} has ${what}, expected x1, y1, x2, y2 and a confidence from 0 to 1`);
}

/** Passes over the boxes of a frame that nobody needs: brackets, numbers and commas, of which only the brackets are weighed. */
function skipBoxes(scanner: JsonScanner, frame: string): void {
  scanner.peek();
  const { bytes } = scanner;
  let depth = 0;
  for (let at = scanner.at; at < bytes.length; at++) {
    const kind = KINDS[bytes[at]];
    if (kind === OTHER) break;
    if (kind === OPEN && ++depth > 2) break;
    if (kind === CLOSE && --depth === 0) {
      scanner.at = at + 1;
      return;
    }
    if (depth === 0) break;
  }
  scanner.fail(`frame ${quoted(frame)} has no list of boxes`);
}

const [OTHER, PLAIN, OPEN, CLOSE] = [0, 1, 2, 3];
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  if (char === "[") return OPEN;
  if (char === "]") return CLOSE;
  return /[-+0-9.eE,\s]/.test(char) && byte < 128 ? PLAIN : OTHER;
});
