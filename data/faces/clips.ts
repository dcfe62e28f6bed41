// Pixels of face clips: which frames a window sees, decoded, resized and cropped as the official code does it, turned for training.
import { Random } from "../philox.ts";
import { type Colours, decodeImage } from "../pixels/image.ts";
import { centred, resizeCrop, shortSideSize } from "../pixels/resize.ts";
import { rowsOf } from "../pixels/side.ts";
import type { ShownPixels, View } from "../pixels/view.ts";
import type { RandomDraw } from "../sampling.ts";
import { fileLimits, readBytes } from "../sets/files.ts";
import { drawTurn, turned, turnedBytes, type Turn } from "./augment.ts";
import { facePicture } from "./picture.ts";
import type { FoundClip } from "./survey.ts";
import { framesLookedAt, wrappedWindow } from "./window.ts";

/** What is chosen of a clip for a showing, and how it is turned. */
export interface FaceShowing {
  /** Every k-th frame is looked at. */
  readonly every: number;
  /** Where the window begins: drawn as the official code draws it, also for tests; or so that it lies in the middle. */
  readonly window: "random" | "centre";
  /** One rotation and mirror image a clip, as in training. */
  readonly augment: boolean;
}

/** How clips are shown. */
export interface FaceView extends FaceShowing {
  /** Frames of a clip, T. */
  readonly length: number;
  /** Side of a picture in pixels. */
  readonly side: number;
  /** "clip": as EmoCLIP's official code shows CLIP a face, in floats; "imagenet": resized as PIL does it, in bytes. */
  readonly colours: Colours;
}

/** A clip of faces as any thread can show it, and what may be said of it. Plain data. */
export interface FaceClipPlace {
  readonly kind: "faces";
  readonly root: string;
  readonly folder: string;
  /** Names of its frames, in order. */
  readonly frames: readonly string[];
  /** One of them is said in a showing, drawn from (seed, epoch, index). */
  readonly texts: readonly string[];
  readonly how: FaceShowing;
}

/** Face sets have no sentiment: seven logits of 0. */
const UNSAID = [0, 0, 0, 0, 0, 0, 0];

/** A showing as a loader's hand gives it; nowhere is a subject marked. Errors: FormatError for a frame that cannot be read. */
export async function seenFaces(
  place: FaceClipPlace,
  { frames: length, side, numbers }: View,
  draw: RandomDraw,
): Promise<ShownPixels & { caption: string; sentiment: readonly number[] }> {
  const { root, texts, how } = place;
  const square = rowsOf(side);
  const colours = numbers === "floats" ? "clip" : "imagenet";
  const frames = await showFaces(root, place, { ...how, length, side: square, colours }, draw);
  const at = texts.length > 1 ? new Random(draw.seed, `texts ${draw.epoch}`, draw.index).below(texts.length) : 0;
  return { frames, mask: new Uint8Array(length * square ** 2), caption: texts[at], sentiment: UNSAID };
}

/** Which frames are seen of a clip, and how they are turned: a function of (seed, epoch, index) alone. */
export function chosenFrames(
  frames: number,
  { length, every, window, augment }: FaceView,
  draw: RandomDraw,
): { indices: Int32Array; turn: Turn | undefined } {
  const random = new Random(draw.seed, `face ${draw.epoch}`, draw.index);
  const count = framesLookedAt(frames, every);
  const start = window === "random" ? random.below(count) : Math.max(0, Math.floor((count - length) / 2));
  return { indices: wrappedWindow(frames, { every, length }, start), turn: augment ? drawTurn(random) : undefined };
}

/** One showing of a clip: floats [T, 3, S, S] or bytes [T, S, S, 3]. Errors: FormatError for a frame that cannot be read. */
export async function showFaces(
  root: string,
  { folder, frames }: Pick<FoundClip, "folder" | "frames">,
  view: FaceView,
  draw: RandomDraw,
): Promise<Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>> {
  const { indices, turn } = chosenFrames(frames.length, view, draw);
  const size = 3 * view.side ** 2;
  const out = new (view.colours === "clip" ? Float32Array : Uint8Array)(indices.length * size);
  for (const [t, index] of indices.entries()) {
    const before = indices.indexOf(index);
    if (before < t) out.copyWithin(t * size, before * size, (before + 1) * size);
    else out.set(await faceAt(root, `${folder}/${frames[index]}`, view, turn), t * size);
  }
  return out;
}

async function faceAt(
  root: string,
  name: string,
  { side, colours }: FaceView,
  turn: Turn | undefined,
): Promise<Float32Array | Uint8Array> {
  const image = await decodeImage(readBytes(root, name, fileLimits.picture), name);
  if (colours === "imagenet") {
    const size = shortSideSize(image, side);
    const { data } = resizeCrop(image, size, centred(size, side));
    return turn ? turnedBytes(data, side, side, turn) : data;
  }
  const planes = facePicture(image, side);
  return turn ? turned(planes, side, side, turn) : planes;
}
