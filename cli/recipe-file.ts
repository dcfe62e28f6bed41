// A recipe file: a flat table of names and values as YAML or JSON. Names are those of the flags or of the library. Nothing in it is
// run, no tag is obeyed, and what is not a plain value is refused.
import { basename, extname } from "node:path";
import { isObject, type Json, parseJson, quoted } from "../data/formats/json.ts";
import { readRegular } from "../data/formats/regular.ts";
import { parseYaml } from "../data/formats/yaml.ts";
import { FormatError, UsageError } from "../engine/errors.ts";
import { type Layer, nearestName, type RecipeName, recipeNamed } from "../train/recipe.ts";

const most = { bytes: 2 ** 20, entries: 1000 } as const;

/** What a file says: the preset it begins with, where it names one, and its values. */
export interface RecipeFile {
  readonly preset?: unknown;
  readonly layer: Layer;
}

/** Errors: FormatError for a file that cannot be read as YAML or JSON, UsageError for names that a recipe does not have. */
export async function readRecipeFile(path: string): Promise<RecipeFile> {
  const name = basename(path);
  const kind = extname(path).toLowerCase();
  if (![".yaml", ".yml", ".json"].includes(kind))
    throw new UsageError(`--config: ${quoted(name)} is no .yaml, .yml or .json file`);
  const bytes = await readRegular(path, most.bytes, name);
  const table = kind === ".json" ? parseJson(bytes, name, most.bytes) : parseYaml(bytes, name);
  if (!isObject(table)) throw new FormatError(`${name}: is ${shapeOf(table)}, expected a table of names and values`);
  const { preset, ...values } = table;
  return { preset, layer: { values: checkedValues(values, name), from: () => name } };
}

/** The same under the names of the library; a name twice, in two spellings, is refused as one that is not known is. */
function checkedValues(table: Readonly<Record<string, Json>>, file: string): Partial<Record<RecipeName, unknown>> {
  const words = Object.keys(table);
  if (words.length > most.entries) throw new FormatError(`${file}: ${words.length} names, allowed are ${most.entries}`);
  const values = new Map<RecipeName, unknown>();
  for (const word of words) {
    const name = recipeNamed(word);
    if (!name) throw new UsageError(`${file}: unknown name ${quoted(word)}${nearestName(word)}`);
    if (values.has(name)) throw new UsageError(`${file}: ${quoted(word)} is given twice, in two spellings`);
    const value = table[word];
    if (value !== null && typeof value === "object")
      throw new UsageError(`${file}: ${quoted(word)} is ${shapeOf(value)}, expected one value`);
    values.set(name, value);
  }
  return Object.fromEntries(values);
}

const shapeOf = (value: Json): string =>
  Array.isArray(value)
    ? "a list"
    : value !== null && typeof value === "object"
      ? "a table"
      : `${JSON.stringify(value)}`.slice(0, 80);
