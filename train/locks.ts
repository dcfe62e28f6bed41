// What a recipe keeps from training: a family whose predicate on names says no to more of them.
import { UsageError } from "../engine/errors.ts";
import { takes } from "../engine/takes.ts";
import type { Family } from "../model/family.ts";
import type { Recipe } from "./recipe.ts";

export type Locks = Pick<Recipe, "lockImage" | "lockText" | "lockLayers"> &
  Partial<Pick<Recipe, "unlockImage" | "unlockText">>;

/**
 * The family with what the recipe unlocks of its own, and locks. Errors: UsageError for a family that does not tell its towers apart, or
 * that has nothing to unlock.
 */
export function locked(family: Family, locks: Locks): Family {
  takes(
    "locked(family: { trains: function, ... }, locks: { lockImage: flag, lockText: flag, lockLayers: natural, ... }, ...)",
    arguments,
  );
  return kept(unlocked(family, locks), locks);
}

function unlocked(family: Family, { unlockImage = false, unlockText = false }: Locks): Family {
  if (!unlockImage && !unlockText) return family;
  const { thaws } = family;
  if (!thaws)
    throw new UsageError(
      `${unlockImage ? "unlock-image" : "unlock-text"}: all of ${family.name} trains unless it is locked; leave it out`,
    );
  const isUnlocked = (name: string) => (unlockImage && thaws.image(name)) || (unlockText && thaws.text(name));
  return { ...family, trains: (name) => family.trains(name) || isUnlocked(name) };
}

function kept(family: Family, { lockImage, lockText, lockLayers }: Locks): Family {
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
