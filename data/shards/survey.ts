// A look at every clip of a split before a picture is decoded: which cannot be read, which are short, and what is said in them.
import type { BadSample } from "../bad-samples.ts";
import type { CheckedInfo } from "./clip.ts";
import { ShardReader, type ShardSet } from "./shards.ts";

/** What the JSON of a split's clips tells. */
export interface Survey {
  readonly bad: readonly BadSample[];
  /** Of the clips that can be read, in order. */
  readonly captions: readonly string[];
  /** Names of the same clips. */
  readonly keys: readonly string[];
  /** [captions, 7] logits. */
  readonly sentiment: Float32Array;
  /** Clips with a box in some frame. */
  readonly boxed: number;
  /** Whether the clips carry labels, and all the same ones. */
  readonly labelsAreEqual: boolean;
  /** Whether all clips begin with one and the same picture. */
  readonly picturesAreEqual: boolean;
}

/** Reads every clip's JSON. */
export function survey(set: ShardSet): Survey {
  const bad: BadSample[] = [];
  const captions: string[] = [];
  const keys: string[] = [];
  const sentiment: number[] = [];
  const labels = new Set<string>();
  let boxed = 0;
  for (const found of set.readings()) {
    if ("reason" in found) {
      bad.push(found);
      continue;
    }
    const { info } = found;
    captions.push(info.caption);
    keys.push(set.nameOf(found.index));
    sentiment.push(...info.sentiment);
    if (labels.size < 2) labels.add(labelsOf(info));
    if (info.boxes.some((list) => list.length > 0)) boxed++;
  }
  const labelsAreEqual = set.categories.length > 0 && captions.length > 1 && labels.size === 1;
  return {
    bad,
    captions,
    keys,
    sentiment: Float32Array.from(sentiment),
    boxed,
    labelsAreEqual,
    picturesAreEqual: isOnePicture(set),
  };
}

const labelsOf = ({ labels }: CheckedInfo): string => JSON.stringify(labels ?? null);

/** Whether all clips begin with the same bytes of a picture. */
function isOnePicture({ items }: ShardSet): boolean {
  const [first, ...others] = items.filter(({ fault }) => fault === undefined);
  if (!first || others.length === 0 || others.some(({ frames }) => frames[1] !== first.frames[1])) return false;
  const reader = new ShardReader();
  try {
    const bytes = Buffer.from(reader.frame(first, 0));
    return others.every((other) => bytes.equals(reader.frame(other, 0)));
  } finally {
    reader.close();
  }
}

/** Clips with fewer frames than a model takes. */
export interface ShortClips {
  /** Frames that the model takes. */
  readonly frames: number;
  readonly count: number;
  /** Frames of the shortest and the longest of them. */
  readonly least: number;
  readonly most: number;
  /** The first of them. */
  readonly keys: readonly string[];
}

/** Names that a message shows. */
const SHOWN = 3;

/** The clips of fewer than `frames` frames; undefined where there are none. */
export function shortClips(set: ShardSet, frames: number): ShortClips | undefined {
  const short = set.items.filter(({ fault }, i) => fault === undefined && set.frameCount(i) < frames);
  if (short.length === 0) return undefined;
  const lengths = short.map((item) => item.frames.length / 2);
  const [least, most] = lengths.reduce(([a, b], n) => [Math.min(a, n), Math.max(b, n)], [frames, 0]);
  return { frames, count: short.length, least, most, keys: short.slice(0, SHOWN).map(({ key }) => key) };
}

/** `3 of 40 clips have fewer than 8 frames (2 to 5): a, b, c`. */
export function shortText({ frames, count, least, most, keys }: ShortClips, clips: number): string {
  const lengths = least === most ? `${least}` : `${least} to ${most}`;
  const names = `${keys.join(", ")}${count > keys.length ? ", …" : ""}`;
  return `${count} of ${clips} clips have fewer than ${frames} frames (${lengths}): ${names}`;
}
