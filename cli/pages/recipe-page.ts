// A recipe as a person reads it and `--config` takes it: YAML, a value a line, with where it came from.
import { dashed, type Resolved, recipeParts } from "../../train/recipe.ts";

export function recipeText({ preset, recipe, from }: Resolved & { readonly preset: string }): string {
  const line = (name: string, value: unknown, source: string) =>
    `${`${name}: ${JSON.stringify(value)}`.padEnd(40)} # ${source}`;
  const parts = Object.entries(recipeParts).map(([part, names]) =>
    [`\n# ${part}`, ...names.map((name) => line(dashed(name), recipe[name], from[name]))].join("\n"),
  );
  return [`preset: ${preset}`, ...parts, ""].join("\n");
}
