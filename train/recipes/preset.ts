// What a preset is: some values of a recipe, each with where it is from.
import type { Recipe } from "../recipe.ts";

/** A value and its source. */
export interface Sourced<T> {
  readonly value: T;
  readonly source: string;
}

export interface Preset {
  readonly about: string;
  readonly values: { readonly [K in keyof Recipe]?: Sourced<Recipe[K]> };
}
