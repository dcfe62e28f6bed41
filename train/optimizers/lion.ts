// Lion over flat groups: half the state of AdamW.
import type { Shard } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { lion } from "../../kernels/index.ts";
import type { Group } from "../../model/params.ts";
import { Optimizer, settled, type Update, type UpdateSettings } from "./optimizer.ts";

/** What Lion is set to; rates are given with each step. */
export interface LionSettings extends UpdateSettings {
  /** Share of the moment in the step, from 0 to below 1. */
  readonly beta1: number;
  /** Decay of the moment, from 0 to below 1. */
  readonly beta2: number;
}

const usual: LionSettings = { beta1: 0.9, beta2: 0.99, decay: 0, clip: Number.POSITIVE_INFINITY };

/**
 * Lion (Chen et al. 2023, Algorithm 2): steps by the sign of β₁m + (1 − β₁)g, so that every value moves by lr. The paper takes a rate
 * three to ten times smaller than AdamW's, and a decay as much larger. Defaults are the paper's: beta1 0.9, beta2 0.99, decay 0; no
 * clipping. Errors: as Optimizer.
 */
export class Lion extends Optimizer {
  static readonly moments = 1;
  readonly settings: LionSettings;

  constructor(
    groups: readonly Group[],
    shards: ReadonlyMap<string, readonly Shard[]>,
    settings: Partial<LionSettings> = {},
  ) {
    takes(
      "new Lion(groups: { name: text, members: any[], ... }[], shards: map, settings?: { beta1?: rate, beta2?: rate, " +
        "decay?: amount | object, clip?: limit }, ...)",
      arguments,
    );
    super(groups, shards);
    this.settings = settled(usual, settings);
    this.checkMemory();
  }

  protected momentsOf(): readonly string[] {
    return ["exp_avg"];
  }

  protected update(shard: Shard, { factor, of }: Update): void {
    const { beta1, beta2 } = this.settings;
    for (const { parameters, gradients, moments } of shard.fresh())
      lion(parameters, gradients, moments[0], factor, { beta1, beta2, ...of });
  }
}
