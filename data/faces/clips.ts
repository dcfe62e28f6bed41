// Pixels of face clips: which frames a window sees, decoded, resized and cropped as the official code does it, turned for training.
import { Random } from "../philox.ts";
import { type Colours, decodeImage } from "../pixels/image.ts";
import { centred, resizeCrop, shortSideSize } from "../pixels/resize.ts";
import { rowsOf } from "../pixels/side.ts";
import type { ShownPixels, View } from "../pixels/view.ts";
import type { RandomDraw } from "../sampling.ts";
import { fileLimits, readBytes } from "../sets/files.ts";
import { UNSAID_SENTIMENT } from "../shards/clip.ts";
import { drawTurn, sourcesOf, turned, turnedBytes, type Turn } from "./augment.ts";
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

/** A showing as a loader's hand gives it; nowhere is a subject marked. Errors: FormatError for a frame that cannot be read. */
export async function seenFaces(
  place: FaceClipPlace,
  view: View,
  draw: RandomDraw,
  numbers?: readonly number[],
): Promise<ShownPixels & FaceWords> {
  const faceView = faceViewOf(place, view);
  const chosen = numbers ? { indices: numbers, turn: undefined } : chosenFrames(place.frames.length, faceView, draw);
  const frames = await drawnFaces(place.root, place, faceView, chosen);
  return { frames, mask: new Uint8Array(chosen.indices.length * faceView.side ** 2), ...wordsOfFaces(place, draw) };
}

/** What is said of a clip in a showing. */
interface FaceWords {
  readonly caption: string;
  readonly sentiment: readonly number[];
}

export function wordsOfFaces({ texts }: FaceClipPlace, { seed, epoch, index }: RandomDraw): FaceWords {
  const at = texts.length > 1 ? new Random(seed, `texts ${epoch}`, index).below(texts.length) : 0;
  return { caption: texts[at], sentiment: UNSAID_SENTIMENT };
}

const faceViewOf = ({ how }: FaceClipPlace, { frames: length, side, numbers }: View): FaceView => ({
  ...how,
  ...{ length, side: rowsOf(side), colours: numbers === "floats" ? "clip" : "imagenet" },
});

/** Numbers of the frames that a draw chooses of a clip. */
export const facesOfDraw = (place: FaceClipPlace, view: View, draw: RandomDraw): Int32Array =>
  chosenFrames(place.frames.length, faceViewOf(place, view), draw).indices;

/** Numbers of the frames that some draw may choose, each once: all that are looked at, or those in the middle. */
export function facesOfAnyDraw(place: FaceClipPlace, view: View): Int32Array {
  const { every, window } = place.how;
  const { length: frames } = place.frames;
  if (window === "random") return Int32Array.from({ length: framesLookedAt(frames, every) }, (_, i) => i * every);
  const middle = facesOfDraw(place, view, { seed: 0, epoch: 0, index: 0 });
  return Int32Array.from(new Set(middle)).sort();
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
  clip: Pick<FoundClip, "folder" | "frames">,
  view: FaceView,
  draw: RandomDraw,
): Promise<ShownPixels["frames"]> {
  return drawnFaces(root, clip, view, chosenFrames(clip.frames.length, view, draw));
}

async function drawnFaces(
  root: string,
  { folder, frames }: Pick<FoundClip, "folder" | "frames">,
  view: FaceView,
  { indices, turn }: { readonly indices: ArrayLike<number> & Iterable<number>; readonly turn: Turn | undefined },
): Promise<ShownPixels["frames"]> {
  const size = 3 * view.side ** 2;
  const out = new (view.colours === "clip" ? Float32Array : Uint8Array)(indices.length * size);
  const numbers = Array.from(indices);
  const from = turn && sourcesOf(view.side, view.side, turn);
  for (const [t, index] of numbers.entries()) {
    const before = numbers.indexOf(index);
    if (before < t) out.copyWithin(t * size, before * size, (before + 1) * size);
    else out.set(await faceAt(root, `${folder}/${frames[index]}`, view, from), t * size);
  }
  return out;
}

async function faceAt(
  root: string,
  name: string,
  { side, colours }: FaceView,
  from: Int32Array | undefined,
): Promise<Float32Array | Uint8Array> {
  const image = await decodeImage(readBytes(root, name, fileLimits.picture), name);
  if (colours === "imagenet") {
    const size = shortSideSize(image, side);
    const { data } = resizeCrop(image, size, centred(size, side));
    return from ? turnedBytes(data, from) : data;
  }
  const planes = facePicture(image, side);
  return from ? turned(planes, from) : planes;
}
