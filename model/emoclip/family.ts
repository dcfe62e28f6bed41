// EmoCLIP as a family: what loading, training and showing need to know of it.
import { FormatError, UsageError } from "../../engine/errors.ts";
import { resizedPositions } from "../clip/filling.ts";
import { besideIn } from "../clip/layout.ts";
import { placeOf } from "../clip/place.ts";
import type { Family } from "../family.ts";
import { emoClipB32, type EmoClipConfig, parseEmoClip } from "./config.ts";
import { decideEmoClip, describeEmoClip, type EmoClipOverride, emoClipRules } from "./describe.ts";
import { EmoClip } from "./emoclip.ts";
import { emoClipStage } from "./stage.ts";

const name = "EmoCLIP-ViT-B-32";

function published(asked: string): EmoClipConfig {
  if (asked.toLowerCase() === name.toLowerCase()) return emoClipB32;
  throw new UsageError(`unknown model "${asked}"; known: ${name}`);
}

/** The family of EmoCLIP (FG 2024): CLIP is frozen unless a recipe says otherwise. */
export const emoClip: Family<EmoClipConfig, EmoClip> = {
  name: "EmoCLIP",
  presets: [name],
  // the activation is that of the weights
  preset(asked) {
    const { activation: _, ...sizes } = published(asked);
    return sizes;
  },
  published,
  framed: (config, frames) => ({ ...config, temporal: { ...config.temporal, frames } }),
  small: { "emoclip-stage": emoClipStage },
  towers: ({ embed, vision, text, activation }) => ({ embed, vision, text, activation }),
  parse: parseEmoClip,
  override(json, where) {
    if (json === null || typeof json !== "object" || Array.isArray(json) || !("temporal" in json))
      throw new FormatError(`${where}: no configuration of EmoCLIP, which has a field temporal`);
    return json as EmoClipOverride as Partial<EmoClipConfig>;
  },
  describe: (file, stored) => ({ family: emoClip, ...describeEmoClip(file, stored) }),
  beside: besideIn(emoClipRules.files),
  decide: decideEmoClip,
  build: (config, init) => new EmoClip(config, init),
  filling: {
    // a CLIP has one scale: both begin with it
    alias: new Map([
      ["backbone.logit_scale", "logit_scale"],
      ["logit_scale", "backbone.logit_scale"],
    ]),
    constants: new Set(),
    isAdded: (parameter) => parameter.startsWith("temporal."),
    resize: (parameter, stored, wanted, { vision }, held) =>
      resizedPositions(parameter, stored, wanted, vision, held?.vision),
    check: async () => [],
  },
  groups(parameters) {
    const all = [...parameters];
    const isBackbone = ([parameter]: (typeof all)[number]) => parameter.startsWith("backbone.");
    return [
      { name: "temporal", members: all.filter((entry) => !isBackbone(entry)), decay: true },
      { name: "backbone", members: all.filter(isBackbone), decay: true },
    ].filter(({ members }) => members.length > 0);
  },
  trains: (parameter) => !parameter.startsWith("backbone."),
  // as the official options visual and text: of the text tower the blocks alone
  thaws: {
    image: (parameter) => parameter.startsWith("backbone.visual."),
    text: (parameter) => parameter.startsWith("backbone.transformer."),
  },
  place: placeOf,
};
