// What a drawn face can do, and what one says of it. An action moves some numbers of the face; its level is 0 at rest and 1 at most.

/** A face in numbers: 0 is at rest for each but `open`, which is 1. */
export interface FaceNumbers {
  /** Brows: up; inner ends up (sad) or down (angry); the one brow that goes up alone. */
  lift: number;
  inner: number;
  lone: number;
  /** Opening of the eyes; cheeks pushed into them from below; where they look. */
  open: number;
  cheek: number;
  gazeX: number;
  gazeY: number;
  tear: number;
  /** Wrinkles of the nose. */
  wrinkle: number;
  /** Mouth: corners up or down, opening, width, upper lip pulled up, one corner alone. */
  curve: number;
  gape: number;
  width: number;
  lip: number;
  smirk: number;
}

export const atRest: Readonly<FaceNumbers> = {
  ...{ lift: 0, inner: 0, lone: 0, open: 1, cheek: 0, gazeX: 0, gazeY: 0, tear: 0, wrinkle: 0 },
  ...{ curve: 0, gape: 0, width: 0, lip: 0, smirk: 0 },
};

interface Action {
  /** What is added to the features at level 1. */
  readonly moves: Partial<FaceNumbers>;
  /** What one says when it comes, and when it goes. */
  readonly comes: readonly string[];
  readonly goes: readonly string[];
}

const table = {
  smile: {
    moves: { curve: 1, width: 0.2 },
    comes: ["a smile appears", "the mouth corners rise"],
    goes: ["a smile fades", "the mouth corners drop"],
  },
  cheeks: {
    moves: { cheek: 1 },
    comes: ["the cheeks rise", "the eyes crinkle"],
    goes: ["the cheeks fall", "the eyes smooth out"],
  },
  down: {
    moves: { curve: -1 },
    comes: ["the mouth turns down", "a frown forms"],
    goes: ["the mouth evens out", "a frown dissolves"],
  },
  gape: {
    moves: { gape: 1, width: -0.3 },
    comes: ["the mouth falls open", "the jaw drops"],
    goes: ["the mouth closes", "the jaw shuts"],
  },
  tight: {
    moves: { width: -0.45 },
    comes: ["the lips tighten", "the lips are pressed"],
    goes: ["the lips relax", "the lips loosen"],
  },
  lip: {
    moves: { lip: 1, gape: 0.35 },
    comes: ["the upper lip is raised", "the teeth are bared"],
    goes: ["the upper lip relaxes", "the teeth are hidden"],
  },
  smirk: {
    moves: { smirk: 1 },
    comes: ["one corner goes up", "a smirk appears"],
    goes: ["one corner drops", "a smirk fades"],
  },
  raised: {
    moves: { lift: 1 },
    comes: ["the brows rise", "the forehead lifts"],
    goes: ["the brows sink", "the forehead relaxes"],
  },
  furrowed: {
    moves: { lift: -0.5, inner: -1 },
    comes: ["the brows knit", "the brows are furrowed"],
    goes: ["the brows loosen", "the brows smooth out"],
  },
  worried: {
    moves: { lift: 0.2, inner: 1 },
    comes: ["the inner brows slant up", "the inner brows are drawn up"],
    goes: ["the inner brows level", "the inner brows flatten"],
  },
  lone: {
    moves: { lone: 1 },
    comes: ["one brow is cocked", "one brow goes up"],
    goes: ["one brow sinks", "one brow levels"],
  },
  wide: {
    moves: { open: 0.75 },
    comes: ["the eyes widen", "the eyes open wide"],
    goes: ["the eyes relax", "the eyes calm down"],
  },
  narrow: {
    moves: { open: -0.5 },
    comes: ["the eyes narrow", "the lids tighten"],
    goes: ["the eyes ease", "the lids loosen"],
  },
  lowered: {
    moves: { open: -0.4, gazeY: 1 },
    comes: ["the gaze sinks", "the eyes look down"],
    goes: ["the gaze comes back", "the eyes look up"],
  },
  tear: {
    moves: { tear: 1 },
    comes: ["a tear runs down", "a tear falls"],
    goes: ["a tear dries", "a tear is gone"],
  },
  wrinkle: {
    moves: { wrinkle: 1 },
    comes: ["the nose wrinkles", "the nose is scrunched"],
    goes: ["the nose smooths", "the nose relaxes"],
  },
} as const satisfies Readonly<Record<string, Action>>;

export type ActionName = keyof typeof table;
export const actions: Readonly<Record<ActionName, Action>> = table;

/** The face that actions at their levels make, added to what it has. */
export function moved(face: Readonly<FaceNumbers>, levels: Iterable<readonly [ActionName, number]>): FaceNumbers {
  const out = { ...face };
  for (const [name, level] of levels)
    for (const [feature, by] of Object.entries(actions[name].moves)) out[feature as keyof FaceNumbers] += level * by;
  return out;
}
