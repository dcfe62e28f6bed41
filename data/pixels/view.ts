// What a model is shown of a clip: how many frames, which part of each, and at which size. The rule for the size is here
// and nowhere else; canvas.ts draws by it.

import { rowsOf, mapSide, type Side, columnsOf } from "./side.ts";

/**
 * What is seen of a picture: its short side becomes `resize` pixels, of which `side` x `side` are cut out. For rectangles both are
 * [height, width]: the picture is resized in proportion until it just covers `resize` (as open_clip does), and `side` is cut out.
 */
export interface Square {
  /** Side of the square crop in pixels, S; or height and width. */
  readonly side: Side;
  /** Short side to which pictures are resized before the crop; or height and width to cover. */
  readonly resize: Side;
}

/** How a clip becomes the model's input. */
export interface View extends Square {
  /** Frames taken of each clip, T. */
  readonly frames: number;
  /** `random`: distinct frames, ascending (training); `uniform`: evenly spaced (evaluation), as are those of a short clip, some twice. */
  readonly sampling: "random" | "uniform";
  /** `random`: its own place for every frame (training); `centre` (evaluation). */
  readonly crop: "random" | "centre";
  /** What frames are handed on as: bytes, unless `floats` are asked for, which whoever draws them has normalised. */
  readonly numbers?: "bytes" | "floats";
}

/** One clip as a model sees it, or several, one after another, in bytes. A picture is a clip of one frame. */
export interface Pixels {
  /** [T, S, S, 3]: RGB, as in pictures; they are normalised on the device. */
  readonly frames: Uint8Array<ArrayBuffer>;
  /** [T, S, S], 1 where the subject is, else 0; all zeros where there is no box. */
  readonly mask: Uint8Array<ArrayBuffer>;
}

/** The same in the numbers that a view asks for: frames as bytes [T, S, S, 3], or normalised as floats [T, 3, S, S]. */
export interface ShownPixels {
  readonly frames: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  readonly mask: Uint8Array<ArrayBuffer>;
}

/** B clips as a model sees them: what the batches of every source have in common. */
export interface Shown extends Pixels {
  /** Clips, B. */
  readonly count: number;
}

/** What a model may be given: pixels as they are read, or numbers of your own in float32; each of the two for itself. */
export interface AnyPixels {
  /** [T, S, S, 3] as RGB bytes, or [T, 3, S, S] normalised. */
  readonly frames: Uint8Array | Float32Array;
  /** [T, S, S], the share of each pixel that shows the subject, from 0 to 1; bytes are 0 or 1. */
  readonly mask: Uint8Array | Float32Array;
}

/** Side of the published crop, for which the short sides of the official code are meant. */
const PUBLISHED_SIDE = 224;

/**
 * Short side for a crop of `side`, framed as the official code frames its data sets at 224: cut from 256 (Emotic: from
 * 224, the whole short side). At other sides both shrink or grow together, so that the same part is seen.
 */
export function publishedResize<S extends Side>(side: S, of: 256 | 224 = 256): S {
  return mapSide(side, (length) => Math.round((of * length) / PUBLISHED_SIDE)) as S;
}

/**
 * Short side for a model's own pictures: as published from 224 on; a smaller model is trained and shown whole short sides,
 * because a crop of 64 from 73 pixels would cut off people in the embedded data set.
 */
export function modelResize<S extends Side>(side: S): S {
  return Math.min(rowsOf(side), columnsOf(side)) >= PUBLISHED_SIDE ? publishedResize(side) : side;
}

/** The same for footage: a family that is shown whole short sides at every size says so. */
export const footageResize = ({ side, whole }: { readonly side: Side; readonly whole?: boolean }): Side =>
  whole ? side : modelResize(side);

/** Whether a crop of `side` fits pictures resized to `resize`. */
export const cropFits = ({ side, resize }: Square): boolean =>
  rowsOf(side) <= rowsOf(resize) && columnsOf(side) <= columnsOf(resize);

/** How frames are shown to a model of this many frames and this side. */
export function viewOf({ frames, image }: { readonly frames: number; readonly image: Side }) {
  return { frames, side: image, resize: modelResize(image) };
}
