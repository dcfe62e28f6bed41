// An exponential moving average of the trained weights: one more array in each flat group, behind the optimiser's moments.
import { Scope, type Shard, type Tensor, tensor } from "../engine/index.ts";
import { takes } from "../engine/takes.ts";
import { ema, exchange } from "../kernels/index.ts";
import type { Group } from "../model/params.ts";

/** Of the trained parameters alone: what is frozen is its own average. The memory is the last moment of each shard. */
export class WeightAverage {
  /** @param decay share of the average that a step leaves, below 1: it is over about 1 / (1 − decay) updates */
  constructor(
    readonly groups: readonly Group[],
    readonly shards: ReadonlyMap<string, readonly Shard[]>,
    readonly decay: number,
  ) {
    takes("new WeightAverage(groups: { name: text, members: any[], ... }[], shards: map, decay: rate, ...)", arguments);
  }

  /** The average begins as the weights are now. */
  begin(): void {
    using scope = new Scope();
    for (const { parameters, moments } of this.#all) ema(moments.at(-1)!, parameters, tensor([1], []), { decay: 0 });
    void scope;
  }

  /** Records one step, behind an update with that factor on its gradients: 0 says that it was skipped, and nothing moves. */
  follow(factor: Tensor): void {
    takes("follow(factor: tensor, ...)", arguments);
    for (const { parameters, moments } of this.#all) ema(moments.at(-1)!, parameters, factor, { decay: this.decay });
  }

  /** Does some work while the model's parameters hold the average; afterwards they have their own bits again. */
  async inPlace<R>(work: () => Promise<R>): Promise<R> {
    takes("inPlace(work: function, ...)", arguments);
    this.#exchange();
    try {
      return await work();
    } finally {
      this.#exchange();
    }
  }

  /** The average of each trained parameter under the parameter's name. */
  *weights(): Generator<[string, Tensor]> {
    for (const { name, members } of this.groups) {
      const names = new Map(members.map(([name, t]) => [t, name]));
      for (const shard of this.shards.get(name)!)
        for (const [i, member] of shard.members.entries())
          yield [names.get(member)!, shard.part(shard.moments.at(-1)!, i)];
    }
  }

  /** The same as checkpoints hold it, beside the optimiser's moments. */
  *state(): Generator<[string, Tensor]> {
    for (const [name, t] of this.weights()) yield [`${name}.ema`, t];
  }

  #exchange(): void {
    using scope = new Scope();
    for (const { parameters, moments } of this.#all) exchange(parameters, moments.at(-1)!);
    void scope;
  }

  get #all(): Shard[] {
    return [...this.shards.values()].flat();
  }
}
