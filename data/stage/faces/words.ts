// What is said of the drawn faces: captions of single clips, who and then what the face does, and a text for each expression. A caption
// never names the expression, nor the state of mind.

import type { Random } from "../../philox.ts";
import type { Identity } from "../identity.ts";
import { actions } from "./actions.ts";
import { type Course, type ExpressionName, expressionNames, expressions, type Motion } from "./expressions.ts";

const people = ["a person", "someone", "somebody"];
const hairs: Readonly<Record<Identity["hair"], (colour: string) => string>> = {
  short: (colour) => `short ${colour} hair`,
  long: (colour) => `long ${colour} hair`,
  bun: (colour) => `${colour} hair in a bun`,
  spikes: (colour) => `spiky ${colour} hair`,
  bald: () => "a bald head",
  cap: (colour) => `a ${colour} cap`,
  curls: (colour) => `curly ${colour} hair`,
};

/** What is said of the time. */
const endings: Readonly<Record<Course, readonly string[]>> = {
  stays: ["and it stays so", "until the end", "and does not let go"],
  passes: ["for a moment only", "and is over at once", "and is gone again"],
  turns: ["little by little", "in the middle", "before the end"],
  rests: ["all the time", "from beginning to end"],
};

const resting = ["the face is at rest", "brows and mouth are level", "nothing moves"];

/** "a person with curly red hair: the brows rise, the eyes widen, and it stays so" */
export function faceCaption(who: Identity, course: Course, motions: readonly Motion[], random: Random): string {
  const said = motions.map(({ action, goes }) => random.pick(goes ? actions[action].goes : actions[action].comes));
  const clauses = said.length > 0 ? said : [random.pick(resting)];
  return `${named(who, random)}: ${clauses.join(", ")} ${random.pick(endings[course])}`;
}

/** Looks are told of few: where all captions had them they would do to find the clip, and nothing else were learnt. */
const described = 0.25;

const named = (who: Identity, random: Random): string =>
  `${random.pick(people)}${random.chance(described) ? ` with ${hairs[who.hair](who.hairName)}` : ""}`;

/** What an expression looks like: all that belongs to it, in the words of captions. */
function describe(name: ExpressionName): string {
  const { course, comes, goes = [] } = expressions[name];
  const said = [...goes.map((action) => actions[action].goes[0]), ...comes.map((action) => actions[action].comes[0])];
  return `a person: ${(said.length > 0 ? said : [resting[0]]).join(", ")} ${endings[course][0]}`;
}

/** A text for each expression, as `--classes` takes it. */
export const expressionTexts: Readonly<Record<string, string>> = Object.fromEntries(
  expressionNames.map((name) => [name, describe(name)]),
);
