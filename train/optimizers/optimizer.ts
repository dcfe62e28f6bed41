// What optimisers share: groups with a rate and a decay each, one norm over all gradients, and an update that stays on the device.
import { type Shard, type Tensor, UsageError } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { clipFactor, gradNorm } from "../../kernels/index.ts";
import type { Group } from "../../model/params.ts";

/** One number for all groups, or one for each group by its name. */
export type PerGroup = number | Readonly<Record<string, number>>;

/** What every optimiser is told. */
export interface UpdateSettings {
  /** Weight decay: a single number is that of the groups that decay, the others have none. */
  readonly decay: PerGroup;
  /** Largest global gradient norm; Infinity for no limit. */
  readonly clip: number;
}

/** What an update says of its gradients, on the device. */
export interface Health {
  /** Global norm of the gradients before clipping, 0-d. */
  readonly norm: Tensor;
  /** Number of gradient elements that are not finite, 0-d. */
  readonly bad: Tensor<"u32">;
  /** What the gradients were multiplied by, 0-d: 0 where the update was skipped. */
  readonly factor: Tensor;
}

/** What makes the factor on gradients out of their health, where a loss was scaled; and their own norm. */
export interface Scaling {
  factor(health: Omit<Health, "factor">, most: number): { readonly factor: Tensor; readonly norm: Tensor };
}

/** What the update of a group is told: attributes of its kernel, and the factor on its gradients. */
export interface Update {
  readonly step: number;
  readonly factor: Tensor;
  /** Its rate, its decay, and its range where it has one. */
  readonly of: { readonly lr: number; readonly decay: number; readonly least?: number; readonly most?: number };
}

/**
 * An optimiser over groups of parameters. `shards` is their memory: `allocate(groups, AdamW.moments)`, and the same of every
 * optimiser. Errors: UsageError where a group has no memory, or too few moments.
 */
export abstract class Optimizer {
  abstract readonly settings: UpdateSettings;

  constructor(
    readonly groups: readonly Group[],
    readonly shards: ReadonlyMap<string, readonly Shard[]>,
  ) {
    takes("new Optimizer(groups: { name: text, members: any[], ... }[], shards: map, ...)", arguments);
  }

  /** Names of the moments that members of a group have, as in PyTorch's state. */
  protected abstract momentsOf(group: Group): readonly string[];

  /** Records the update of what is fresh in one shard. */
  protected abstract update(shard: Shard, update: Update, group: Group): void;

  /**
   * Update number `step` (from 1) with the gradients computed since the last one. Parameters without any stay as they are,
   * moments and all, and are no part of the norm (as those whose `grad` is None in PyTorch). A step with anything not finite
   * changes nothing. A group with a range (CLIP's logit_scale) stays within it. `scaling` is that of the loss, if it had any. Errors:
   * UsageError where there is no gradient at all.
   */
  step(step: number, lr: PerGroup, scaling: Scaling = unscaled): Health {
    takes("step(step: count, lr: amount | object, scaling?: { factor: function, ... }, ...)", arguments);
    const health = this.health(scaling);
    for (const group of this.groups) {
      const { name, range } = group;
      const of = { lr: ofGroup(lr, name), decay: this.#decayOf(group), ...range };
      for (const shard of this.shards.get(name)!) this.update(shard, { step, factor: health.factor, of }, group);
    }
    for (const shard of this.#all) shard.spend();
    return health;
  }

  /** What `step` finds of the gradients that were computed since the last one, and no update. Errors: as `step`. */
  health(scaling: Scaling = unscaled): Health {
    const all = this.#all.flatMap((shard) => shard.fresh());
    if (all.length === 0)
      throw new UsageError("optimizer: no gradients since the last update; tape.gradients(loss) computes them");
    const found = gradNorm(all.map(({ gradients }) => gradients));
    return { bad: found.bad, ...scaling.factor(found, this.settings.clip) };
  }

  /**
   * The state to be saved: each moment of each parameter under `<parameter>.<moment>`, names of moments as in PyTorch:
   * `save(path, Object.fromEntries(optimizer.state()))`, and `load` the same way. The number of the last step is the caller's to keep.
   */
  *state(): Generator<[string, Tensor]> {
    for (const group of this.groups) {
      const names = new Map(group.members.map(([name, t]) => [t, name]));
      for (const shard of this.shards.get(group.name)!)
        for (const [i, member] of shard.members.entries())
          for (const [k, kind] of this.momentsOf(group).entries())
            yield [`${names.get(member)!}.${kind}`, shard.part(shard.moments[k], i)];
    }
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    const groups = this.groups.map(({ name, members }) => `${name} (${members.length} tensors)`);
    const settings = Object.entries(this.settings).map(([name, value]) => `${name} ${inShort(value)}`);
    return `${this.constructor.name} of ${groups.join(", ")}; ${settings.join(", ")}`;
  }

  /** What a constructor checks once settings are there. */
  protected checkMemory(): void {
    const { name: kind } = this.constructor;
    for (const group of this.groups) {
      const due = this.momentsOf(group).length;
      const shards = this.shards.get(group.name);
      if (!shards)
        throw new UsageError(
          `${kind}: the group ${group.name} has no memory; shards are allocate(groups, ${kind}.moments)`,
        );
      const least = Math.min(...shards.map(({ moments }) => moments.length));
      if (least < due)
        throw new UsageError(
          `${kind}: the group ${group.name} has memory for ${least} moments of each value, expected ${due}; ` +
            `allocate(groups, ${kind}.moments) gives as many as are needed`,
        );
    }
  }

  get #all(): Shard[] {
    return this.groups.flatMap(({ name }) => [...this.shards.get(name)!]);
  }

  #decayOf({ name, decay: decays }: Group): number {
    const { decay } = this.settings;
    return typeof decay === "number" && !decays ? 0 : ofGroup(decay, name);
  }
}

const unscaled: Scaling = {
  factor: ({ norm, bad }, most) => ({ factor: clipFactor(norm, bad, { most }), norm }),
};

function ofGroup(values: PerGroup, name: string): number {
  if (typeof values === "number") return values;
  if (!Object.hasOwn(values, name)) throw new UsageError(`optimizer: the group ${name} has no value`);
  return values[name];
}

/** Settings with what is not given, or undefined, as usual. */
export function settled<S extends object>(usual: S, given: Partial<S>): S {
  return { ...usual, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
}

const inShort = (value: unknown): string => (typeof value === "object" ? JSON.stringify(value) : String(value));
