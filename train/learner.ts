// A model with its optimiser, and how one update is recorded: on a device, or in a plan that only measures.
import { later, type Shard, Tape, type Tensor, type TypedArray } from "../engine/index.ts";
import { Dropout } from "../model/block.ts";
import type { ModelConfig } from "../model/config.ts";
import { EmotionClip } from "../model/emotionclip.ts";
import { allocate, type Group, groupsOf, Init, named } from "../model/params.ts";
import { sentimentContrast } from "./loss.ts";
import { AdamW } from "./optimizer.ts";
import type { Settings } from "./settings.ts";

/** What both branches read of a batch, as tensors of the open scope. */
export interface BatchTensors {
  readonly frames_BT3SS: Tensor;
  readonly mask_BTSS: Tensor;
  readonly tokens_BW: Tensor;
  /** Position of each text's end token. */
  readonly ends_B: Tensor;
}

/** The four numbers that a step reads back. */
export interface StepNumbers {
  readonly loss: Promise<TypedArray>;
  readonly norm: Promise<TypedArray>;
  readonly bad: Promise<TypedArray>;
  readonly logitScale: Promise<TypedArray>;
}

export class Learner {
  readonly model: EmotionClip;
  readonly groups: readonly Group[];
  readonly shards: ReadonlyMap<string, readonly Shard[]>;
  protected readonly init: Init;
  readonly #optimizer: AdamW;

  /** Declares the parameters and gives them memory, if what runs has any; they have no values yet. */
  constructor(
    config: ModelConfig,
    readonly settings: Settings,
  ) {
    this.init = new Init(settings.seed);
    this.model = new EmotionClip(config, this.init);
    this.groups = groupsOf(named(this.model));
    this.shards = allocate(this.groups, 2);
    const { beta1, beta2, decay, clip } = settings;
    this.#optimizer = new AdamW(this.groups, this.shards, { beta1, beta2, eps: 1e-6, decay, clip });
  }

  /** Number of trained values. */
  get parameters(): number {
    return this.groups.reduce((sum, { members }) => sum + members.reduce((n, [, t]) => n + t.numel, 0), 0);
  }

  /** Records update number `step` (from 1), in a tape of its own; `inputs` makes the batch inside it. */
  record(step: number, lr: number, inputs: () => BatchTensors & { s_BQ: Tensor }): StepNumbers {
    const { settings, model } = this;
    using tape = new Tape();
    const { frames_BT3SS, mask_BTSS, tokens_BW, ends_B, s_BQ } = inputs();
    const drop = new Dropout(settings.dropout, settings.seed, step * settings.batch);
    const v_BE = model.encodeVideo(frames_BT3SS, mask_BTSS, drop);
    const t_BE = model.encodeText(tokens_BW, ends_B);
    const loss = sentimentContrast(v_BE, t_BE, s_BQ, model.logit_scale, settings);
    tape.gradients(loss);
    const { norm, bad } = this.#optimizer.step(step, lr);
    return { loss: later(loss), norm: later(norm), bad: later(bad), logitScale: later(model.logit_scale) };
  }
}
