// Draws one person in one pose. Bold outlines and a big head: the figure must be readable in 16 x 64 pixels.

import { drawFace } from "./face.ts";
import { drawHairBehind, drawHairInFront, type HeadPoint } from "./hair.ts";
import type { Identity } from "./identity.ts";
import type { Pose } from "./poses.ts";
import { type Raster, type Ink, mix, type Point, type Rgb } from "./raster.ts";

const outline: Rgb = [24, 20, 26];
/** Everyone wears white gloves, as mimes do: hands tell most of a posture. */
const glove: Rgb = [252, 252, 248];

/** Heights above the mark and sizes, pixels at scale 1. */
const hipHeight = 22;
const shoulderHeight = 41;
const headAboveShoulders = 14;
const headRadius = 9.6;
const limb = 2.1;
const handRadius = 3.1;

/** Where the person stands: the mark (feet) in pixels, and -1 to draw the pose mirrored. */
export interface Placing {
  readonly mark: Point;
  readonly side: 1 | -1;
}

/** Draws the person over what is there. */
export function drawPerson(canvas: Raster, who: Identity, pose: Pose, { mark, side }: Placing): void {
  const { scale } = who;
  const put = (x: number, y: number): Point => [
    mark[0] + side * scale * (x + pose.shift[0]),
    mark[1] + scale * (y + pose.shift[1]),
  ];
  const cos = Math.cos(pose.lean);
  const sin = Math.sin(pose.lean);
  const trunk = shoulderHeight - hipHeight;
  /** A point of the leaning upper body, measured from the middle of the shoulders. */
  const upper = (x: number, y: number): Point =>
    put(x * cos - (y - trunk) * sin, x * sin + (y - trunk) * cos - hipHeight + pose.crouch);
  const ink = (fill: Rgb): Ink => ({ fill, line: outline, width: 0.9 });

  drawLegs(canvas, who, pose, put, ink);
  const g = who.girth;
  const body: Point[] = [upper(-g + 0.6, 0), upper(g - 0.6, 0), upper(g, trunk + 1), upper(-g, trunk + 1)];
  canvas.polygon(body, ink(who.top), 1.2 * scale);
  if (who.legwear === "skirt") {
    const hem = hipHeight - pose.crouch - 10;
    canvas.polygon(
      [upper(-g, trunk - 2), upper(g, trunk - 2), put(g + 3, -hem), put(-g - 3, -hem)],
      ink(who.bottom),
      0.8,
    );
  }
  if (who.belt) canvas.capsule(upper(-g, trunk - 2), upper(g, trunk - 2), 1.1, { fill: outline });

  const arms = (): void => {
    for (const [i, [elbow, hand]] of pose.arms.entries()) {
      const shoulder = upper((i === 0 ? -1 : 1) * (g - 0.4), 2);
      canvas.stroke([shoulder, upper(...elbow), upper(...hand)], limb * scale, ink(who.top));
      canvas.ellipse(upper(...hand), handRadius * scale, handRadius * scale, ink(glove));
    }
  };
  if (!pose.handsInFront) arms();
  drawHead(canvas, who, pose, upper, side);
  if (pose.handsInFront) arms();
}

function drawLegs(canvas: Raster, who: Identity, pose: Pose, put: HeadPoint, ink: (fill: Rgb) => Ink): void {
  const s = who.scale;
  for (const [i, foot] of pose.feet.entries()) {
    const sign = i === 0 ? -1 : 1;
    const hip = put(sign * 2.9, -hipHeight + pose.crouch);
    const knee = put(
      sign * 2.9 + (foot - sign * 2.9) * 0.5 + sign * pose.crouch * 0.35,
      (-hipHeight + pose.crouch) * 0.5,
    );
    const ankle = put(foot, -2);
    const shade = who.legwear === "trousers" ? who.bottom : mix(who.skin, who.bottom, 0.5);
    canvas.stroke([hip, knee, ankle], 2.3 * s, ink(shade));
    if (who.legwear === "shorts") canvas.capsule(hip, knee, 2.8 * s, ink(who.bottom));
    canvas.capsule(put(foot, -1.4), put(foot + sign * 1.4, -1.4), 1.7 * s, ink([58, 44, 40]));
  }
}

function drawHead(canvas: Raster, who: Identity, pose: Pose, upper: HeadPoint, side: number): void {
  const s = who.scale;
  const cos = Math.cos(pose.tilt);
  const sin = Math.sin(pose.tilt);
  const [hx, hy] = [pose.head[0], pose.head[1] - headAboveShoulders];
  /** A point of the tilted head, measured from its centre. */
  const head: HeadPoint = (x, y) => upper(hx + x * cos - y * sin, hy + x * sin + y * cos);
  const angle = side * (pose.tilt + pose.lean);
  const r = headRadius * s;
  const skin: Ink = { fill: who.skin, line: outline, width: 0.9 };
  const hair: Ink = { fill: who.hairColour, line: outline, width: 0.9 };

  drawHairBehind(canvas, who.hair, head, s, hair, angle);
  canvas.capsule(upper(0, 1), upper(hx * 0.5, hy * 0.5), 2.4 * s, skin);
  canvas.ellipse(head(0, 0), r * 0.96, r, skin, angle);
  drawHairInFront(canvas, who.hair, head, s, hair);
  drawFace({ canvas, at: (x, y) => head(x + pose.gaze[0], y + pose.gaze[1]), scale: s, angle }, pose.face);
}
