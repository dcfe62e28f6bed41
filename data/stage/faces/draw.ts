// Draws a face that fills its picture, from its numbers: brows, eyes, nose, mouth, with hair and shoulders around.

import { drawHairBehind, drawHairInFront, type HeadPoint } from "../hair.ts";
import type { Identity } from "../identity.ts";
import { curve, type Ink, mix, type Point, type Raster, type Rgb } from "../raster.ts";
import type { FaceNumbers } from "./actions.ts";

const dark: Rgb = [40, 14, 18];
const white: Rgb = [250, 250, 246];
const water: Rgb = [120, 180, 240];
const outline: Rgb = [24, 20, 26];

/** Where the head is in its picture. */
export interface HeadPlace {
  /** The middle of the face in pixels, and pixels to one of a head whose radius is 9.6. */
  readonly centre: Point;
  readonly scale: number;
  /** Tilt in radians, and how far the features are turned aside, in pixels of the head. */
  readonly tilt: number;
  readonly turn: Point;
}

/** A pen on a face: coordinates are those of a head of radius 9.6 around its middle. */
interface Pen {
  readonly canvas: Raster;
  readonly at: HeadPoint;
  readonly scale: number;
  readonly angle: number;
  readonly skin: Rgb;
}

export function drawPortrait(
  canvas: Raster,
  who: Identity,
  face: FaceNumbers,
  { centre, scale, tilt, turn }: HeadPlace,
): void {
  const s = scale * who.scale;
  const [cos, sin] = [Math.cos(tilt), Math.sin(tilt)];
  const head: HeadPoint = (x, y) => [centre[0] + s * (x * cos - y * sin), centre[1] + s * (x * sin + y * cos)];
  const ink = (fill: Rgb): Ink => ({ fill, line: outline, width: 0.5 * s });
  drawHairBehind(canvas, who.hair, head, s, ink(who.hairColour), tilt);
  canvas.polygon([head(-9, 16), head(-6, 11.5), head(6, 11.5), head(9, 16)], ink(who.top), 2 * s);
  canvas.capsule(head(0, 8), head(0, 12), 3 * s, ink(who.skin));
  canvas.ellipse(head(0, 0), 9.2 * s, 9.6 * s, ink(who.skin), tilt);
  drawHairInFront(canvas, who.hair, head, s, ink(who.hairColour));
  const at: HeadPoint = (x, y) => head(x + turn[0], y + turn[1]);
  const pen: Pen = { canvas, at, scale: s, angle: tilt, skin: who.skin };
  for (const side of [-1, 1]) {
    eye(pen, 3.9 * side, face);
    brow(pen, side, face);
  }
  nose(pen, face);
  mouth(pen, face);
  if (face.tear > 0.15) tear(pen, face.tear);
}

function line({ canvas, at, scale }: Pen, points: readonly Point[], fill: Rgb = dark, radius = 0.5): void {
  const path = points.map(([x, y]) => at(x, y));
  canvas.stroke(path, radius * scale, { fill });
}

function brow(pen: Pen, side: number, { lift, inner, lone }: FaceNumbers): void {
  const y = -4.1 - 1.5 * lift - (side > 0 ? 2 * lone : 0);
  const slant = 1.2 * inner;
  line(
    pen,
    [
      [3.9 * side - side * 2.5, y - slant],
      [3.9 * side + side * 2.4, y + 0.5 * slant],
    ],
    dark,
    0.65,
  );
}

function eye(pen: Pen, x: number, { open, cheek, gazeX, gazeY }: FaceNumbers): void {
  const height = 1.7 * open;
  const y = -0.9;
  if (height < 0.45) {
    line(pen, curve([x - 2.1, y], [x, y + 1], [x + 2.1, y], 4));
    return;
  }
  const { canvas, at, scale, angle, skin } = pen;
  canvas.ellipse(at(x, y), 2.1 * scale, height * scale, { fill: white, line: dark, width: 0.4 * scale }, angle);
  const pupil = Math.min(1.05, height);
  canvas.ellipse(
    at(x + 0.8 * gazeX, y + Math.min(0.8, height - 0.4) * gazeY),
    1.05 * scale,
    pupil * scale,
    { fill: dark },
    angle,
  );
  if (cheek <= 0.1) return;
  const rise = y + height + 0.3 - 1.9 * cheek;
  canvas.ellipse(at(x, rise + 1.9), 2.9 * scale, 1.9 * scale, { fill: skin }, angle);
  line(pen, curve([x - 2.4, rise + 0.9], [x, rise - 0.9], [x + 2.4, rise + 0.9], 4), dark, 0.35 + 0.15 * cheek);
}

/** Lines that come out of the skin with their level. */
const faint = (skin: Rgb, level: number): Rgb => mix(skin, dark, Math.min(1, Math.max(0, level)));

function nose(pen: Pen, { wrinkle, lip }: FaceNumbers): void {
  line(
    pen,
    [
      [-0.8, 2.1],
      [0.7, 2.1],
    ],
    faint(pen.skin, 0.55),
    0.4,
  );
  if (wrinkle > 0.1)
    for (const [x, y] of [
      [1.5, -1.6],
      [1.7, -0.3],
      [1.5, 1],
    ])
      line(
        pen,
        [
          [-x, y - 0.4],
          [0, y + 0.5],
          [x, y - 0.4],
        ],
        faint(pen.skin, wrinkle),
        0.35,
      );
  if (lip > 0.1)
    for (const side of [-1, 1])
      line(
        pen,
        [
          [1.8 * side, 1.8],
          [3.6 * side, 4.4],
        ],
        faint(pen.skin, 0.9 * lip),
        0.35,
      );
}

function mouth(pen: Pen, { curve: bend, gape, width, lip, smirk }: FaceNumbers): void {
  const w = 3.6 * (1 + width);
  const y = 5.1;
  const left: Point = [-w, y - 1.3 * bend + 0.2 * smirk];
  const right: Point = [w + 0.4 * smirk, y - 1.3 * bend - 2.3 * smirk];
  const upper: Point = [0, y + 1.5 * bend - 1.6 * lip - 2.4 * gape];
  const lower: Point = [0, y + 1.5 * bend + 4.6 * gape];
  if (gape < 0.12) {
    line(pen, curve(left, upper, right), dark, 0.6);
    return;
  }
  const { canvas, at, scale } = pen;
  const rim = [...curve(left, upper, right), ...curve(right, lower, left)].map(([px, py]) => at(px, py));
  canvas.polygon(rim, { fill: dark, line: dark, width: 0.45 * scale });
  if (lip > 0.2) line(pen, curve([-0.7 * w, left[1]], [0, upper[1] + 0.9], [0.7 * w, right[1]]), white, 0.5 * lip);
}

/** It runs down as it grows. */
function tear({ canvas, at, scale }: Pen, level: number): void {
  canvas.ellipse(at(-4.4, 1.2 + 2.6 * level), 0.8 * scale, 1.2 * scale, {
    fill: water,
    line: dark,
    width: 0.25 * scale,
  });
}
