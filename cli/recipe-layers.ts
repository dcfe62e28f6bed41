// What a command's recipe is made of: a preset, a file, flags.
import { knownNamed } from "../model/checkpoint/config-file.ts";
import { modelNamed } from "../model/families.ts";
import type { Layer } from "../train/recipe.ts";
import { type PresetName, presetLayer, presets, recipePresets } from "../train/recipes/index.ts";
import type { Preset } from "../train/recipes/preset.ts";
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
      ? await presetFor({ ...file?.layer.values, ...given(own) })
      : oneOf("preset", String(named), recipePresets);
  return { preset, isChosen: named !== undefined, layers: [presetLayer(preset), ...(file ? [file.layer] : []), own] };
}

const given = ({ values }: Layer) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

/** Where nobody names a preset: that of the model by its name, or else the first of its family that is no small model's. */
async function presetFor({ model, pretrained, resume }: Layer["values"]): Promise<PresetName> {
  if (typeof model !== "string") return pretrained != null || resume != null ? "paper" : "stage";
  const modelOf = (name: PresetName) => String((presets[name] as Preset).values.model?.value);
  const own = recipePresets.find((name) => modelOf(name).toLowerCase() === model.toLowerCase());
  if (own) return own;
  const { family } = model.endsWith(".json") ? await knownNamed(model) : modelNamed(model);
  const large = recipePresets.filter((name) => !family.small || !Object.hasOwn(family.small, modelOf(name)));
  return large.find((name) => modelNamed(modelOf(name)).family === family) ?? "paper";
}
