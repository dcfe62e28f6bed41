// One clip of the stage, from seed, split and index alone: who stands where, in which emotion, who speaks, what is
// said, the pixels. Making clip 700 needs none of the 700 before it.

import { Random } from "../philox.ts";
import { type Caption, captionOf } from "./captions.ts";
import { annotate, type Emotion, emotions, type Labels } from "./emotions.ts";
import { type Identity, identities } from "./identity.ts";
import { drawPerson, type Placing } from "./person.ts";
import { poseOf } from "./poses.ts";
import { Canvas } from "./raster.ts";
import { drawScene, type Scene, scenes } from "./scene.ts";
import { sentimentOf } from "./sentiment.ts";
import type { Split } from "./split.ts";

/** Side lengths of a frame, pixels. */
export const width = 96;
export const height = 96;
/** Frames a second. */
export const fps = 8;

/** Left, top, right, bottom in pixels. */
export type Box = [number, number, number, number];

/** Someone on the stage; the clip's first is the subject. */
export interface Actor {
  readonly identity: Identity;
  readonly emotion: Emotion;
  readonly intensity: number;
  readonly phase: number;
  readonly placing: Placing;
}

/** A clip before JPEG: `rgb[t]` is [96, 96, 3], `boxes[t]` the subject in frame t. */
export interface RenderedClip {
  readonly key: string;
  readonly caption: Caption;
  readonly sentiment: number[];
  readonly rgb: Uint8Array[];
  readonly boxes: Box[];
  readonly labels: Labels;
  readonly scene: string;
  readonly actors: readonly Actor[];
}

/** Four marks, each in the middle of a quarter of the frame, so that a 4 x 4 grid of patches separates the people. */
const marks = [12, 36, 60, 84];
const floorRow = 91.5;
/** Half the width and the height of the box; wide enough for every pose, so that the box says where and never how. */
const boxHalf = 14;
const boxTop = 81;
const boxBottom = 3;

/** Renders one clip. Pure: the same arguments give the same bytes. */
export function renderClip(seed: number, split: Split, index: number): RenderedClip {
  const random = new Random(seed, `stage/${split}`, index);
  const scene = random.pick(scenes[split]);
  const { actors, freeMark } = castActors(seed, split, index, random);
  const [subject] = actors;
  const caption = captionOf(subject.emotion, subject.intensity, scene.mentions, random);
  const count = 16 + Math.floor(17 * random.uniform() ** 2);
  const frames = draw(scene, actors, freeMark, count, random.uniform(0.9, 1.08), random);
  return {
    key: `stage-${split}-${String(index).padStart(6, "0")}`,
    caption,
    sentiment: sentimentOf(caption),
    rgb: frames,
    boxes: boxesOf(subject, count, random),
    labels: annotate(subject.emotion, subject.intensity, random),
    scene: scene.name,
    actors,
  };
}

/** Two or three different people on different marks in different emotions. Every nine clips the subject has each emotion once. */
function castActors(seed: number, split: Split, index: number, random: Random): { actors: Actor[]; freeMark: number } {
  const round = Math.floor(index / emotions.length);
  const turn = new Random(seed, `stage/${split}/emotions`, round).shuffle(emotions)[index % emotions.length];
  const others = random.shuffle(emotions.filter((emotion) => emotion !== turn));
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
      emotion: i === 0 ? turn : others[i],
      intensity: random.uniform(),
      phase: random.uniform(),
      placing: { mark, side: random.chance(0.5) ? 1 : -1 },
    };
  });
  return { actors, freeMark: places[count] };
}

function draw(
  scene: Scene,
  actors: readonly Actor[],
  propX: number,
  count: number,
  light: number,
  random: Random,
): Uint8Array[] {
  const empty = new Canvas(width, height);
  drawScene(empty, scene, propX, light);
  const order = random.shuffle(actors);
  return Array.from({ length: count }, (_, t) => {
    const canvas = new Canvas(width, height, empty.data);
    for (const actor of order) drawActor(canvas, actor, t / fps);
    return canvas.data;
  });
}

/** Draws an actor at a time (seconds) of the clip. */
export function drawActor(canvas: Canvas, actor: Actor, time: number): void {
  drawPerson(canvas, actor.identity, poseOf(actor.emotion, { ...actor, time }), actor.placing);
}

function boxesOf({ placing: { mark } }: Actor, count: number, random: Random): Box[] {
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
