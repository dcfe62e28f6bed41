// Gradient descent with momentum over flat groups.
import { type Shard, UsageError } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { sgd } from "../../kernels/index.ts";
import type { Group } from "../../model/params.ts";
import { Optimizer, settled, type Update, type UpdateSettings } from "./optimizer.ts";

/** What SGD is set to; rates are given with each step. */
export interface SGDSettings extends UpdateSettings {
  /** Decay of the momentum, from 0 (none) to below 1. */
  readonly momentum: number;
  /** Steps by the gradient and momentum times the new momentum. */
  readonly nesterov: boolean;
}

const usual: SGDSettings = { momentum: 0, nesterov: false, decay: 0, clip: Number.POSITIVE_INFINITY };

/**
 * Stochastic gradient descent as torch.optim.SGD without dampening: decay is part of the gradient (L2); then b ← momentum · b + g,
 * p ← p − lr · b. Defaults are PyTorch's: momentum 0, no Nesterov, decay 0; no clipping. Errors: as Optimizer; UsageError for Nesterov
 * without momentum.
 */
export class SGD extends Optimizer {
  static readonly moments = 1;
  readonly settings: SGDSettings;

  constructor(
    groups: readonly Group[],
    shards: ReadonlyMap<string, readonly Shard[]>,
    settings: Partial<SGDSettings> = {},
  ) {
    takes(
      "new SGD(groups: { name: text, members: any[], ... }[], shards: map, settings?: { momentum?: rate, nesterov?: flag, " +
        "decay?: amount | object, clip?: limit }, ...)",
      arguments,
    );
    super(groups, shards);
    this.settings = settled(usual, settings);
    if (this.settings.nesterov && this.settings.momentum === 0)
      throw new UsageError("SGD: nesterov without momentum is plain descent; give a momentum such as 0.9");
    this.checkMemory();
  }

  protected momentsOf(): readonly string[] {
    return ["momentum_buffer"];
  }

  protected update(shard: Shard, { factor, of }: Update): void {
    const { momentum, nesterov } = this.settings;
    for (const { parameters, gradients, moments } of shard.fresh())
      sgd(parameters, gradients, moments[0], factor, { momentum, nesterov, ...of });
  }
}
