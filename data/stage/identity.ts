// Who can stand on the stage: hair, skin, clothes and build, and which people belong to which split.

import { Random } from "../philox.ts";
import type { Rgb } from "./raster.ts";
import type { Split } from "./split.ts";

export type Hair = "short" | "long" | "bun" | "spikes" | "bald" | "cap" | "curls";
export type Legwear = "trousers" | "skirt" | "shorts";

/** The looks of one person; nothing here depends on an emotion. */
export interface Identity {
  readonly name: string;
  readonly hair: Hair;
  readonly hairColour: Rgb;
  readonly skin: Rgb;
  readonly top: Rgb;
  readonly bottom: Rgb;
  readonly legwear: Legwear;
  readonly belt: boolean;
  /** Half the width of the trunk in pixels. */
  readonly girth: number;
  /** Scale of the whole body. */
  readonly scale: number;
}

const hairs: readonly Hair[] = ["short", "long", "bun", "spikes", "bald", "cap", "curls"];
const hairColours: readonly Rgb[] = [
  [38, 28, 26],
  [92, 54, 30],
  [150, 92, 42],
  [196, 158, 88],
  [172, 70, 34],
  [150, 150, 156],
];
const skins: readonly Rgb[] = [
  [250, 220, 196],
  [238, 196, 160],
  [220, 172, 130],
  [190, 138, 98],
  [150, 102, 70],
];
const fabrics: readonly Rgb[] = [
  [196, 54, 50],
  [44, 92, 176],
  [48, 136, 82],
  [214, 160, 44],
  [124, 70, 158],
  [36, 150, 160],
  [214, 110, 44],
  [190, 82, 128],
  [116, 122, 132],
  [232, 228, 216],
  [70, 60, 56],
  [110, 130, 60],
];
const legwears: readonly Legwear[] = ["trousers", "skirt", "shorts"];

const perSplit: Record<Split, number> = { train: 48, val: 12, test: 16 };

/** All people, split by split; no two share hair, hair colour, skin and clothes. Part of the data set, so not seeded by the user. */
export const identities: Record<Split, readonly Identity[]> = makeIdentities();

function makeIdentities(): Record<Split, readonly Identity[]> {
  const random = new Random(26, "stage/identities");
  const seen = new Set<string>();
  const draw = (name: string): Identity => {
    const top = random.below(fabrics.length);
    const bottom = (top + 1 + random.below(fabrics.length - 1)) % fabrics.length;
    const looks = [
      random.below(hairs.length),
      random.below(hairColours.length),
      random.below(skins.length),
      top,
      bottom,
    ];
    if (seen.has(looks.join())) return draw(name);
    seen.add(looks.join());
    return {
      name,
      hair: hairs[looks[0]],
      hairColour: hairColours[looks[1]],
      skin: skins[looks[2]],
      top: fabrics[top],
      bottom: fabrics[bottom],
      legwear: random.pick(legwears),
      belt: random.chance(0.3),
      girth: random.uniform(5.2, 6.8),
      scale: random.uniform(0.92, 1),
    };
  };
  const cast = (split: Split): Identity[] => Array.from({ length: perSplit[split] }, (_, i) => draw(`${split}-${i}`));
  return { train: cast("train"), val: cast("val"), test: cast("test") };
}
