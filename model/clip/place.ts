// Where in the model a parameter is, by its official name.
import type { TowerPlace } from "../family.ts";

const before = /\.(conv1|ln_pre|token_embedding)\.|\.(class_embedding|positional_embedding|hmn_embedding)$/;

/** The tower of a name and its block there; what joins frames and the logit scale are of none. */
export function placeOf(name: string): TowerPlace {
  if (!name.startsWith("backbone.") || name.endsWith("logit_scale")) return { tower: "none", block: Infinity };
  const tower = name.startsWith("backbone.visual.") ? "image" : "text";
  const [, block] = /\.resblocks\.(\d+)\./.exec(name) ?? [];
  if (block !== undefined) return { tower, block: Number(block) };
  return { tower, block: before.test(name) ? 0 : Infinity };
}
