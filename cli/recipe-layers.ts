// What a command's recipe is made of: a preset, a file, flags.
import type { Layer } from "../train/recipe.ts";
import { type PresetName, presetLayer, recipePresets } from "../train/recipes/index.ts";
import { oneOf } from "./flags.ts";
import { readRecipeFile, type RecipeFile } from "./recipe-file.ts";
import { layerOfFlags } from "./recipe-flags.ts";

/** Where a recipe begins, as flags say it; the other flags are its values. */
interface RecipeFlags extends Record<string, unknown> {
  readonly preset?: string;
  readonly config?: string;
}

/** What a recipe is made of, the first below the others: preset, file, flags. */
export async function layersOf(
  flags: RecipeFlags,
): Promise<{ preset: PresetName; isChosen: boolean; layers: Layer[] }> {
  const file: RecipeFile | undefined = flags.config === undefined ? undefined : await readRecipeFile(flags.config);
  const own = layerOfFlags(flags);
  const named = flags.preset ?? file?.preset;
  const preset =
    named === undefined
      ? presetFor({ ...file?.layer.values, ...given(own) })
      : oneOf("preset", String(named), recipePresets);
  return { preset, isChosen: named !== undefined, layers: [presetLayer(preset), ...(file ? [file.layer] : []), own] };
}

const given = ({ values }: Layer) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

/** Where nobody names a preset: the small models have theirs, every other one is trained as published. */
function presetFor({ model, pretrained, resume }: Layer["values"]): PresetName {
  if (model === "tiny" || model === "stage") return model;
  return model !== undefined || pretrained != null || resume != null ? "paper" : "stage";
}
