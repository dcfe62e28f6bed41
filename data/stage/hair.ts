// Hair and caps, behind a head and in front of it; in pixels of a head whose radius is 9.6.

import type { Hair } from "./identity.ts";
import type { Ink, Point, Raster } from "./raster.ts";

/** Maps pixels from the middle of a head at scale 1 to the canvas. */
export type HeadPoint = (x: number, y: number) => Point;

const curls = [
  [-7.2, -2],
  [7.2, -2],
  [-7, -6.5],
  [7, -6.5],
  [0, -9],
] as const;

/** What the head is drawn over. `s` is the scale, `angle` the tilt of the head in radians. */
export function drawHairBehind(
  canvas: Raster,
  style: Hair,
  head: HeadPoint,
  s: number,
  hair: Ink,
  angle: number,
): void {
  if (style === "long") canvas.ellipse(head(0, 2.6), 10 * s, 11.4 * s, hair, angle);
  if (style === "bun") canvas.ellipse(head(0, -10.5), 3.6 * s, 3.2 * s, hair, angle);
  if (style === "curls") for (const [x, y] of curls) canvas.ellipse(head(x, y), 3.4 * s, 3.4 * s, hair);
}

/** What is drawn over the head. */
export function drawHairInFront(canvas: Raster, style: Hair, head: HeadPoint, s: number, hair: Ink): void {
  if (style === "bald") return;
  if (style === "spikes") {
    const tips = [-9, -6.2, -3, 0, 3, 6.2, 9].map((x, i): Point => head(x, i % 2 ? -12 + Math.abs(x) * 0.35 : -6.2));
    canvas.polygon([head(-9, -4), ...tips, head(9, -4), head(0, -6.6)], hair);
    return;
  }
  const fringe: Point[] = [];
  for (let i = 0; i <= 8; i++) {
    const turn = Math.PI * (1.06 + 0.88 * (i / 8));
    fringe.push(head(9.6 * Math.cos(turn), 9.9 * Math.sin(turn)));
  }
  canvas.polygon([...fringe, head(5, -6), head(0, -6.8), head(-5, -6)], hair, 0.4 * s);
  if (style === "cap") canvas.capsule(head(-9.2, -5), head(9.2, -5), 1.1 * s, hair);
}
