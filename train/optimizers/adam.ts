// Adam and AdamW over flat groups: a launch per shard.
import type { Shard } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { adam, adamw } from "../../kernels/index.ts";
import type { Group } from "../../model/params.ts";
import { Optimizer, settled, type Update, type UpdateSettings } from "./optimizer.ts";

/** What Adam and AdamW are set to; rates are given with each step. */
export interface AdamSettings extends UpdateSettings {
  /** Decay of the first moment, from 0 to below 1. */
  readonly beta1: number;
  /** Decay of the second moment, from 0 to below 1. */
  readonly beta2: number;
  /** Added to the root of the second moment. */
  readonly eps: number;
}

/** As PyTorch calls them. */
const moments = ["exp_avg", "exp_avg_sq"] as const;

const settingsText = "settings?: { beta1?: rate, beta2?: rate, eps?: amount, decay?: amount | object, clip?: limit }";
const usual = { beta1: 0.9, beta2: 0.999, eps: 1e-8, clip: Number.POSITIVE_INFINITY };

type Kernel = typeof adamw | typeof adam;

/** The update of one of the two kernels, of what is fresh in a shard. */
export function adamUpdate(kernel: Kernel, shard: Shard, { step, factor, of }: Update, settings: AdamSettings): void {
  const { beta1, beta2, eps } = settings;
  for (const { parameters, gradients, moments } of shard.fresh())
    kernel(parameters, gradients, moments[0], moments[1], factor, { step, beta1, beta2, eps, ...of });
}

/**
 * AdamW (Loshchilov & Hutter 2019): decay shrinks parameters beside the gradient. Defaults are PyTorch's: beta1 0.9, beta2 0.999,
 * eps 1e-8, decay 0.01; no clipping. Errors: as Optimizer.
 */
export class AdamW extends Optimizer {
  static readonly moments = moments.length;
  readonly settings: AdamSettings;

  constructor(
    groups: readonly Group[],
    shards: ReadonlyMap<string, readonly Shard[]>,
    settings: Partial<AdamSettings> = {},
  ) {
    takes(`new AdamW(groups: { name: text, members: any[], ... }[], shards: map, ${settingsText}, ...)`, arguments);
    super(groups, shards);
    this.settings = settled({ ...usual, decay: 0.01 }, settings);
    this.checkMemory();
  }

  protected momentsOf(): readonly string[] {
    return moments;
  }

  protected update(shard: Shard, update: Update): void {
    adamUpdate(adamw, shard, update, this.settings);
  }
}

/**
 * Adam (Kingma & Ba 2015): decay is part of the gradient (L2), as in torch.optim.Adam. Defaults are PyTorch's: beta1 0.9, beta2 0.999,
 * eps 1e-8, decay 0; no clipping. Errors: as Optimizer.
 */
export class Adam extends Optimizer {
  static readonly moments = moments.length;
  readonly settings: AdamSettings;

  constructor(
    groups: readonly Group[],
    shards: ReadonlyMap<string, readonly Shard[]>,
    settings: Partial<AdamSettings> = {},
  ) {
    takes(`new Adam(groups: { name: text, members: any[], ... }[], shards: map, ${settingsText}, ...)`, arguments);
    super(groups, shards);
    this.settings = settled({ ...usual, decay: 0 }, settings);
    this.checkMemory();
  }

  protected momentsOf(): readonly string[] {
    return moments;
  }

  protected update(shard: Shard, update: Update): void {
    adamUpdate(adam, shard, update, this.settings);
  }
}
