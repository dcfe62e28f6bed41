// The embedded data set "stage": seeded clips of two or three drawn people, one of whom speaks the caption. It exists so
// that training runs, and means something, without anybody's films; nothing here is a claim about real faces.

import { encodeJpeg } from "../pixels/jpeg.ts";
import { inOrder, range } from "../threads/in-order.ts";
import { Thread } from "../threads/thread.ts";
import { type DrawnBox, fps, height, type RenderedClip, renderClip, width } from "./clip.ts";
import type { DrawnLabels } from "./emotions.ts";
import type { Split } from "./split.ts";

export { captionWords, words } from "./captions.ts";
export { type DrawnBox, clipKey, type ClipPlan, planClip, type RenderedClip, renderClip } from "./clip.ts";
export { categories, emotions, type DrawnLabels } from "./emotions.ts";
export { sentiments } from "./sentiment.ts";
export { type Split, splits, stageSizes } from "./split.ts";

/** One clip as it is stored. */
export interface StageClip {
  readonly key: string;
  readonly caption: string;
  /** Seven logits in the order anger, disgust, fear, joy, neutral, sadness, surprise. */
  readonly sentiment: number[];
  /** The subject in each frame: x1, y1, x2, y2 in pixels. */
  readonly boxes: DrawnBox[];
  /** One JPEG file per frame. */
  readonly frames: Uint8Array[];
  /** Frames a second: 8. */
  readonly fps: number;
  readonly width: number;
  readonly height: number;
  readonly labels: DrawnLabels;
  /** How the clip was made, for checks and reports; a model must not see it. */
  readonly meta: StageMeta;
}

/** The truth about a clip; `people[0]` is the subject. */
export interface StageMeta {
  readonly identity: string;
  readonly scene: string;
  readonly emotion: string;
  readonly intensity: number;
  /** Whether the words are of another emotion than the subject's. */
  readonly misleading: boolean;
  readonly people: { readonly identity: string; readonly emotion: string; readonly intensity: number }[];
}

/** Quality at which the drawn lines survive 4:4:4 coding. */
const quality = 90;
/** Clips that a thread has in hand: one is drawn while frames of the others are in the JPEG coder. */
const inHand = 3;

/** Names a clip: everything in it follows from these three. */
export interface ClipName {
  readonly seed: number;
  readonly split: Split;
  readonly index: number;
}

/** One clip with its frames as JPEG. */
export async function makeClip(seed: number, split: Split, index: number): Promise<StageClip> {
  return encode(renderClip(seed, split, index));
}

/** What `makeStage` makes. */
export interface StageOptions {
  readonly seed: number;
  readonly split: Split;
  readonly count: number;
  /** Threads that draw, 0 for the calling one. The clips are the same for any number. */
  readonly workers?: number;
}

/** The first `count` clips of a split, in order. */
export async function* makeStage({ seed, split, count, workers = 0 }: StageOptions): AsyncGenerator<StageClip> {
  const threads = Array.from({ length: workers }, () => new Thread<ClipName, StageClip>("stage-worker"));
  const make = (index: number) =>
    workers === 0 ? makeClip(seed, split, index) : threads[index % workers].ask({ seed, split, index });
  const close = () => Promise.all(threads.map((thread) => thread.close("no more clips are wanted")));
  yield* inOrder(range(0, count), inHand * Math.max(1, workers), make, close);
}

async function encode(clip: RenderedClip): Promise<StageClip> {
  const frames = await Promise.all(clip.rgb.map((data) => encodeJpeg({ data, width, height }, quality)));
  const people = clip.actors.map(({ identity, emotion, intensity }) => ({
    identity: identity.name,
    emotion,
    intensity: Math.round(1e4 * intensity) / 1e4,
  }));
  return {
    key: clip.key,
    caption: clip.caption.text,
    sentiment: clip.sentiment,
    boxes: clip.boxes,
    frames,
    fps,
    width,
    height,
    labels: clip.labels,
    meta: { ...people[0], scene: clip.scene.name, misleading: clip.caption.misleading, people },
  };
}
