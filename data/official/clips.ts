// Sentences of the official training set as clips of the shards that this project trains from.
import { FormatError, UsageError } from "../../engine/errors.ts";
import { type Clip, clipLimits } from "../shards/clip.ts";
import { sizeOfPicture } from "../pixels/image.ts";
import { type Box, type BoxRule, type Detection, letterbox, MIN_CONFIDENCE } from "../pixels/boxes.ts";
import { hashText } from "../philox.ts";
import type { Size } from "../pixels/resize.ts";
import { frameNamed } from "./frame-file.ts";
import type { TrainingSet } from "./training-set.ts";

/** Frames a second of the official preprocessing. */
const FPS = 8;

/**
 * Sample i with all its frames, as they are. Boxes stay unrounded, in pixels of the frame, so that a loader that rounds
 * them at its own size draws what the official code draws there, to a pixel at their edges.
 */
export async function clipOf(set: TrainingSet, i: number): Promise<Clip> {
  const { numbers, pictures, people } = await set.footage(i);
  const names = numbers.map((number) => `${set.nameOf(i)}: ${frameNamed(number)}`);
  const size = await sizeOfPicture(pictures[0], names[0]);
  for (const [t, bytes] of pictures.entries()) {
    const { width, height } = await sizeOfPicture(bytes, names[t]);
    if (width !== size.width || height !== size.height)
      throw new FormatError(`${names[t]}: is ${width}x${height}, the first frame ${size.width}x${size.height}`);
  }
  const { videoId, startFrame, endFrame, text, neutralScore } = set.entries[i];
  return {
    key: `${videoId.replace(/[^\w@+=,-]/g, "+")}/${i}`,
    caption: text,
    sentiment: Array.from(set.sentiment(i)),
    boxes: people.map((found) => boxesIn(found, size, set.rule)),
    fps: FPS,
    ...size,
    meta: { video_id: videoId, start_frame: startFrame, end_frame: endFrame, neutral_score: neutralScore },
    frames: pictures,
  };
}

/** The confident detections, surest first, in pixels of a picture of `size`. */
function boxesIn(found: readonly Detection[], size: Size, rule: BoxRule): Box[] {
  const sure = found.filter(([, , , , confidence]) => confidence > MIN_CONFIDENCE).sort((a, b) => b[4] - a[4]);
  const { scale, left, top } = letterbox(size);
  const [dx, dy] = rule === "exact" ? [left, top] : [0, 0];
  const within = (value: number, most: number) => Math.min(Math.max(value / scale, 0), most);
  return sure.slice(0, clipLimits.boxes).map(([x1, y1, x2, y2]): Box => {
    const [near, above] = [within(x1 - dx, size.width), within(y1 - dy, size.height)];
    // a box that lies outside becomes empty, not turned inside out
    return [near, above, Math.max(near, within(x2 - dx, size.width)), Math.max(above, within(y2 - dy, size.height))];
  });
}

/** Numbers of the samples that are trained on, and of those held out. */
export interface Division {
  readonly train: readonly number[];
  readonly test: readonly number[];
}

/**
 * Holds out whole videos, so that no scene is on both sides: about `share` of them, at least one, chosen by a hash of
 * their ids and so the same ones whenever the set is converted again.
 */
export function divide(set: TrainingSet, share: number): Division {
  const videos = [...new Set(set.entries.map(({ videoId }) => videoId))];
  if (videos.length < 2)
    throw new UsageError(`all ${set.entries.length} sentences are of one video; at least 2 are needed to hold one out`);
  const rank = (a: string, b: string) => hashText(a) - hashText(b) || (a < b ? -1 : 1);
  const count = Math.min(videos.length - 1, Math.max(1, Math.round(share * videos.length)));
  const held = new Set(videos.sort(rank).slice(0, count));
  const of = (isHeld: boolean) => set.entries.flatMap(({ videoId }, i) => (held.has(videoId) === isHeld ? [i] : []));
  return { train: of(false), test: of(true) };
}
