// What an EmoCLIP is made of: CLIP's two towers, and the temporal module with its five free numbers.
import * as v from "valibot";
import { FormatError, UsageError } from "../../engine/errors.ts";
import type { Json } from "../../data/formats/json.ts";
import { takes } from "../../engine/takes.ts";
import { activation, type Fixed, issueText, size, text, towersFault, vision, wholeBetween } from "../clip/config.ts";

/** The temporal module; its width is that of the joint embedding. */
const temporal = v.strictObject({
  /** T, frames of a clip as it is trained. Any number that has a position is taken. */
  frames: wholeBetween(1024),
  /** Rows of the table of positions: the class token's, and one for each frame that a clip may have. */
  positions: wholeBetween(65536, 2),
  layers: size.layers,
  heads: size.heads,
  /** Width of one head; with `heads` it need not make up the module's width. */
  headWidth: size.hidden,
  /** Width between the two matrices of the MLP. */
  hidden: size.hidden,
});

export const emoClipSchema = v.strictObject({
  /** Width of the joint embedding, and of the temporal module. */
  embed: size.width,
  vision,
  text,
  temporal,
  activation,
});

/** A configuration of EmoCLIP. `emoClipB32` is the published one. */
export interface EmoClipConfig extends Fixed<v.InferOutput<typeof emoClipSchema>> {}

/** The temporal module: depth, heads, head width and hidden width beside the width of the embedding. */
export type TemporalConfig = EmoClipConfig["temporal"];

/**
 * EmoCLIP as published: ViT-B/32, two temporal layers. The official code hands its widths over in the wrong order: heads are 2,048
 * wide instead of 64, and the MLP 512 instead of 2,048. The released weights have these sizes.
 */
export const emoClipB32: EmoClipConfig = {
  embed: 512,
  vision: { image: 224, patch: 32, width: 768, layers: 12, heads: 12, mlp: 3072 },
  text: { context: 77, vocabulary: 49408, width: 512, layers: 12, heads: 8, endToken: "last" },
  temporal: { frames: 32, positions: 1024, layers: 2, heads: 8, headWidth: 2048, hidden: 512 },
  activation: "quickGelu",
};

/** Why there can be no such model: the first fault, with what was found and what is allowed; undefined for a sound one. */
export function emoClipFault(config: EmoClipConfig): string | undefined {
  const { success, issues } = v.safeParse(emoClipSchema, config);
  if (!success) return issueText(issues[0]);
  const { frames, positions } = config.temporal;
  if (frames >= positions)
    return `temporal.positions is ${positions}, expected at least ${frames + 1}: ${frames} frames and the class token`;
  return towersFault(config);
}

/** The configuration itself; one that no model can have is a UsageError. */
export function checkEmoClip(config: EmoClipConfig): EmoClipConfig {
  takes("checkEmoClip(config: object, ...)", arguments);
  const fault = emoClipFault(config);
  if (fault) throw new UsageError(`model: ${fault}`);
  return config;
}

/** A parsed configuration. Errors: FormatError that begins with `where`. */
export function parseEmoClip(json: Json, where: string): EmoClipConfig {
  const fault = emoClipFault(json as unknown as EmoClipConfig);
  if (fault) throw new FormatError(`${where}: ${fault.slice(0, 200)}`);
  return json as unknown as EmoClipConfig;
}
