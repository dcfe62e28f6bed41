// A recipe on the command line: a flag for each of its values, grouped by subject.
import { type Command, Option } from "commander";
import {
  choicesOf,
  dashed,
  valueKind,
  type Layer,
  type RecipeName,
  recipeNames,
  recipeParts,
  recipeSchema,
} from "../train/recipe.ts";
import { real } from "./flags.ts";

/** Adds a flag for every value of a recipe. */
export function withRecipe(command: Command): Command {
  for (const [part, names] of Object.entries(recipeParts))
    for (const name of names) command.addOption(optionOf(name).helpGroup(`${part}:`));
  return command;
}

/** Texts that are paths. */
const paths = new Set<RecipeName>(["pretrained", "resume", "bpe", "trainData", "valData", "classes"]);

function optionOf(name: RecipeName): Option {
  const { about, value } = recipeSchema[name];
  const kind = valueKind(name);
  if (kind === "truth") return new Option(`--${dashed(name)}`, about);
  const told = value === null ? about : `${about} (default ${value})`;
  const parse = (text: string) => (kind === "number" ? real(dashed(name), text) : text);
  const shape = choicesOf(name)?.join("|") ?? (kind === "number" ? "n" : paths.has(name) ? "path" : "name");
  return new Option(`--${dashed(name)} <${shape}>`, told).argParser(parse);
}

const attributeOf = (name: RecipeName) => dashed(name).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** The values that flags give. */
export const layerOfFlags = (flags: Readonly<Record<string, unknown>>): Layer => ({
  values: Object.fromEntries(recipeNames.map((name) => [name, flags[attributeOf(name)]])),
  from: (name) => `--${dashed(name)}`,
});
