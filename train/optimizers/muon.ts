// Muon over the groups of matrices, AdamW over the others.
import { type Shard, type Tensor, UsageError } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { adamw, muon } from "../../kernels/index.ts";
import type { Group } from "../../model/params.ts";
import { AdamW, adamUpdate } from "./adam.ts";
import { Optimizer, settled, type Update, type UpdateSettings } from "./optimizer.ts";

/** What Muon is set to, and AdamW for what is no matrix; rates are given with each step. */
export interface MuonSettings extends UpdateSettings {
  /** Decay of the momentum, from 0 to below 1. */
  readonly momentum: number;
  readonly nesterov: boolean;
  /** Steps of Newton–Schulz. */
  readonly steps: number;
  /**
   * Factor on the orthogonal step of a matrix [rows, columns], as `adjust_lr_fn` of torch.optim.Muon: "original" is √max(1, rows/columns)
   * (Jordan et al. 2024), "match_rms_adamw" 0.2·√max(rows, columns), with which rates and decays of AdamW fit (Liu et al. 2025).
   */
  readonly adjustLr: "original" | "match_rms_adamw";
  /** Groups that AdamW updates though they are matrices: embeddings, the last layer. Groups of anything else are AdamW's in any case. */
  readonly adamwGroups: readonly string[];
  /** Of AdamW. */
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

const usual: MuonSettings = {
  momentum: 0.95,
  nesterov: true,
  steps: 5,
  adjustLr: "original",
  adamwGroups: [],
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-10,
  decay: 0,
  clip: Number.POSITIVE_INFINITY,
};

/**
 * Muon (Jordan et al. 2024): p ← p(1 − lr·decay) − lr · s · NewtonSchulz(momentum), for groups of which every member has two axes;
 * AdamW for the others, and for those in `adamwGroups`. Defaults are those of the authors' code: momentum 0.95 with Nesterov, five
 * steps, decay 0; beta1 0.9, beta2 0.95, eps 1e-10 of AdamW; no clipping. Rates differ by far (0.02 and 3e-4), so give `lr` by group.
 * Errors: as Optimizer; UsageError for a group that has both matrices and other members.
 */
export class Muon extends Optimizer {
  readonly settings: MuonSettings;

  /** One moment of a matrix, two of what AdamW updates: `allocate(groups, (group) => Muon.moments(group, settings))`. */
  static moments(group: Group, settings: { readonly adamwGroups?: readonly string[] } = {}): number {
    takes("Muon.moments(group: { name: text, members: any[], ... }, settings?: object, ...)", arguments);
    return isMatrices(group, settings.adamwGroups ?? []) ? 1 : AdamW.moments;
  }

  constructor(
    groups: readonly Group[],
    shards: ReadonlyMap<string, readonly Shard[]>,
    settings: Partial<MuonSettings> = {},
  ) {
    takes(
      "new Muon(groups: { name: text, members: any[], ... }[], shards: map, settings?: { momentum?: rate, nesterov?: flag, " +
        'steps?: few, adjustLr?: "original" | "match_rms_adamw", adamwGroups?: text[], beta1?: rate, beta2?: rate, eps?: amount, ' +
        "decay?: amount | object, clip?: limit }, ...)",
      arguments,
    );
    super(groups, shards);
    this.settings = settled(usual, settings);
    const unknown = this.settings.adamwGroups.find((name) => !groups.some((group) => group.name === name));
    if (unknown !== undefined) throw new UsageError(`Muon: adamwGroups names ${unknown}, which is no group`);
    this.checkMemory();
  }

  protected momentsOf(group: Group): readonly string[] {
    return this.#isMuons(group) ? ["momentum_buffer"] : ["exp_avg", "exp_avg_sq"];
  }

  protected update(shard: Shard, update: Update, group: Group): void {
    if (this.#isMuons(group)) this.#orthogonal(shard, update);
    else adamUpdate(adamw, shard, update, this.settings);
  }

  /** Matrix by matrix. */
  #orthogonal(shard: Shard, { factor, of }: Update): void {
    const { momentum: beta, nesterov, steps } = this.settings;
    for (const { parameters, gradients, moments } of shard.freshMembers())
      muon(parameters, gradients, moments[0], factor, {
        beta,
        nesterov,
        steps,
        scale: this.#scaleOf(parameters),
        ...of,
      });
  }

  #isMuons(group: Group): boolean {
    return isMatrices(group, this.settings.adamwGroups);
  }

  #scaleOf({ shape: [rows, columns] }: Tensor): number {
    if (this.settings.adjustLr === "original") return Math.sqrt(Math.max(1, rows / columns));
    return 0.2 * Math.sqrt(Math.max(rows, columns));
  }
}

/** Whether all members of a group are matrices, and it is not AdamW's by name. */
function isMatrices({ name, members }: Group, adamwGroups: readonly string[]): boolean {
  if (adamwGroups.includes(name)) return false;
  const others = members.filter(([, { shape }]) => shape.length !== 2).map(([member]) => member);
  if (others.length === 0 || others.length === members.length) return others.length === 0;
  throw new UsageError(
    `Muon: the group ${name} has matrices, and ${others.length} of other than two axes (${others.slice(0, 3).join(", ")}); ` +
      "make two groups of it, or name it in adamwGroups",
  );
}
