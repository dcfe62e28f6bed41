// Footage as numbered frames: a folder of them, picture files, or a film.
import { basename } from "node:path";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { decodeImage } from "../pixels/image.ts";
import { foreignKind, KIND_BYTES, pictureKind } from "../pixels/kinds.ts";
import type { Image } from "../pixels/resize.ts";
import { inOrder } from "../threads/in-order.ts";
import { readHead } from "../formats/regular.ts";
import { isFolder, PICTURE_BYTES, picturesIn, readUserFile, shownName } from "./files.ts";
import { openVideo } from "./video.ts";

/** Pictures decoded at once. */
const AHEAD = 4;

/** Footage that is opened: how many frames there are, and how to get some of them. */
export interface Reel {
  readonly name: string;
  readonly length: number;
  /** When each frame is shown, in seconds from the first; none of pictures, and of a film that does not say. */
  readonly seconds?: readonly number[];
  nameOf(index: number): string;
  /** The pictures of these frames, ascending and distinct, in order. */
  pictures(wanted: readonly number[]): AsyncIterable<Image>;
}

/** Opens a folder of frames (natural order), picture files in the order given, or one video file. */
export async function openReel(paths: readonly string[]): Promise<Reel> {
  if (paths.length === 0) throw new UsageError("no pictures and no video to read");
  const [first] = paths;
  if (paths.length === 1) {
    if (await isFolder(first)) return reelOf(shownName(first), await picturesIn(first));
    if (!(await isPicture(first))) return videoReel(first);
  }
  return reelOf(paths.length === 1 ? shownName(first) : `${paths.length} pictures`, paths);
}

function reelOf(name: string, paths: readonly string[]): Reel {
  return {
    name,
    length: paths.length,
    nameOf: (index) => basename(paths[index]),
    pictures: (wanted) => inOrder(wanted, AHEAD, (index) => pictureAt(paths[index])),
  };
}

async function pictureAt(path: string): Promise<Image> {
  const { bytes, name } = await readUserFile(path, PICTURE_BYTES);
  return decodeImage(bytes, name);
}

async function videoReel(path: string): Promise<Reel> {
  return { ...(await openVideo(path)), nameOf: String };
}

/** Pictures are known by their first bytes, also those that are then refused by name; anything else, or a GIF, may be a film. */
async function isPicture(path: string): Promise<boolean> {
  const name = shownName(path);
  const bytes = await readHead(path, KIND_BYTES, name);
  if (bytes.length === 0) throw new FormatError(`${name}: has 0 bytes`);
  const foreign = foreignKind(bytes);
  return pictureKind(bytes) !== undefined || (foreign !== undefined && foreign !== "GIF");
}
