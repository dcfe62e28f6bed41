// Mixed precision: products in half precision on copies of f32 masters, and a loss that is multiplied by a scale so that small
// gradients are not lost in f16. The scale is kept and decided about on the device, as by torch.cuda.amp.GradScaler.
import { allocateFrozen, assign, type Frozen, GpuError, type Shard, type Tensor, UsageError } from "../engine/index.ts";
import { halve, scaledFactor } from "../kernels/index.ts";
import type { Family, VideoText } from "../model/family.ts";
import { Init, named, replaceTensors } from "../model/params.ts";
import type { Health, Scaling } from "./optimizers/optimizer.ts";
import type { Settings } from "./settings.ts";

/** f32: all of it. amp: parameters, activations and gradients of products are f16, masters, moments, statistics and loss f32. */
export type Precision = Settings["precision"];

/** As torch.cuda.amp.GradScaler begins. */
export const firstScale = 2 ** 16;

/** Below this a scale saves nothing: gradients that are not finite have another cause than it. */
export const leastScale = 1;

/** Which parameters of a family have halves. Errors: UsageError for a family that does not say. */
export function halvedBy(family: Family, precision: Precision): (name: string) => boolean {
  if (precision === "f32") return () => false;
  const { halves } = family;
  if (!halves)
    throw new UsageError(
      `precision amp: ${family.name} does not say which of its parameters may be of half precision; --precision f32`,
    );
  return (name) => halves(name);
}

/** Errors: GpuError for mixed precision where the device has no f16. */
export function checkHalf(precision: Precision, facts: { readonly f16: boolean; readonly adapter: string }): void {
  if (precision === "amp" && !facts.f16)
    throw new GpuError(
      `precision amp: ${facts.adapter} has no half precision (shader-f16); --precision f32 needs none`,
    );
}

type Flat = Pick<Shard, "parameters" | "members" | "halves">;

/** A model that computes on the halves of another's parameters, and on those themselves that have none. */
export class HalvedModel {
  readonly model: VideoText;
  readonly #flats: readonly Required<Flat>[];

  constructor(master: VideoText, family: Family, flats: readonly Flat[]) {
    this.#flats = flats.filter((flat): flat is Required<Flat> => flat.halves !== undefined);
    const halves = new Map(
      this.#flats.flatMap(({ members, halves }) => members.map((member, i) => [member, halves.members[i]] as const)),
    );
    this.model = family.build(master.config, new Init(0));
    const own = new Map([...named(this.model)]);
    replaceTensors(this.model, new Map([...named(master)].map(([name, t]) => [own.get(name)!, halves.get(t) ?? t])));
  }

  /** Records what makes the halves those of the masters as they are now: a launch for each flat array. */
  refresh(): void {
    for (const { parameters, halves } of this.#flats) halve(parameters, halves.parameters);
  }
}

/** The number that a loss is multiplied by. It halves with a step that is not finite and doubles after 2000 that are. */
export class LossScale implements Scaling {
  readonly scale: Tensor;
  /** Sound steps since it last changed. */
  readonly sound: Tensor;
  readonly #memory: Frozen;

  constructor(init: Init) {
    this.scale = init.constant([], firstScale);
    this.sound = init.constant([], 0);
    this.#memory = allocateFrozen([this.scale, this.sound]);
  }

  set(scale: number): void {
    assign(this.scale, [scale]);
    assign(this.sound, [0]);
  }

  factor({ norm, bad }: Omit<Health, "factor">, most: number): { factor: Tensor; norm: Tensor } {
    const [factor, own] = scaledFactor(norm, bad, this.scale, this.sound, { most });
    return { factor, norm: own };
  }

  /** What a checkpoint holds of it, named as in the official one. */
  *state(): Generator<[string, Tensor]> {
    yield ["grad_scaler.scale", this.scale];
    yield ["grad_scaler._growth_tracker", this.sound];
  }

  get bytes(): number {
    return this.#memory.bytes;
  }

  free(): void {
    this.#memory.free();
  }
}
