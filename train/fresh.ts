// What a recipe does not take of its file of weights: parts that begin at random.
import { UsageError } from "../engine/errors.ts";
import type { Family } from "../model/family.ts";
import type { Recipe } from "./recipe.ts";

export type FreshParts = Pick<Recipe, "freshImage" | "freshText" | "freshHead">;

/**
 * Whether a parameter begins at random whatever the file has; the logit scale is of the head's part. Errors: UsageError for a family
 * that does not tell its towers apart.
 */
export function freshParts(family: Family, parts: FreshParts): (name: string) => boolean {
  const isFresh = { image: parts.freshImage, text: parts.freshText, none: parts.freshHead };
  if (!Object.values(isFresh).includes(true)) return () => false;
  const { place } = family;
  if (!place) throw new UsageError(`${family.name}: does not say which of its parameters are of which tower`);
  return (name) => isFresh[place(name).tower];
}
