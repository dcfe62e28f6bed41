// AdamW with the official groups and schedule in float64, as the specification writes it.
import type { GoldenTensor } from "../parity/tensor-file.ts";
import type { Node } from "./autograd.ts";
import { constant, type Parameters } from "./model.ts";

/** Options of the official trainer, warm-up by iteration. */
export interface Hyper {
  readonly lr_backbone_gb: number;
  readonly lr_backbone_rest: number;
  readonly lr_head_gb: number;
  readonly lr_head_rest: number;
  readonly lr_min: number;
  readonly weight_decay_backbone: number;
  readonly weight_decay_head: number;
  readonly adamw_beta1: number;
  readonly adamw_beta2: number;
  readonly adamw_eps: number;
  readonly warmup_t: number;
  readonly warmup_by_epoch: false;
  readonly warmup_mode: "auto";
  readonly warmup_init_factor: number;
  readonly max_epochs: number;
  readonly epoch_len: number;
}

interface Group {
  readonly name: string;
  readonly base: number;
  readonly decay: number;
  readonly members: string[];
}

export class Adam {
  readonly values = new Map<string, Float64Array>();
  readonly means = new Map<string, Float64Array>();
  readonly squares = new Map<string, Float64Array>();
  readonly groups: readonly Group[];
  #steps = 0;

  constructor(
    readonly start: ReadonlyMap<string, GoldenTensor>,
    readonly hyper: Hyper,
  ) {
    for (const [name, { data }] of start) {
      this.values.set(name, Float64Array.from(data));
      this.means.set(name, new Float64Array(data.length));
      this.squares.set(name, new Float64Array(data.length));
    }
    this.groups = groupsOf(start, hyper);
  }

  /** The values as parameters with fresh gradients. */
  nodes(): Map<string, Node> {
    return new Map(Array.from(this.values, ([name, data]) => [name, constant(this.start.get(name)!.shape, data)]));
  }

  /** One update with the gradients of `parameters`; the rates of the seven groups. */
  step(parameters: Parameters): number[] {
    const it = this.#steps++;
    const rates = this.groups.map(({ base }) => rateAt(base, it, this.hyper));
    const { adamw_beta1: b1, adamw_beta2: b2, adamw_eps: eps } = this.hyper;
    const [c1, c2] = [1 - b1 ** this.#steps, 1 - b2 ** this.#steps];
    for (const [at, { decay, members }] of this.groups.entries())
      for (const name of members) {
        const [p, m, v] = [this.values, this.means, this.squares].map((of) => of.get(name)!);
        const { grad } = parameters.get(name)!;
        for (let i = 0; i < p.length; i++) {
          p[i] *= 1 - rates[at] * decay;
          m[i] = b1 * m[i] + (1 - b1) * grad[i];
          v[i] = b2 * v[i] + (1 - b2) * grad[i] ** 2;
          p[i] -= (rates[at] * (m[i] / c1)) / (Math.sqrt(v[i]) / Math.sqrt(c2) + eps);
        }
      }
    const scale = this.values.get("logit_scale")!;
    scale[0] = Math.min(Math.max(scale[0], 0), Math.log(100));
    return rates;
  }
}

/** Frame, text and temporal, each gains and biases before the rest; then logit_scale. Groups without members do not exist. */
function groupsOf(start: ReadonlyMap<string, GoldenTensor>, hp: Hyper): Group[] {
  const part = (name: string) =>
    name.includes("logit_scale")
      ? ""
      : name.includes("backbone.visual")
        ? "frame"
        : name.includes("visual_head")
          ? "temporal"
          : "text";
  const isGain = (name: string) => start.get(name)!.shape.length < 2 || /bn|ln|bias/.test(name);
  const of = (which: string, gains: boolean) =>
    [...start.keys()].filter((name) => part(name) === which && isGain(name) === gains);
  const { lr_backbone_gb, lr_backbone_rest, lr_head_gb, lr_head_rest, weight_decay_backbone, weight_decay_head } = hp;
  const groups: Group[] = [];
  for (const [name, gb, rest, decay] of [
    ["frame", lr_backbone_gb, lr_backbone_rest, weight_decay_backbone],
    ["text", lr_backbone_gb, lr_backbone_rest, weight_decay_backbone],
    ["temporal", lr_head_gb, lr_head_rest, weight_decay_head],
  ] as const) {
    groups.push({ name: `${name}_gb`, base: gb, decay: 0, members: of(name, true) });
    groups.push({ name: `${name}_rest`, base: rest, decay, members: of(name, false) });
  }
  groups.push({ name: "logit_scale", base: lr_backbone_rest, decay: 0, members: ["logit_scale"] });
  return groups;
}

/** Warm-up over warmup_t iterations to where the cosine of epochs then is. */
function rateAt(base: number, it: number, hp: Hyper): number {
  const cosine = (epoch: number) =>
    hp.lr_min + ((base - hp.lr_min) * (1 + Math.cos((Math.PI * epoch) / hp.max_epochs))) / 2;
  const passed = Math.floor(hp.warmup_t / hp.epoch_len);
  if (it >= hp.warmup_t) return cosine(Math.max(Math.floor(it / hp.epoch_len), passed));
  const share = it / hp.warmup_t;
  return base * hp.warmup_init_factor * (1 - share) + cosine(passed) * share;
}
