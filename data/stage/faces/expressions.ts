// The expressions that the drawn faces show: which actions, and how they go over time. Two pairs have nothing but time between them:
// fear stays where surprise is over in a moment, and disappointment is relief backwards.

import type { Random } from "../../philox.ts";
import type { ActionName } from "./actions.ts";

/** How the actions of an expression go: they come and stay, come and go at once, or take the place of others. */
export type Course = "stays" | "passes" | "turns" | "rests";

interface Expression {
  readonly course: Course;
  /** Actions that come; of them a random part is shown. */
  readonly comes: readonly ActionName[];
  /** Those that are there before, of course "turns". */
  readonly goes?: readonly ActionName[];
}

const bright = ["smile", "cheeks"] as const;
const gloomy = ["down", "furrowed"] as const;
const startled = ["raised", "wide", "gape"] as const;

const table = {
  happiness: { course: "stays", comes: bright },
  sadness: { course: "stays", comes: ["down", "worried", "lowered", "tear"] },
  neutral: { course: "rests", comes: [] },
  anger: { course: "stays", comes: ["furrowed", "narrow", "tight"] },
  surprise: { course: "passes", comes: startled },
  disgust: { course: "stays", comes: ["wrinkle", "lip", "narrow"] },
  fear: { course: "stays", comes: startled },
  contempt: { course: "stays", comes: ["smirk", "lone"] },
  disappointment: { course: "turns", goes: bright, comes: gloomy },
  relief: { course: "turns", goes: gloomy, comes: bright },
} as const satisfies Readonly<Record<string, Expression>>;

export type ExpressionName = keyof typeof table;
export const expressions: Readonly<Record<ExpressionName, Expression>> = table;
export const expressionNames = Object.keys(table) as readonly ExpressionName[];

/** One action of a clip over its time: its level in each frame, 0 to 1. */
export interface Motion {
  readonly action: ActionName;
  readonly levels: readonly number[];
  /** Whether it is there first and goes. */
  readonly goes: boolean;
}

/** Actions of an expression in a clip of so many frames: at least half of them, each a little before or after the others. */
export function motionsOf(name: ExpressionName, frames: number, random: Random): Motion[] {
  const { course, comes, goes = [] } = expressions[name];
  const turn = random.uniform(0.35, 0.65) * frames;
  const begin =
    course === "turns"
      ? turn
      : random.uniform(course === "passes" ? 0.1 : 0.05, course === "passes" ? 0.6 : 0.3) * frames;
  const length = random.uniform(1.2, 2.4);
  const motion = (action: ActionName, going: boolean): Motion => {
    const at = begin + random.uniform(-0.5, 0.5);
    const most = random.uniform(0.65, 1);
    const rise = course === "passes" ? 0.7 : random.uniform(1, 2.2);
    const level = (t: number): number => {
      if (going) return 1 - ramp((t - at + rise) / rise);
      const up = ramp((t - at) / rise);
      return course === "passes" ? Math.min(up, 1 - ramp((t - at - rise - length) / 1)) : up;
    };
    return { action, goes: going, levels: Array.from({ length: frames }, (_, t) => most * level(t)) };
  };
  return [
    ...part(goes, random).map((action) => motion(action, true)),
    ...part(comes, random).map((action) => motion(action, false)),
  ];
}

/** At least half of some actions and at most three, in their order. */
function part(of: readonly ActionName[], random: Random): ActionName[] {
  const least = Math.ceil(of.length / 2);
  const most = Math.min(3, of.length);
  const kept = new Set(random.shuffle(of).slice(0, least + random.below(most - least + 1)));
  return of.filter((action) => kept.has(action));
}

/** 0 before 0, 1 behind 1, smooth between. */
function ramp(x: number): number {
  const t = Math.min(1, Math.max(0, x));
  return t * t * (3 - 2 * t);
}
