// Where the people stand: a backdrop and one prop, muted so that the people are what one sees. A caption may mention
// what is visible here. Scenes are divided among the splits.

import { type Raster, type Ink, mix, type Point, type Rgb } from "./raster.ts";
import type { Split } from "./split.ts";

/** One scene. `x` is the middle of the free mark where the prop stands. */
export interface Scene {
  readonly name: string;
  /** Wall or sky from top to horizon, then floor. */
  readonly wall: readonly [Rgb, Rgb];
  readonly floor: readonly [Rgb, Rgb];
  /** Row of the horizon, pixels of 96. */
  readonly horizon: number;
  readonly backdrop: (canvas: Raster, tint: Tint) => void;
  readonly prop: (canvas: Raster, x: number, tint: Tint) => void;
  /** Ends of sentences that a caption may use here. */
  readonly mentions: readonly string[];
}

/** Backdrops are painted thinly over this grey, so that the people stand out in any scene. */
const haze: Rgb = [166, 164, 162];
const strength = 0.55;

/** Applies a clip's lighting to a colour. */
export type Tint = (colour: Rgb) => Rgb;

/** Draws backdrop and prop; `light` about 1 brightens or dims everything. */
export function drawScene(canvas: Raster, scene: Scene, propX: number, light: number): void {
  const tint: Tint = (c) => mix(haze, c, strength).map((v) => Math.min(255, v * light)) as [number, number, number];
  canvas.gradient(0, scene.horizon, tint(scene.wall[0]), tint(scene.wall[1]));
  canvas.gradient(scene.horizon, canvas.height, tint(scene.floor[0]), tint(scene.floor[1]));
  scene.backdrop(canvas, tint);
  scene.prop(canvas, propX, tint);
}

const soft = (fill: Rgb): Ink => ({ fill, line: mix(fill, [30, 30, 36], 0.4), width: 0.6 });

function box(canvas: Raster, x0: number, y0: number, x1: number, y1: number, ink: Ink): void {
  const corners: Point[] = [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
  canvas.polygon(corners, ink);
}

/** Upright stripes on the wall: panels, planks, curtains. */
function stripes(canvas: Raster, step: number, y0: number, y1: number, fill: Rgb): void {
  for (let x = step / 2; x < canvas.width; x += step) canvas.capsule([x, y0], [x, y1], 0.6, { fill });
}

function hills(canvas: Raster, y: number, fill: Rgb): void {
  for (const [x, r] of [
    [14, 22],
    [50, 28],
    [86, 20],
  ])
    canvas.ellipse([x, y], r, r * 0.45, { fill });
}

const train: readonly Scene[] = [
  {
    name: "kitchen",
    wall: [
      [206, 198, 178],
      [190, 180, 160],
    ],
    floor: [
      [150, 128, 104],
      [132, 110, 88],
    ],
    horizon: 74,
    backdrop: (c, t) => stripes(c, 12, 0, 74, t([184, 174, 154])),
    prop: (c, x, t) => {
      box(c, x - 8, 58, x + 8, 88, soft(t([170, 172, 170])));
      c.ellipse([x, 54], 6, 4, soft(t([150, 96, 80])));
    },
    mentions: ["here in the kitchen", "next to the stove", "before the soup gets cold"],
  },
  {
    name: "forest",
    wall: [
      [150, 178, 166],
      [120, 152, 130],
    ],
    floor: [
      [104, 122, 84],
      [84, 100, 70],
    ],
    horizon: 76,
    backdrop: (c, t) => stripes(c, 16, 10, 76, t([112, 134, 112])),
    prop: (c, x, t) => {
      box(c, x - 2.5, 50, x + 2.5, 90, soft(t([120, 92, 70])));
      c.ellipse([x, 40], 10, 18, soft(t([92, 128, 90])));
    },
    mentions: ["out in the forest", "under this tree", "among the trees"],
  },
  {
    name: "castle",
    wall: [
      [168, 164, 170],
      [146, 142, 150],
    ],
    floor: [
      [118, 112, 116],
      [98, 92, 98],
    ],
    horizon: 78,
    backdrop: (c, t) => {
      for (let y = 10; y < 78; y += 12) c.capsule([0, y], [96, y], 0.5, { fill: t([140, 136, 144]) });
    },
    prop: (c, x, t) => {
      box(c, x - 8, 62, x + 8, 86, soft(t([150, 120, 84])));
      box(c, x - 8, 40, x + 8, 62, soft(t([140, 84, 84])));
    },
    mentions: ["in this old castle", "beside the throne", "behind these walls"],
  },
  {
    name: "harbour",
    wall: [
      [174, 198, 214],
      [196, 208, 212],
    ],
    floor: [
      [116, 146, 164],
      [96, 124, 144],
    ],
    horizon: 66,
    backdrop: (c, t) => {
      for (let y = 70; y < 96; y += 6) c.capsule([0, y], [96, y], 0.5, { fill: t([134, 162, 178]) });
    },
    prop: (c, x, t) => {
      c.polygon(
        [
          [x - 9, 74],
          [x + 9, 74],
          [x + 6, 84],
          [x - 6, 84],
        ],
        soft(t([146, 110, 86])),
      );
      c.polygon(
        [
          [x, 36],
          [x + 8, 70],
          [x, 70],
        ],
        soft(t([226, 220, 206])),
      );
    },
    mentions: ["down at the harbour", "before the boat leaves", "beside the water"],
  },
  {
    name: "library",
    wall: [
      [170, 146, 120],
      [152, 128, 104],
    ],
    floor: [
      [122, 98, 80],
      [104, 82, 66],
    ],
    horizon: 80,
    backdrop: (c, t) => {
      for (let y = 16; y < 80; y += 16) c.capsule([0, y], [96, y], 0.9, { fill: t([132, 106, 84]) });
    },
    prop: (c, x, t) => {
      box(c, x - 8, 36, x + 8, 88, soft(t([140, 104, 76])));
      for (const y of [44, 58, 72]) box(c, x - 6, y, x + 6, y + 9, soft(t([176, 150, 120])));
    },
    mentions: ["in the library", "between all these books", "beside the bookshelf"],
  },
  {
    name: "garden",
    wall: [
      [196, 212, 216],
      [206, 214, 200],
    ],
    floor: [
      [142, 166, 112],
      [120, 144, 94],
    ],
    horizon: 68,
    backdrop: (c, t) => stripes(c, 8, 52, 68, t([216, 210, 196])),
    prop: (c, x, t) => {
      c.capsule([x, 66], [x, 88], 1, soft(t([96, 130, 84])));
      for (const [dx, dy] of [
        [-4, 0],
        [4, 0],
        [0, -4],
        [0, 4],
      ])
        c.ellipse([x + dx, 62 + dy], 3.4, 3.4, soft(t([206, 158, 176])));
    },
    mentions: ["out in the garden", "next to the flowers", "on the grass"],
  },
  {
    name: "bedroom",
    wall: [
      [190, 176, 190],
      [174, 160, 176],
    ],
    floor: [
      [148, 130, 128],
      [130, 112, 112],
    ],
    horizon: 78,
    backdrop: (c, t) => stripes(c, 10, 0, 78, t([182, 166, 182])),
    prop: (c, x, t) => {
      c.capsule([x, 46], [x, 88], 1, soft(t([130, 110, 96])));
      c.polygon(
        [
          [x - 4, 32],
          [x + 4, 32],
          [x + 8, 46],
          [x - 8, 46],
        ],
        soft(t([224, 208, 160])),
      );
    },
    mentions: ["here in the bedroom", "beside the lamp", "with the lamp on"],
  },
  {
    name: "street",
    wall: [
      [184, 184, 186],
      [168, 166, 166],
    ],
    floor: [
      [128, 126, 128],
      [110, 108, 112],
    ],
    horizon: 80,
    backdrop: (c, t) => {
      for (const x of [10, 34, 58, 82])
        for (const y of [12, 36]) box(c, x - 4, y, x + 4, y + 12, soft(t([158, 170, 182])));
    },
    prop: (c, x, t) => {
      c.capsule([x, 30], [x, 90], 1.2, soft(t([110, 112, 116])));
      box(c, x - 5, 20, x + 5, 32, soft(t([214, 204, 150])));
    },
    mentions: ["out on the street", "under the street light", "in front of everyone"],
  },
  {
    name: "tavern",
    wall: [
      [186, 156, 124],
      [164, 134, 104],
    ],
    floor: [
      [126, 98, 76],
      [108, 82, 64],
    ],
    horizon: 76,
    backdrop: (c, t) => stripes(c, 14, 0, 76, t([156, 126, 98])),
    prop: (c, x, t) => {
      c.ellipse([x, 76], 9, 13, soft(t([152, 112, 80])));
      c.capsule([x - 8, 72], [x + 8, 72], 0.8, { fill: t([110, 84, 66]) });
      c.capsule([x - 8, 81], [x + 8, 81], 0.8, { fill: t([110, 84, 66]) });
    },
    mentions: ["in this tavern", "behind that barrel", "over a drink"],
  },
];

const val: readonly Scene[] = [
  {
    name: "desert",
    wall: [
      [214, 206, 190],
      [224, 206, 172],
    ],
    floor: [
      [198, 172, 126],
      [178, 152, 108],
    ],
    horizon: 70,
    backdrop: (c, t) => hills(c, 74, t([200, 176, 134])),
    prop: (c, x, t) => {
      c.capsule([x, 48], [x, 88], 3, soft(t([116, 150, 104])));
      c.stroke(
        [
          [x, 66],
          [x + 7, 66],
          [x + 7, 56],
        ],
        2,
        soft(t([116, 150, 104])),
      );
    },
    mentions: ["out in the desert", "under this hot sun", "beside the cactus"],
  },
  {
    name: "attic",
    wall: [
      [150, 140, 134],
      [136, 124, 118],
    ],
    floor: [
      [120, 102, 90],
      [100, 86, 76],
    ],
    horizon: 78,
    backdrop: (c, t) => {
      c.capsule([0, 40], [48, 0], 2, { fill: t([122, 106, 94]) });
      c.capsule([96, 40], [48, 0], 2, { fill: t([122, 106, 94]) });
    },
    prop: (c, x, t) => {
      box(c, x - 9, 70, x + 9, 88, soft(t([142, 108, 82])));
      c.capsule([x - 9, 75], [x + 9, 75], 0.8, { fill: t([96, 76, 62]) });
    },
    mentions: ["up in the attic", "near that old trunk", "under the roof"],
  },
];

const test: readonly Scene[] = [
  {
    name: "station",
    wall: [
      [178, 184, 178],
      [160, 168, 162],
    ],
    floor: [
      [132, 134, 130],
      [114, 116, 112],
    ],
    horizon: 76,
    backdrop: (c, t) => {
      for (let x = 0; x < 96; x += 24) c.capsule([x, 76], [x + 12, 20], 0.8, { fill: t([150, 158, 152]) });
    },
    prop: (c, x, t) => {
      c.capsule([x, 44], [x, 90], 1.4, soft(t([120, 122, 120])));
      c.ellipse([x, 36], 8, 8, soft(t([228, 226, 214])));
      c.stroke(
        [
          [x, 31],
          [x, 36],
          [x + 3, 38],
        ],
        0.7,
        { fill: t([60, 60, 64]) },
      );
    },
    mentions: ["here at the station", "under the clock", "before the train comes"],
  },
  {
    name: "mountain",
    wall: [
      [160, 170, 196],
      [186, 190, 206],
    ],
    floor: [
      [150, 156, 160],
      [128, 134, 140],
    ],
    horizon: 72,
    backdrop: (c, t) => {
      for (const [x, h] of [
        [20, 34],
        [52, 44],
        [82, 30],
      ])
        c.polygon(
          [
            [x - 24, 73],
            [x, 73 - h],
            [x + 24, 73],
          ],
          { fill: t([164, 170, 184]) },
        );
    },
    prop: (c, x, t) => {
      c.polygon(
        [
          [x - 9, 88],
          [x, 56],
          [x + 9, 88],
        ],
        soft(t([178, 152, 116])),
      );
      c.capsule([x, 70], [x, 87], 1, { fill: t([110, 92, 76]) });
    },
    mentions: ["up on the mountain", "outside the tent", "above the clouds"],
  },
  {
    name: "church",
    wall: [
      [200, 192, 196],
      [180, 170, 178],
    ],
    floor: [
      [140, 126, 132],
      [120, 108, 114],
    ],
    horizon: 80,
    backdrop: (c, t) => {
      for (const x of [24, 72]) c.ellipse([x, 26], 7, 16, soft(t([172, 178, 196])));
    },
    prop: (c, x, t) => {
      for (const [dx, h] of [
        [-5, 12],
        [0, 20],
        [5, 12],
      ]) {
        c.capsule([x + dx, 70 - h], [x + dx, 70], 1.3, soft(t([234, 228, 214])));
        c.ellipse([x + dx, 66 - h], 1.2, 2.2, { fill: t([240, 200, 110]) });
      }
      box(c, x - 9, 70, x + 9, 88, soft(t([166, 140, 118])));
    },
    mentions: ["here in the church", "by the candles", "while the bells ring"],
  },
];

/** All scenes, split by split. */
export const scenes: Record<Split, readonly Scene[]> = { train, val, test };
