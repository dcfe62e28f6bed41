// One clip of the stage, from seed, split and index alone: who stands where, in which emotion, who speaks, what is
// said, the pixels. Making clip 700 needs none of the 700 before it.

import { Random } from "../philox.ts";
import { type Caption, captionOf } from "./captions.ts";
import { annotate, type Emotion, emotions, type DrawnLabels } from "./emotions.ts";
import { type Identity, identities } from "./identity.ts";
import { drawPerson, type Placing } from "./person.ts";
import { poseOf } from "./poses.ts";
import { Raster } from "./raster.ts";
import { drawScene, type Scene, scenes } from "./scene.ts";
import { sentimentOf } from "./sentiment.ts";
import type { Split } from "./split.ts";

/** Side lengths of a frame, pixels. */
export const width = 96;
export const height = 96;
/** Frames a second. */
export const fps = 8;

/** Left, top, right, bottom in pixels. */
export type DrawnBox = [number, number, number, number];

/** Someone on the stage; the clip's first is the subject. */
export interface Actor {
  readonly identity: Identity;
  readonly emotion: Emotion;
  readonly intensity: number;
  readonly phase: number;
  readonly placing: Placing;
}

/** Everything about a clip but its pixels; cheap. */
export interface ClipPlan {
  readonly key: string;
  readonly caption: Caption;
  /** Seven logits, in the order of `sentiments`. */
  readonly sentiment: number[];
  /** The subject in each frame. */
  readonly boxes: DrawnBox[];
  readonly labels: DrawnLabels;
  readonly scene: Scene;
  /** x of the mark where the prop stands. */
  readonly propX: number;
  /** Brightness of the scene, about 1. */
  readonly light: number;
  /** The subject first. */
  readonly actors: readonly Actor[];
  /** Seconds into the staging at which the clip begins. */
  readonly start: number;
}

/** A clip before JPEG: `rgb[t]` is [96, 96, 3], of which `boxes[t]` is the subject. */
export interface RenderedClip extends ClipPlan {
  readonly rgb: Uint8Array[];
}

/** Four marks, each in the middle of a quarter of the frame, so that a 4 x 4 grid of patches separates the people. */
const marks = [12, 36, 60, 84];
const floorRow = 91.5;
/** Half the width and the height of the box; wide enough for every pose, so that the box says where and never how. */
const boxHalf = 15;
const boxTop = 81;
const boxBottom = 3;

/**
 * Clips come in pairs: two people of one staging speak in turn, each in front of the same scene and company. The
 * frames of a pair differ only as the motion goes on, so nothing but the box can tell whose line it is.
 */
const turns = 2;
/** Seconds between the turns of a staging. */
const turnLength = 4.3;

/** What the clips of a pair share; speakers come first, in the order of their turns. */
type Staging = Pick<ClipPlan, "scene" | "propX" | "light" | "actors">;

/** Renders one clip. Pure: the same arguments give the same bytes. */
export function renderClip(seed: number, split: Split, index: number): RenderedClip {
  const plan = planClip(seed, split, index);
  return { ...plan, rgb: draw(plan) };
}

/** The name of a clip in its shard. */
export const clipKey = (split: Split, index: number): string => `stage-${split}-${String(index).padStart(6, "0")}`;

/** Decides all of a clip that `renderClip` then draws. */
export function planClip(seed: number, split: Split, index: number): ClipPlan {
  const turn = index % turns;
  const staging = stagingOf(seed, split, Math.floor(index / turns));
  const subject = staging.actors[turn];
  const random = new Random(seed, `stage/${split}`, index);
  const caption = captionOf(subject.emotion, subject.intensity, staging.scene.mentions, random);
  const count = 16 + Math.floor(17 * random.uniform() ** 2);
  return {
    ...staging,
    key: clipKey(split, index),
    caption,
    sentiment: sentimentOf(caption),
    boxes: boxesOf(subject, count, random),
    labels: annotate(subject.emotion, subject.intensity, random),
    actors: [subject, ...staging.actors.filter((actor) => actor !== subject)],
    start: turn * turnLength,
  };
}

/** Two or three different people on different marks in different emotions; the speakers come first. */
function stagingOf(seed: number, split: Split, index: number): Staging {
  const random = new Random(seed, `stage/${split}/staging`, index);
  const speaking = speakersEmotions(seed, split, index);
  const silent = random.shuffle(emotions.filter((emotion) => !speaking.includes(emotion)));
  const feelings = [...speaking, ...silent];
  const people = random.shuffle(identities[split]);
  const places = random.shuffle(marks);
  const count = random.chance(0.5) ? 2 : 3;
  const drift = random.uniform(-1, 1);
  const actors = Array.from({ length: count }, (_, i): Actor => {
    const mark: [number, number] = [
      places[i] + drift + random.uniform(-0.4, 0.4),
      floorRow + random.uniform(-0.7, 0.7),
    ];
    return {
      identity: people[i],
      emotion: feelings[i],
      intensity: random.uniform(),
      phase: random.uniform(),
      placing: { mark, side: random.chance(0.5) ? 1 : -1 },
    };
  });
  return { scene: random.pick(scenes[split]), actors, propX: places[count], light: random.uniform(0.9, 1.08) };
}

/** One emotion per turn, different ones; in nine stagings each turn has every emotion once. */
function speakersEmotions(seed: number, split: Split, index: number): Emotion[] {
  const random = new Random(seed, `stage/${split}/emotions`, Math.floor(index / emotions.length));
  const order = random.shuffle(emotions);
  const shift = 1 + random.below(emotions.length - 1);
  return [0, shift].map((by) => order[(index + by) % emotions.length]);
}

function draw({ scene, actors, propX, light, boxes, start }: ClipPlan): Uint8Array[] {
  const empty = new Raster(width, height);
  drawScene(empty, scene, propX, light);
  // From left to right, so that the order of drawing does not tell the subject.
  const order = [...actors].sort((a, b) => a.placing.mark[0] - b.placing.mark[0]);
  return boxes.map((_, t) => {
    const canvas = new Raster(width, height, empty.data);
    for (const actor of order) drawActor(canvas, actor, start + t / fps);
    return canvas.data;
  });
}

/** Draws an actor at a time (seconds) of the clip. */
export function drawActor(canvas: Raster, actor: Actor, time: number): void {
  drawPerson(canvas, actor.identity, poseOf(actor.emotion, { ...actor, time }), actor.placing);
}

function boxesOf({ placing: { mark } }: Actor, count: number, random: Random): DrawnBox[] {
  return Array.from({ length: count }, () => {
    const x = mark[0] + random.uniform(-0.5, 0.5);
    const y = mark[1] + random.uniform(-0.5, 0.5);
    return [
      Math.max(0, Math.floor(x - boxHalf)),
      Math.max(0, Math.floor(y - boxTop)),
      Math.min(width, Math.ceil(x + boxHalf)),
      Math.min(height, Math.ceil(y + boxBottom)),
    ];
  });
}
