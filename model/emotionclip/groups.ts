// The official parameter groups of EmotionCLIP.
import { Tensor, UsageError } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import type { Group } from "../params.ts";

/** exp(logit_scale) never passes 100, as in CLIP. */
export const logitScaleMost = Math.log(100);

/**
 * The official seven groups: frame, text and temporal, each split into gains/biases ("gb", no decay) and the rest,
 * and logit_scale. Order: group by group, inside a group that of the names given.
 */
export function groupsOf(parameters: Iterable<[string, Tensor]>): Group[] {
  takes("groupsOf(parameters: iterable, ...)", arguments);
  const order = ["frame_gb", "frame_rest", "text_gb", "text_rest", "temporal_gb", "temporal_rest", "logit_scale"];
  const groups = new Map(order.map((name) => [name, [] as [string, Tensor][]]));
  for (const entry of parameters) {
    if (!(Array.isArray(entry) && typeof entry[0] === "string" && entry[1] instanceof Tensor))
      throw new UsageError("groupsOf: parameters must be pairs of a name and a tensor, as named(model) gives them");
    groups.get(groupOf(entry[0], entry[1].shape))!.push(entry);
  }
  return order
    .map((name) => ({
      name,
      members: groups.get(name)!,
      decay: name.endsWith("_rest"),
      ...(name === "logit_scale" && { range: { least: 0, most: logitScaleMost } }),
    }))
    .filter(({ members }) => members.length > 0);
}

/** The group of a parameter, by the official rule on its name and number of axes. */
export function groupOf(name: string, shape: readonly number[]): string {
  if (name.includes("logit_scale")) return "logit_scale";
  const part = name.includes("backbone.visual") ? "frame" : name.includes("visual_head") ? "temporal" : "text";
  const gains = shape.length < 2 || /bn|ln|bias/.test(name) || name.includes("saam_logit");
  return `${part}_${gains ? "gb" : "rest"}`;
}
