// AdamW over flat parameter groups: global norm, clipping and the update stay on the device.
import type { Shard, Tensor } from "../engine/index.ts";
import { adamw, clipFactor, gradNorm } from "../kernels/index.ts";
import { logitScaleMost } from "../model/emotionclip.ts";
import type { Group } from "../model/params.ts";

export interface AdamSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly decay: number;
  /** Largest global gradient norm. */
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
  ) {}

  /**
   * Update number `step` (from 1) with the gradients in the shards. A step with anything not finite changes nothing.
   * logit_scale stays within [0, ln 100], as in CLIP.
   */
  step(step: number, lr: number): Health {
    const { beta1, beta2, eps, decay, clip } = this.settings;
    const all = [...this.shards.values()].flat();
    const { norm, bad } = gradNorm(all.map(({ gradients }) => gradients));
    const factor = clipFactor(norm, bad, { most: clip });
    for (const { name, decay: decays } of this.groups) {
      const range = name === "logit_scale" ? { least: 0, most: logitScaleMost } : {};
      for (const { parameters, gradients, moments } of this.shards.get(name)!)
        adamw(parameters, gradients, moments[0], moments[1], factor, {
          step,
          lr,
          beta1,
          beta2,
          eps,
          decay: decays ? decay : 0,
          ...range,
        });
    }
    return { norm, bad };
  }
}
