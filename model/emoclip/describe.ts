// What a file of weights holds of an EmoCLIP, or of a CLIP that one begins with.
import type { Stored } from "../../data/formats/content.ts";
import type { Side } from "../../data/pixels/side.ts";
import { CheckpointError } from "../../engine/errors.ts";
import type { TowerActivation } from "../clip/config.ts";
import { checkedConfig, describeFile, type FileRules } from "../clip/describe.ts";
import { blocks, headsBy64, sizesIn, type Tensors, type TowerSizes, towerSizes } from "../clip/sizes.ts";
import type { Description } from "../family.ts";
import { emoClipB32, type EmoClipConfig, emoClipFault, type TemporalConfig } from "./config.ts";

/** Parts of a configuration that are known better than the file knows them. */
export type EmoClipOverride = {
  readonly [K in keyof EmoClipConfig]?: K extends "vision" | "text" | "temporal"
    ? Partial<EmoClipConfig[K]>
    : EmoClipConfig[K];
};

/** What the shapes of the temporal module fix: not how its inner width is shared among heads. */
interface EmoClipSizes extends TowerSizes {
  readonly temporal: Partial<TemporalConfig>;
  /** Heads times head width; 0 of a CLIP alone. */
  readonly inner: number;
}

const below = "temporal.temporal_transformer.layers.";

function sizesOf(tensors: Tensors, backboneOnly: boolean): EmoClipSizes {
  const towers = towerSizes(tensors);
  if (backboneOnly) return { ...towers, temporal: {}, inner: 0 };
  const [, positions] = sizesIn(tensors, "temporal.pos_embedding", 3);
  const [three] = sizesIn(tensors, `${below}0.0.fn.fn.to_qkv.weight`, 2);
  const [hidden] = sizesIn(tensors, `${below}0.1.fn.fn.net.0.weight`, 2);
  if (three % 3 !== 0)
    throw new CheckpointError(`${below}0.0.fn.fn.to_qkv.weight has ${three} rows; queries, keys and values are alike`);
  return { ...towers, temporal: { positions, layers: blocks(tensors, below), hidden }, inner: three / 3 };
}

/** Heads are 8, as published, where they share the inner width, else one. */
function configOf({ embed, vision, text, temporal, inner }: EmoClipSizes, activation: TowerActivation): EmoClipConfig {
  const { temporal: published } = emoClipB32;
  const heads = inner > 0 && inner % published.heads !== 0 ? 1 : published.heads;
  const headWidth = inner > 0 ? inner / heads : published.headWidth;
  const frames = Math.min(published.frames, (temporal.positions ?? published.positions) - 1);
  return {
    embed,
    vision: { ...vision, heads: headsBy64(vision.width) ?? 0 },
    text: { ...text, heads: headsBy64(text.width) ?? 0, endToken: "last" },
    temporal: { ...published, ...temporal, frames, heads, headWidth },
    activation,
  };
}

export const emoClipRules: FileRules<EmoClipConfig, EmoClipSizes> = {
  files: {
    family: "EmoCLIP",
    activation: { of: "EmoCLIP", is: "quickGelu" },
    refuses: (locals) => (locals.has("temporal.cls_token") ? undefined : "it has no temporal.cls_token"),
  },
  sizesOf,
  configOf,
  faultOf: emoClipFault,
  ownSizes: ({ temporal, inner }, config) => [
    ["temporal.", temporal, config.temporal],
    [
      "temporal.",
      inner > 0 ? { "heads x headWidth": inner } : {},
      { "heads x headWidth": config.temporal.heads * config.temporal.headWidth },
    ],
  ],
};

/** Describes a file by its header alone; never fails. `stored` is the configuration that it carries, or that lies beside it. */
export const describeEmoClip = (file: Stored, stored?: EmoClipConfig): Omit<Description<EmoClipConfig>, "family"> =>
  describeFile(file, emoClipRules, stored);

/** The configuration to load a described file with: its own, with what is known better. Errors: CheckpointError. */
export function decideEmoClip(
  described: Description<EmoClipConfig>,
  override: EmoClipOverride = {},
  side?: Side,
): EmoClipConfig {
  return checkedConfig(described, emoClipRules, (config) => ({
    ...config,
    ...override,
    vision: { ...config.vision, ...override.vision, ...(side !== undefined && { image: side }) },
    text: { ...config.text, ...override.text },
    temporal: { ...config.temporal, ...override.temporal },
  }));
}
