// What a file of weights holds of an EmotionCLIP.
import type { Stored } from "../../data/formats/content.ts";
import { checkedConfig, describeFile, type FileRules } from "../clip/describe.ts";
import type { Description } from "../family.ts";
import { faultOf, type ModelConfig } from "./config.ts";
import { configOf, headsGuessed, type ModelSizes, sizesOf } from "./infer.ts";

/** Parts of a configuration that are known better than the file knows them. */
export type ConfigOverride = {
  readonly [K in keyof ModelConfig]?: K extends "vision" | "text" | "head" ? Partial<ModelConfig[K]> : ModelConfig[K];
};

export const emotionClipRules: FileRules<ModelConfig, ModelSizes> = {
  files: {
    family: "EmotionCLIP",
    refuses: (locals) =>
      locals.has("temporal.cls_token") ? "its temporal module is none of EmotionCLIP (temporal.cls_token)" : undefined,
  },
  sizesOf,
  configOf: (sizes, activation) => configOf(sizes, { activation, ...headsGuessed(sizes) }),
  faultOf,
  ownSizes: ({ head, saam }, config) => [
    ["head.", head, config.head],
    ["saam.", { layers: saam?.layers ?? 0 }, config.saam],
  ],
};

/** Describes a file by its header alone; never fails. `stored` is the configuration that it carries, or that lies beside it. */
export const describeEmotionClip = (file: Stored, stored?: ModelConfig): Omit<Description<ModelConfig>, "family"> =>
  describeFile(file, emotionClipRules, stored);

/** The configuration to load a described file with: its own, with what is known better. */
export const decideConfig = (described: Description<ModelConfig>, override: ConfigOverride = {}): ModelConfig =>
  checkedConfig(described, emotionClipRules, (config) => merge(config, override));

function merge(config: ModelConfig, override: ConfigOverride): ModelConfig {
  const { saam: _, sapIndicator: __, ...rest } = { ...config, ...override };
  const merged = {
    ...rest,
    vision: { ...config.vision, ...override.vision },
    text: { ...config.text, ...override.text },
    head: { ...config.head, ...override.head },
  };
  const saam = override.saam ?? config.saam;
  const sapIndicator = override.sapIndicator ?? config.sapIndicator;
  return {
    ...merged,
    ...(saam && merged.subject === "saam" && { saam }),
    ...(sapIndicator && merged.subject === "sap" && { sapIndicator }),
  };
}
