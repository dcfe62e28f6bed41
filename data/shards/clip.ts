// One clip as it is stored: what a sample's JSON holds, and its checks.
import type { Box } from "../pixels/boxes.ts";
import { Fields } from "../formats/fields.ts";
import { parseJson } from "../formats/json.ts";

/** Sentiment classes, in the order of the official logits file. */
export const SENTIMENTS = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"] as const;

/** The logits of a text whose sentiment nobody told: seven of 0. */
export const UNSAID_SENTIMENT: readonly number[] = SENTIMENTS.map(() => 0);

/** `logit`: a classifier's are below 100; at 10⁴ all of the loss is still far inside f32. `value`: of valence and the like. */
export const clipLimits = {
  jsonBytes: 2 ** 20,
  frames: 9999,
  side: 16384,
  boxes: 64,
  coordinate: 1e6,
  logit: 1e4,
  value: 1e6,
} as const;

/** What is known about a clip without its pictures. */
export type ClipInfo = {
  readonly caption: string;
  /** Seven logits in the order of SENTIMENTS. */
  readonly sentiment: readonly number[];
  /** The subject in each frame, in its pixels: a box, a list of boxes, or an empty list where nobody is seen. */
  readonly boxes: readonly (Box | readonly Box[])[];
  /** Frames per second. */
  readonly fps: number;
  /** Size of every frame in pixels; 0 by 0 where a plain tar does not tell it. */
  readonly width: number;
  readonly height: number;
  readonly labels?: Labels;
  /** Anything else worth keeping, untouched. */
  readonly meta?: unknown;
};

/** What a clip is labelled with, beside its sentiment. */
export type Labels = {
  /** 0 or 1 for each of the index's categories. */
  readonly categories: readonly number[];
  /** Valence, arousal, dominance; absent where nobody has said. */
  readonly vad?: readonly [number, number, number];
};

/** The logit of a sentiment that is given by its name; the others have 0. It is e³ / (e³ + 6) = 77 % sure. */
const NAMED = 3;

/** Seven logits of the sentiment with this number, given by its name. */
export const logitsOf = (sentiment: number): number[] => SENTIMENTS.map((_, q) => (q === sentiment ? NAMED : 0));

/** A clip with its encoded frames (JPEG or PNG bytes); `key` names it in its data set. */
export type Clip = ClipInfo & { readonly key: string; readonly frames: readonly Uint8Array[] };

/** A checked clip: boxes[frame] is always a list. */
export type CheckedInfo = ClipInfo & { readonly boxes: readonly (readonly Box[])[] };

/** The one class that a clip may have besides its categories: `meta.emotion`, where it is a name. */
export function emotionOf({ meta }: Pick<ClipInfo, "meta">): string | undefined {
  const { emotion } = (meta ?? {}) as { emotion?: unknown };
  return typeof emotion === "string" && emotion !== "" ? emotion : undefined;
}

/** The JSON of a clip, checked; `name` begins every message, `frames` is the number of pictures stored beside it. */
export function parseClipInfo(bytes: Uint8Array, name: string, frames: number, categories: number): CheckedInfo {
  return checkClipInfo(parseJson(bytes, name, clipLimits.jsonBytes), name, frames, categories);
}

/** Refuses anything but a complete clip of this many frames and categories. */
export function checkClipInfo(value: unknown, name: string, frames: number, categories: number): CheckedInfo {
  const known = ["caption", "sentiment", "boxes", "fps", "width", "height", "labels", "meta"];
  const fields = new Fields(value, name, "", known);
  const labels =
    fields.has("labels") || categories > 0 ? checkLabels(fields.get("labels"), name, categories) : undefined;
  return {
    caption: captionIn(fields),
    sentiment: fields.numbers("sentiment", SENTIMENTS.length, clipLimits.logit),
    boxes: fields.list("boxes", frames, frames).map((list, frame) => checkBoxes(list, frame, fields)),
    fps: fields.real("fps", 0.01, 1000),
    width: fields.whole("width", 1, clipLimits.side),
    height: fields.whole("height", 1, clipLimits.side),
    ...(labels && { labels }),
    ...(fields.has("meta") && { meta: fields.get("meta") }),
  };
}

export function captionIn(fields: Fields): string {
  const caption = fields.text("caption", { min: 1 });
  return caption.trim() === "" ? fields.refuse("caption", caption, "words, not white space alone") : caption;
}

function checkLabels(value: unknown, name: string, categories: number): Labels {
  const fields = new Fields(value, name, "labels", ["categories", "vad"]);
  const hot = fields.numbers("categories", categories);
  hot.forEach((v, i) => {
    if (v !== 0 && v !== 1) fields.refuse(`categories[${i}]`, v, "0 or 1");
  });
  if (!fields.has("vad")) return { categories: hot };
  const [valence, arousal, dominance] = fields.numbers("vad", 3, clipLimits.value);
  return { categories: hot, vad: [valence, arousal, dominance] };
}

export function checkBoxes(value: unknown, frame: number, fields: Fields): Box[] {
  const at = `boxes[${frame}]`;
  if (!Array.isArray(value) || value.length > clipLimits.boxes)
    return fields.refuse(at, value, `a box or a list of at most ${clipLimits.boxes} boxes`);
  const boxes = typeof value[0] === "number" ? [value] : value;
  return boxes.map((box: unknown, i) => {
    if (!Array.isArray(box) || box.length !== 4 || !box.every(isCoordinate))
      return fields.refuse(`${at}[${i}]`, box, "x1, y1, x2, y2 in pixels");
    const [x1, y1, x2, y2] = box;
    if (x2 < x1 || y2 < y1) return fields.refuse(`${at}[${i}]`, box.join(" "), "x1 ≤ x2 and y1 ≤ y2");
    return [x1, y1, x2, y2];
  });
}

function isCoordinate(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= clipLimits.coordinate;
}
