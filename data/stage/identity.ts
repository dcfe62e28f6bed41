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
  /** Of its colour, in a word. */
  readonly hairName: string;
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
const hairColours: readonly { readonly name: string; readonly rgb: Rgb }[] = [
  { name: "black", rgb: [38, 28, 26] },
  { name: "brown", rgb: [92, 54, 30] },
  { name: "chestnut", rgb: [120, 74, 36] },
  { name: "blond", rgb: [150, 116, 60] },
  { name: "red", rgb: [140, 60, 32] },
  { name: "grey", rgb: [112, 112, 118] },
];
/** Lit from the front, so that dark features read on every face. */
const skins: readonly Rgb[] = [
  [255, 232, 212],
  [246, 210, 178],
  [232, 190, 150],
  [212, 164, 124],
  [184, 134, 96],
];
/** Stage black in many hues: about equally dark, so that bright gloves and faces carry the posture. */
const fabrics: readonly Rgb[] = [
  [124, 34, 34],
  [30, 54, 116],
  [26, 84, 50],
  [104, 76, 20],
  [76, 42, 104],
  [20, 84, 92],
  [120, 60, 24],
  [110, 44, 76],
  [66, 70, 78],
  [48, 42, 40],
  [66, 80, 34],
  [40, 36, 66],
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
      hairColour: hairColours[looks[1]].rgb,
      hairName: hairColours[looks[1]].name,
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
