// One clip of a drawn face, from seed, split and index alone: who, which expression, how it goes over the frames, what is said of it, the
// pixels. Besides the expression a face does what faces do: it blinks, looks aside, sways.

import { Random } from "../../philox.ts";
import { type Identity, identities } from "../identity.ts";
import { mix, Raster, type Rgb } from "../raster.ts";
import { atRest, type FaceNumbers, moved } from "./actions.ts";
import { drawPortrait, type HeadPlace } from "./draw.ts";
import { type ExpressionName, expressionNames, expressions, type Motion, motionsOf } from "./expressions.ts";
import { faceCaption } from "./words.ts";

/** Side of a picture in pixels, and pictures of a clip. */
export const faceSide = 48;
export const faceFrames = 8;

/**
 * Parts of the data: clips to train on and to test with, of other people; and pictures that a CLIP learns from. Of these many are two
 * moments side by side, for one alone gives words such as "fades" nothing to mean.
 */
export type FaceSplit = "train" | "test" | "pictures";

/** Clips of each part. */
export const faceSizes: Readonly<Record<FaceSplit, number>> = { train: 1000, test: 300, pictures: 8000 };

const cast: Readonly<Record<FaceSplit, readonly Identity[]>> = {
  train: identities.train,
  test: identities.test,
  pictures: identities.train,
};

/** Everything of a clip but its pixels. */
export interface FacePlan {
  readonly key: string;
  readonly expression: ExpressionName;
  readonly caption: string;
  readonly who: Identity;
  readonly motions: readonly Motion[];
  readonly frames: readonly { readonly face: FaceNumbers; readonly place: HeadPlace }[];
  readonly light: number;
  readonly backdrop: readonly [Rgb, Rgb];
}

const backdrops: readonly Rgb[] = [
  [196, 206, 214],
  [170, 190, 160],
  [214, 196, 170],
  [150, 160, 190],
  [190, 160, 160],
  [120, 130, 140],
];

/** Decides a clip. In as many clips as there are expressions each occurs once. */
export function planFace(seed: number, split: FaceSplit, index: number): FacePlan {
  const count = expressionNames.length;
  const order = new Random(seed, `faces/${split}/order`, Math.floor(index / count)).shuffle(expressionNames);
  const expression = order[index % count];
  const random = new Random(seed, `faces/${split}`, index);
  const who = random.pick(cast[split]);
  const motions = motionsOf(expression, faceFrames, random);
  const frames = framesOf(motions, random);
  return {
    key: String(index).padStart(5, "0"),
    expression,
    caption: faceCaption(who, expressions[expression].course, motions, random),
    who,
    motions,
    frames: split === "pictures" ? moments(motions, random).map((t) => frames[t]) : frames,
    light: random.uniform(0.75, 1.1),
    backdrop: [random.pick(backdrops), random.pick(backdrops)],
  };
}

/** Share of pictures that are two moments side by side. */
const paired = 0.6;

/** Numbers of the frames that a picture shows: one in which something of the expression is seen, and perhaps one well before or behind it. */
function moments(motions: readonly Motion[], random: Random): number[] {
  const all = Array.from({ length: faceFrames }, (_, t) => t);
  const seen = all.filter((t) => motions.some(({ levels }) => levels[t] > 0.4));
  const first = random.pick(seen.length > 0 ? seen : all);
  const others = all.filter((t) => Math.abs(t - first) > 2);
  return random.chance(paired) ? [first, random.pick(others)].sort((a, b) => a - b) : [first];
}

/** What the face does in each frame beside its expression, and where it is. */
function framesOf(motions: readonly Motion[], random: Random): FacePlan["frames"] {
  const blink = random.chance(0.4) ? random.below(faceFrames) : -1;
  const glance = { at: random.below(faceFrames), length: random.below(4), to: random.uniform(-1, 1) };
  const scale = random.uniform(1.75, 1.95);
  const sway = wave(random, 1);
  const nod = wave(random, 0.8);
  const lean = wave(random, 0.07);
  const turn = wave(random, 0.7);
  const twitch = wave(random, 0.15);
  const [x, y] = [random.uniform(-1.5, 1.5), random.uniform(-1, 1)];
  return Array.from({ length: faceFrames }, (_, t) => {
    const face = moved(
      { ...atRest, lift: twitch(t), gape: 0.3 * Math.abs(twitch(t)) },
      motions.map(({ action, levels }) => [action, levels[t]] as const),
    );
    const aside = t >= glance.at && t < glance.at + glance.length;
    return {
      face: { ...face, ...(t === blink && { open: 0.1 }), ...(aside && { gazeX: glance.to }) },
      place: {
        centre: [faceSide / 2 + x + sway(t), faceSide / 2 + 2 + y + nod(t)],
        scale,
        tilt: lean(t),
        turn: [turn(t), 0.3 * turn(t)],
      },
    };
  });
}

/** A slow movement to and fro of about this size. */
function wave(random: Random, size: number): (t: number) => number {
  const [from, to, back] = [random.uniform(-size, size), random.uniform(-size, size), random.uniform(-size, size)];
  return (t) => {
    const u = t / (faceFrames - 1);
    return (1 - u) ** 2 * from + 2 * u * (1 - u) * to + u ** 2 * back;
  };
}

/** The pictures of a clip, RGB bytes [48, 48, 3] each. */
export function drawFaceClip({ frames, who, light, backdrop }: FacePlan): Uint8Array[] {
  const [top, bottom] = backdrop;
  return frames.map(({ face, place }) => {
    const canvas = new Raster(faceSide, faceSide);
    canvas.gradient(0, faceSide, top, mix(top, bottom, 0.5));
    drawPortrait(canvas, who, face, place);
    return canvas.data.map((value) => Math.min(255, Math.round(value * light)));
  });
}

/** One picture of all moments of a clip: the middle of each, side by side. */
export function drawPicture(plan: FacePlan): Uint8Array {
  const drawn = drawFaceClip(plan);
  const width = faceSide / drawn.length;
  const out = new Uint8Array(3 * faceSide * faceSide);
  for (const [n, picture] of drawn.entries())
    for (let y = 0; y < faceSide; y++) {
      const from = 3 * (y * faceSide + (faceSide - width) / 2);
      out.set(picture.subarray(from, from + 3 * width), 3 * (y * faceSide + n * width));
    }
  return out;
}
