// What a recipe keeps from training: a family whose predicate on names says no to more of them.
import { UsageError } from "../engine/errors.ts";
import { takes } from "../engine/takes.ts";
import type { Family } from "../model/family.ts";
import type { Recipe } from "./recipe.ts";

export type Locks = Pick<Recipe, "lockImage" | "lockText" | "lockLayers">;

/** The family with the recipe's locks upon its own. Errors: UsageError for a family that does not tell its towers apart. */
export function locked(family: Family, locks: Locks): Family {
  takes(
    "locked(family: { trains: function, ... }, locks: { lockImage: flag, lockText: flag, lockLayers: natural, ... }, ...)",
    arguments,
  );
  const { lockImage, lockText, lockLayers } = locks;
  if (!lockImage && !lockText && lockLayers === 0) return family;
  const { place } = family;
  if (!place) throw new UsageError(`${family.name}: does not say which of its parameters are of which tower`);
  const isLocked = (name: string) => {
    const { tower, block } = place(name);
    if (tower === "none") return false;
    return (tower === "image" ? lockImage : lockText) || block < lockLayers;
  };
  return { ...family, trains: (name) => family.trains(name) && !isLocked(name) };
}
