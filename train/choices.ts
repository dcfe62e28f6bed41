// What a recipe says of a model whose family leaves nothing to choose: how it is told of a subject, its head, dropout.
import { UsageError } from "../engine/errors.ts";
import type { Family } from "../model/family.ts";
import { dashed, isGiven, type Recipe, type Resolved } from "./recipe.ts";

/** What is so of a model that has no such choice. */
const none = { subject: "none", head: "transformer", dropout: 0 } as const satisfies Partial<Recipe>;

/**
 * The recipe as a family takes it: where it has no choices, defaults and a preset's do not hold. Errors: UsageError for one that was made on
 * purpose. A file may say a default, for a printed recipe says all of them.
 */
export function choicesFor(family: Family, { recipe, from }: Resolved): Resolved {
  if (family.choices) return { recipe, from };
  for (const name of Object.keys(none) as (keyof typeof none)[])
    if (recipe[name] !== none[name] && isGiven(name, { recipe, from }))
      throw new UsageError(
        `${from[name]}: ${dashed(name)} ${JSON.stringify(recipe[name])}, but a model of ${family.name} has no such choice; leave it out`,
      );
  const names = (Object.keys(none) as (keyof typeof none)[]).filter((name) => recipe[name] !== none[name]);
  const told = Object.fromEntries(names.map((name) => [name, `a model of ${family.name} has no such choice`]));
  return { recipe: { ...recipe, ...none }, from: { ...from, ...told } };
}
