// Parameters: names, initial values, flat groups. A module is a plain object whose fields are tensors or modules.
import { allocateGroup, assign, declare, Scope, type Shard, Tensor } from "../engine/index.ts";
import { takes } from "../engine/takes.ts";
import { initNormal, initUniform } from "../kernels/index.ts";

/** Every tensor of a tree with its dotted name, in the order of the fields; a tensor with two names comes once. */
export function* named(tree: object, prefix = "", seen = new Set<Tensor>()): Generator<[string, Tensor]> {
  takes("named(tree: object | any[], prefix?: text, seen?: object, ...)", arguments);
  for (const [key, value] of Object.entries(tree)) {
    if (value instanceof Tensor) {
      if (!seen.has(value)) yield [prefix + key, value];
      seen.add(value);
    } else if (value && typeof value === "object" && !ArrayBuffer.isView(value))
      yield* named(value, `${prefix}${key}.`, seen);
  }
}

/** Puts other tensors in the places of a tree's, under all their names. */
export function replaceTensors(tree: object, by: ReadonlyMap<Tensor, Tensor>): void {
  for (const [key, value] of Object.entries(tree)) {
    if (value instanceof Tensor) (tree as Record<string, unknown>)[key] = by.get(value) ?? value;
    else if (value && typeof value === "object" && !ArrayBuffer.isView(value)) replaceTensors(value, by);
  }
}

type Start = { kind: "normal"; std: number } | { kind: "uniform"; bound: number } | { kind: "constant"; value: number };

/** Declares parameters together with how they start; `fill` gives them their values once they have memory. */
export class Init {
  readonly #starts: { tensor: Tensor; start: Start; stream: number }[] = [];
  #stream = 0;

  constructor(readonly seed: number) {
    takes("new Init(seed: seed, ...)", arguments);
  }

  /** Declares a parameter that starts normal, with mean 0 and deviation `std`. */
  normal(shape: readonly number[], std: number): Tensor {
    takes("normal(shape: shape, std: amount, ...)", arguments);
    return this.#declare(shape, { kind: "normal", std });
  }

  /** Declares a parameter that starts uniform in ±bound. */
  uniform(shape: readonly number[], bound: number): Tensor {
    return this.#declare(shape, { kind: "uniform", bound });
  }

  /** Declares a parameter that starts as `value` everywhere. */
  constant(shape: readonly number[], value: number): Tensor {
    return this.#declare(shape, { kind: "constant", value });
  }

  /** Makes `count` modules that start as identical copies of one another. */
  copies<M>(count: number, make: () => M): M[] {
    const from = this.#stream;
    return Array.from({ length: count }, () => {
      this.#stream = from;
      return make();
    });
  }

  #declare(shape: readonly number[], start: Start): Tensor {
    const tensor = declare(shape);
    this.#starts.push({ tensor, start, stream: this.#stream++ });
    return tensor;
  }

  /** Writes the initial values on the device, of all tensors or those wanted; the same seed gives the same bits. */
  fill(wanted?: ReadonlySet<Tensor>): void {
    const { seed } = this;
    using scope = new Scope();
    for (const { tensor, start, stream } of this.#starts) {
      if (wanted && !wanted.has(tensor)) continue;
      const flat = tensor.reshape([-1]);
      if (start.kind === "constant") assign(tensor, new Float32Array(tensor.numel).fill(start.value));
      else if (start.kind === "normal") initNormal(flat, { seed, stream, std: start.std });
      else initUniform(flat, { seed, stream, bound: start.bound });
    }
    void scope;
  }
}

/** A named set of parameters that share a learning rate and a weight decay. */
export interface Group {
  readonly name: string;
  /** Names and tensors. */
  readonly members: [string, Tensor][];
  /** Whether weight decay acts on it. */
  readonly decay: boolean;
  /** Where its values stay, whatever the update; no limits unless given. */
  readonly range?: { readonly least: number; readonly most: number };
}

/**
 * Memory for all groups, with gradients and `moments` arrays of optimiser state, of which each optimiser says its number:
 * `allocate(groups, AdamW.moments)`. Parameters that are left out of all groups are frozen: `allocateFrozen` gives them memory. Those
 * that `halves` names lie in shards of their own, with halves (`Shard.halves`).
 */
export function allocate(
  groups: readonly Group[],
  moments: number | ((group: Group) => number),
  halves: (name: string) => boolean = () => false,
): Map<string, Shard[]> {
  takes(
    "allocate(groups: { name: text, members: any[], ... }[], moments: natural | function, halves?: function, ...)",
    arguments,
  );
  const shardsOf = (group: Group): Shard[] => {
    const count = typeof moments === "number" ? moments : moments(group);
    return [false, true].flatMap((half) => {
      const members = group.members.filter(([name]) => halves(name) === half).map(([, t]) => t);
      return members.length > 0 ? allocateGroup(members, count, half) : [];
    });
  };
  return new Map(groups.map((group) => [group.name, shardsOf(group)]));
}
