// The presets by name.
import { UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import type { Layer, RecipeName } from "../recipe.ts";
import {
  emoClipFerv39kPreset,
  emoClipFinetunePreset,
  emoClipLooPreset,
  emoClipPreset,
  emoClipSupervisedPreset,
} from "./emoclip.ts";
import { clipStagePreset, emoClipStagePreset } from "./emoclip-stage.ts";
import { paperPreset } from "./paper.ts";
import type { Preset } from "./preset.ts";
import { stagePreset } from "./stage.ts";
import { tinyPreset } from "./tiny.ts";

export const presets = {
  stage: stagePreset,
  paper: paperPreset,
  tiny: tinyPreset,
  emoclip: emoClipPreset,
  "emoclip-finetune": emoClipFinetunePreset,
  "emoclip-ferv39k": emoClipFerv39kPreset,
  "emoclip-supervised": emoClipSupervisedPreset,
  "emoclip-loo": emoClipLooPreset,
  "clip-stage": clipStagePreset,
  "emoclip-stage": emoClipStagePreset,
} as const satisfies Readonly<Record<string, Preset>>;

/** A preset by name, as "stage" or "paper". */
export type PresetName = keyof typeof presets;

/** The names of the presets that `presetLayer` knows. */
export const recipePresets = Object.keys(presets) as PresetName[];

/** A preset as a layer of a recipe; its sources say where it has a value from. */
export function presetLayer(preset: PresetName): Layer {
  takes("presetLayer(preset: text, ...)", arguments);
  if (!Object.hasOwn(presets, preset))
    throw new UsageError(`unknown preset "${preset}"; known: ${recipePresets.join(", ")}`);
  const { values }: Preset = presets[preset];
  return {
    values: Object.fromEntries(Object.entries(values).map(([name, { value }]) => [name, value])),
    from: (name: RecipeName) => `preset ${preset}: ${values[name]!.source}`,
  };
}
