// AdamW over flat parameter groups: global norm, clipping and the update stay on the device.
import { type Shard, type Tensor, UsageError } from "../engine/index.ts";
import { takes } from "../engine/takes.ts";
import { adamw, clipFactor, gradNorm } from "../kernels/index.ts";
import type { Group } from "../model/params.ts";

/** One number for all groups, or one for each group by its name. */
export type PerGroup = number | Readonly<Record<string, number>>;

export interface AdamSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Weight decay: a single number is that of the groups that decay, the others have none. */
  readonly decay: PerGroup;
  /** Largest global gradient norm; 3e38 for no limit. */
  readonly clip: number;
}

/** Norm of all gradients and the number of elements that are not finite; both on the device. */
export interface Health {
  readonly norm: Tensor;
  readonly bad: Tensor;
}

export class AdamW {
  constructor(
    readonly groups: readonly Group[],
    readonly shards: ReadonlyMap<string, readonly Shard[]>,
    readonly settings: AdamSettings,
  ) {
    takes(
      "new AdamW(groups: { name: text, members: any[], ... }[], shards: map, settings: { beta1: rate, " +
        "beta2: rate, eps: amount, decay: amount | object, clip: limit }, ...)",
      arguments,
    );
  }

  /**
   * Update number `step` (from 1) with the gradients computed since the last one. Parameters without any stay as they are,
   * moments and all, and are no part of the norm (as those whose `grad` is None in PyTorch). A step with anything not finite
   * changes nothing. A group with a range (CLIP's logit_scale) stays within it. Errors: UsageError where there is no gradient at all.
   */
  step(step: number, lr: PerGroup): Health {
    const { beta1, beta2, eps, clip } = this.settings;
    const fresh = this.groups.map((group) => ({
      group,
      pieces: this.shards.get(group.name)!.flatMap((shard) => shard.fresh()),
    }));
    const all = fresh.flatMap(({ pieces }) => pieces);
    if (all.length === 0)
      throw new UsageError("optimizer: no gradients since the last update; tape.gradients(loss) computes them");
    const { norm, bad } = gradNorm(all.map(({ gradients }) => gradients));
    const factor = clipFactor(norm, bad, { most: clip });
    for (const { group, pieces } of fresh) {
      const { name, range = {} } = group;
      for (const { parameters, gradients, moments } of pieces)
        adamw(parameters, gradients, moments[0], moments[1], factor, {
          step,
          lr: ofGroup(lr, name),
          beta1,
          beta2,
          eps,
          decay: this.#decayOf(group),
          ...range,
        });
    }
    for (const shard of [...this.shards.values()].flat()) shard.spend();
    return { norm, bad };
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    const { beta1, beta2, eps, clip } = this.settings;
    const groups = this.groups.map(({ name, members }) => `${name} (${members.length} tensors)`);
    return `AdamW of ${groups.join(", ")}; beta1 ${beta1}, beta2 ${beta2}, eps ${eps}, clip ${clip}`;
  }

  #decayOf({ name, decay: decays }: Group): number {
    const { decay } = this.settings;
    return typeof decay === "number" && !decays ? 0 : ofGroup(decay, name);
  }
}

function ofGroup(values: PerGroup, name: string): number {
  if (typeof values === "number") return values;
  if (!Object.hasOwn(values, name)) throw new UsageError(`optimizer: the group ${name} has no value`);
  return values[name];
}
