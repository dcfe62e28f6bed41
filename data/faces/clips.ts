// Pixels of face clips: which frames a window sees, decoded, resized and cropped as the official code does it, turned for training.
import { Random } from "../philox.ts";
import { type Colours, decodeImage } from "../pixels/image.ts";
import { centred, resizeCrop, shortSideSize } from "../pixels/resize.ts";
import type { RandomDraw } from "../sampling.ts";
import { fileLimits, readBytes } from "../sets/files.ts";
import { drawTurn, turned, type Turn } from "./augment.ts";
import { facePicture } from "./picture.ts";
import type { FoundClip } from "./survey.ts";
import { framesLookedAt, wrappedWindow } from "./window.ts";

/** How clips are shown. */
export interface FaceView {
  /** Frames of a clip, T, of every k-th one. */
  readonly length: number;
  readonly every: number;
  /** Side of a picture in pixels. */
  readonly side: number;
  /** "clip": as EmoCLIP's official code shows CLIP a face, in floats; "imagenet": resized as PIL does it, in bytes. */
  readonly colours: Colours;
  /** Where the window begins: drawn as the official code draws it, also for tests; or so that it lies in the middle. */
  readonly window: "random" | "centre";
  /** One rotation and mirror image a clip, as in training. */
  readonly augment: boolean;
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
  clip: FoundClip,
  view: FaceView,
  draw: RandomDraw,
): Promise<Float32Array | Uint8Array> {
  const { indices, turn } = chosenFrames(clip.frames.length, view, draw);
  const size = 3 * view.side ** 2;
  const out = new (view.colours === "clip" ? Float32Array : Uint8Array)(indices.length * size);
  const seen = new Map<number, Float32Array | Uint8Array>();
  for (const [t, index] of indices.entries()) {
    const known = seen.get(index) ?? (await faceAt(root, `${clip.folder}/${clip.frames[index]}`, view, turn));
    seen.set(index, known);
    out.set(known, t * size);
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
    return resizeCrop(image, size, centred(size, side)).data;
  }
  const planes = facePicture(image, side);
  return turn ? turned(planes, side, side, turn) : planes;
}
