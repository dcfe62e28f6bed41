// Draws a face: brows, eyes, mouth. Dark lines on any skin, for expression has to survive in ten pixels.

import type { Eyes, Mouth, Pose } from "./poses.ts";
import { type Raster, curve, type Ink, type Point, type Rgb } from "./raster.ts";

const white: Rgb = [250, 250, 246];
const dark: Rgb = [40, 14, 18];
const red: Rgb = [206, 70, 78];
const lips: Ink = { fill: dark, line: dark, width: 0.4 };

/** Where and how large a face is: `at` maps pixels from the middle of the face at scale 1 to the canvas. */
export interface FacePlace {
  readonly canvas: Raster;
  readonly at: (x: number, y: number) => Point;
  readonly scale: number;
  /** Tilt, radians. */
  readonly angle: number;
}

/** Draws the face of a pose. */
export function drawFace(place: FacePlace, face: Pose["face"]): void {
  for (const side of [-1, 1]) {
    const x = 3.9 * side;
    eyes[face.eyes](place, x, side);
    const y = -4.3 - face.lift * 0.55;
    line(place, [
      [x - side * 2.4, y + face.frown * 0.5],
      [x + side * 2.3, y - face.frown * 0.5],
    ]);
  }
  mouths[face.mouth](place, 4 * face.size);
}

/** Strokes points given in face pixels. */
function line({ canvas, at, scale }: FacePlace, points: readonly Point[], radius = 0.78, fill: Rgb = dark): void {
  const path = points.map(([x, y]) => at(x, y));
  canvas.stroke(path, radius * scale, { fill });
}

function eyeball({ canvas, at, scale, angle }: FacePlace, x: number, rx: number, ry: number): void {
  canvas.ellipse(at(x, -0.8), rx * scale, ry * scale, { fill: white, line: dark, width: 0.5 }, angle);
  canvas.ellipse(at(x, -0.8), 1.1 * scale, Math.min(1.2, ry) * scale, { fill: dark }, angle);
}

const eyes: Record<Eyes, (place: FacePlace, x: number, side: number) => void> = {
  open: (place, x) => eyeball(place, x, 2, 1.7),
  wide: (place, x) => eyeball(place, x, 2.6, 2.9),
  narrow: (place, x) => eyeball(place, x, 2, 1.3),
  closed: (place, x) => line(place, curve([x - 2.2, -1], [x, 1.4], [x + 2.2, -1], 4)),
  happy: (place, x) => line(place, curve([x - 2.2, -0.2], [x, -3.4], [x + 2.2, -0.2], 4)),
  squint: (place, x, side) =>
    line(place, [
      [x + side * 2.2, -2.2],
      [x - side * 1.6, -0.8],
      [x + side * 2.2, 0.6],
    ]),
};

/** Height of the middle of the mouth below that of the face. */
const y = 4.6;

/** Each mouth at half width w. */
const mouths: Record<Mouth, (place: FacePlace, w: number) => void> = {
  line: (place, w) =>
    line(place, [
      [-w, y],
      [w, y],
    ]),
  smile: (place, w) => line(place, curve([-w, y - 0.8], [0, y + 3.6], [w, y - 0.8])),
  smirk: (place, w) => line(place, curve([-w, y + 0.6], [w * 0.5, y + 2.6], [w, y - 2])),
  frown: (place, w) => line(place, curve([-w, y + 1.8], [0, y - 2.8], [w, y + 1.8])),
  wavy: (place, w) =>
    line(
      place,
      [-1, -0.5, 0, 0.5, 1].map((t, i) => [t * w, y + (i % 2 ? -0.8 : 0.8)]),
    ),
  grin(place, w) {
    const { canvas, at } = place;
    canvas.polygon([at(-w, y - 1.4), ...curve(at(w, y - 1.4), at(0, y + 8), at(-w, y - 1.4))], lips);
    line(
      place,
      [
        [-w * 0.7, y - 0.5],
        [w * 0.7, y - 0.5],
      ],
      0.7,
      white,
    );
  },
  round({ canvas, at, scale, angle }, w) {
    canvas.ellipse(at(0, y + 0.4), 0.55 * w * scale, 0.75 * w * scale, lips, angle);
  },
  snarl(place, w) {
    const { canvas, at } = place;
    canvas.polygon([at(-w * 0.8, y - 1.6), at(w * 0.8, y - 1.6), at(w, y + 2), at(-w, y + 2)], lips, 0.4);
    line(
      place,
      [
        [-w * 0.75, y + 0.1],
        [w * 0.75, y + 0.1],
      ],
      0.9,
      white,
    );
  },
  tongue(place, w) {
    const { canvas, at, scale } = place;
    line(place, curve([-w, y + 1.4], [0, y - 2], [w, y + 0.6]));
    canvas.ellipse(at(1, y + 2.2), 1.8 * scale, 0.65 * w * scale, { fill: red, line: dark, width: 0.5 });
  },
};
