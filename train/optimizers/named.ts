// The optimiser that a training's settings name.
import type { Shard } from "../../engine/index.ts";
import type { Group } from "../../model/params.ts";
import { decaysOf, type GroupSettings } from "../rates.ts";
import { Adam, AdamW } from "./adam.ts";
import type { Optimizer } from "./optimizer.ts";
import { SGD } from "./sgd.ts";

/** A gradient norm that none passes. */
const unlimited = 3e38;

/** How many moments of a value the optimiser keeps. */
export const momentsFor = ({ optimizer = "adamw" }: GroupSettings): number =>
  ({ adamw: AdamW, adam: Adam, sgd: SGD })[optimizer].moments;

/** The optimiser over groups that have memory for its moments. */
export function optimizerFor(
  groups: readonly Group[],
  shards: ReadonlyMap<string, readonly Shard[]>,
  settings: GroupSettings,
): Optimizer {
  const { optimizer = "adamw", momentum = 0.9, beta1, beta2, eps = 1e-6 } = settings;
  const common = { decay: decaysOf(groups, settings), clip: settings.clip || unlimited };
  if (optimizer === "sgd") return new SGD(groups, shards, { momentum, ...common });
  return new { adamw: AdamW, adam: Adam }[optimizer](groups, shards, { beta1, beta2, eps, ...common });
}
