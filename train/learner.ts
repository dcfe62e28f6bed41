// A model with its optimiser, and how one update is recorded: on a device, or in a plan that only measures.
import {
  allocateFrozen,
  during,
  type Frozen,
  type Gradients,
  keep,
  later,
  recompute,
  Scope,
  type Shard,
  Tape,
  type Tensor,
  type TypedArray,
  UsageError,
} from "../engine/index.ts";
import { runner } from "../engine/record/runner.ts";
import { takes } from "../engine/takes.ts";
import { cast, concat } from "../kernels/index.ts";
import type { Through } from "../model/clip/block.ts";
import { Dropout } from "../model/dropout.ts";
import { families } from "../model/families.ts";
import type { Family, VideoText } from "../model/family.ts";
import { allocate, type Group, Init, named } from "../model/params.ts";
import type { PixelsOfClips } from "../model/pixels.ts";
import { sentimentContrast } from "./loss.ts";
import { momentsFor, optimizerFor } from "./optimizers/named.ts";
import type { Optimizer, PerGroup } from "./optimizers/optimizer.ts";
import { checkHalf, HalvedModel, halvedBy, LossScale } from "./precision.ts";
import { type ClipSpan as Part, ownSpan } from "./peers.ts";
import type { GroupSettings } from "./rates.ts";
import { type Meeting, type FeaturePair, spansIn, sharedGradients } from "./shared-gradients.ts";
import { WeightAverage } from "./weight-average.ts";

/** What both branches read of some clips, as tensors of the open scope. */
export interface ClipTensors {
  readonly video: VideoTensors;
  readonly text: TextTensors;
}

/** Pixels of clips with their masks; or, of a frame tower that is frozen as a whole, what it made of each frame, in f32. */
export type VideoTensors = PixelsOfClips | { readonly frames_BTE: Tensor };

/** Tokens of texts, with the position of each text's end token; or, of a text tower that is frozen as a whole, its rows of unit length. */
export type TextTensors =
  | { readonly tokens_BW: Tensor<"u32">; readonly ends_B: Tensor<"u32"> }
  | { readonly text_BE: Tensor };

/** A batch as a step asks for it: each call makes tensors of the scope that is open then. */
export interface StepInputs {
  /** Clips `from` … `from + count − 1`; who asks for one of the two only makes no other. */
  clips(from: number, count: number): ClipTensors;
  /** Sentiment logits of the whole batch, s_BQ. */
  sentiment(): Tensor;
  /** A number for each text of the whole batch, equal ones where texts are equal, n_B: where the settings mask them. */
  texts?(): Tensor<"u32">;
}

/** The four numbers that a step reads back. */
export interface StepNumbers {
  /** The loss, a single number each: nats. */
  readonly loss: Promise<TypedArray>;
  /** Global norm of the gradients before clipping. */
  readonly norm: Promise<TypedArray>;
  /** Elements of the gradients, or losses, that are not finite; with any, nothing is changed. */
  readonly bad: Promise<TypedArray>;
  /** The parameter logit_scale, ln(1/τ). */
  readonly logitScale: Promise<TypedArray>;
  /** With precision amp what the next loss is multiplied by. */
  readonly lossScale?: Promise<TypedArray>;
}

/**
 * A model with its parameters in flat groups, its gradients and its optimiser. `record` records one update, on a device or in a
 * plan (`planStep`); `Trainer` is one with data.
 */
export class Learner<M extends VideoText = VideoText> {
  readonly model: M;
  readonly groups: readonly Group[];
  readonly shards: ReadonlyMap<string, readonly Shard[]>;
  protected readonly init: Init;
  protected readonly optimizer: Optimizer;
  /** With precision amp the scale of the loss. */
  protected readonly lossScale: LossScale | undefined;
  readonly #frozen: readonly Frozen[];
  readonly #halved: HalvedModel | undefined;
  /** Of the weights, where the settings ask for one. */
  readonly average: WeightAverage | undefined;

  /** Declares the parameters and gives them memory, if what runs has any; they have no values yet. */
  constructor(
    config: object,
    readonly settings: GroupSettings,
    readonly family: Family = families[0],
  ) {
    takes("new Learner(config: object, settings: object, family?: object, ...)", arguments);
    this.init = new Init(settings.seed);
    this.model = family.build(config, this.init) as M;
    const parameters = [...named(this.model)];
    this.groups = family.groups(parameters.filter(([name]) => family.trains(name)));
    const { precision = "f32", modelEmaDecay: ema = 0 } = settings;
    const halves = halvedBy(family, precision);
    this.shards = allocate(this.groups, momentsFor(settings) + (ema > 0 ? 1 : 0), halves);
    this.average = ema > 0 ? new WeightAverage(this.groups, this.shards, ema) : undefined;
    this.#frozen = allocateRest(
      parameters.filter(([name]) => !family.trains(name)),
      halves,
    );
    if (precision === "amp") {
      checkHalf(precision, runner().facts);
      const flats = [...[...this.shards.values()].flat(), ...this.#frozen.flatMap(({ parts }) => parts)];
      this.#halved = new HalvedModel(this.model, family, flats);
      this.lossScale = new LossScale(this.init);
    }
    this.optimizer = optimizerFor(this.groups, this.shards, settings);
  }

  /** Every parameter with its shard and its number there, which is where its moments are. */
  *places(): Generator<[name: string, shard: Shard, index: number]> {
    for (const { name, members } of this.groups) {
      const names = new Map(members.map(([name, t]) => [t, name]));
      for (const shard of this.shards.get(name)!)
        for (const [i, member] of shard.members.entries()) yield [names.get(member)!, shard, i];
    }
  }

  /** Memory beside that of `shards`, in bytes: parameters that do not train, without gradients and moments; the scale of the loss. */
  get frozenBytes(): number {
    return this.#frozen.reduce((sum, { bytes }) => sum + bytes, this.lossScale?.bytes ?? 0);
  }

  /** Number of values that do not train. */
  get frozen(): number {
    const values = this.#frozen.flatMap(({ parts }) => parts).flatMap(({ members }) => members);
    return values.reduce((sum, { numel }) => sum + numel, 0);
  }

  /** Bytes of a checkpoint's tensors: every parameter, and the moments of those that train, and their average. */
  get checkpointBytes(): number {
    let values = (momentsFor(this.settings) + (this.average ? 1 : 0)) * this.parameters;
    for (const [, { numel }] of named(this.model)) values += numel;
    return 4 * values;
  }

  /** Number of trained values. */
  get parameters(): number {
    return this.groups.reduce((sum, { members }) => sum + members.reduce((n, [, t]) => n + t.numel, 0), 0);
  }

  /** With precision amp: the scale of the next loss, of which no step is known to be sound yet. In f32 losses are not scaled. */
  scaleLoss(scale: number): void {
    takes("scaleLoss(scale: positive, ...)", arguments);
    this.lossScale?.set(scale);
  }

  /** Gives back parameters, gradients and moments, and what was planned with them; it must not be used afterwards. */
  free(): void {
    for (const shard of [...this.shards.values()].flat()) shard.free();
    for (const frozen of this.#frozen) frozen.free();
    this.lossScale?.free();
  }

  /**
   * Records update number `step` (from 1), in scopes of its own; `inputs` makes the batch inside them. Without rates it ends with the
   * gradients and their norm: nothing is updated. Errors: UsageError for inputs that do not tell what the settings need.
   */
  record(step: number, lr: PerGroup | undefined, inputs: StepInputs): StepNumbers {
    const { batch, micro, equalCaptions } = this.settings;
    if (equalCaptions === "masked" && !inputs.texts)
      throw new UsageError("equalCaptions masked: the inputs of this step do not number their texts");
    return during(`training step ${step}`, () =>
      micro > 0 && micro < batch ? this.#inParts(step, lr, inputs) : this.#atOnce(step, lr, inputs),
    );
  }

  #atOnce(step: number, lr: PerGroup | undefined, inputs: StepInputs): StepNumbers {
    using tape = new Tape();
    this.#halved?.refresh();
    const { v, t } = this.#encode(step, { from: 0, count: this.settings.batch }, inputs);
    const loss = this.#loss(v, t, inputs);
    this.#gradients(tape, loss);
    return this.#update(step, lr, later(loss));
  }

  /**
   * The same gradients in the memory of `micro` clips (Gao et al. 2021): every pair of the batch meets in the loss, so all
   * features come first, without a tape; then the slope of the loss at them; then each part once more, on a tape that starts
   * from that slope. A third more work. Dropout draws by row of the batch, so both passes see the same.
   */
  #inParts(step: number, lr: PerGroup | undefined, inputs: StepInputs): StepNumbers {
    using scope = new Scope();
    this.#halved?.refresh();
    const { batch, micro } = this.settings;
    const parts = spansIn({ from: 0, count: batch }, micro);
    const features = parts.map((part) => this.#features(step, part, inputs));
    const { loss, slopes } = this.#slopes(features, inputs);
    for (const [i, part] of parts.entries()) {
      using tape = new Tape();
      const { v, t } = this.#encode(step, part, inputs);
      const upstream = [slopes[i].v, slopes[i].t];
      if (i === 0) tape.vjp([v, t], upstream);
      else tape.accumulate([v, t], upstream);
    }
    void scope;
    return this.#update(step, lr, loss);
  }

  /**
   * Records update number `step` over ranks: this one encodes the clips of its span, every pair of the whole batch meets in the loss of
   * each, and gradients are added up before the update. It resolves when the update has been recorded.
   */
  protected async recordShared(
    step: number,
    lr: PerGroup,
    inputs: StepInputs,
    meeting: Pick<Meeting, "peers" | "exchange">,
  ): Promise<StepNumbers & { readonly meeting: number }> {
    const { batch, micro } = this.settings;
    const own = ownSpan(batch, meeting.peers);
    const { loss, meeting: ms } = await sharedGradients(
      {
        shards: [...this.shards.values()].flat(),
        refresh: () => this.#halved?.refresh(),
        features: (part) => this.#features(step, part, inputs),
        encode: (part) => this.#encode(step, part, inputs),
        slopes: (features) => this.#slopes(features, inputs),
        video: (part) => this.#encodeVideo(inputs.clips(part.from, part.count).video, this.#dropout(step, part)),
        text: (part) => this.#encodeText(inputs.clips(part.from, part.count).text),
      },
      { ...meeting, batch, own, micro: micro > 0 ? micro : own.count },
    );
    using scope = new Scope();
    void scope;
    return { ...this.#update(step, lr, loss), meeting: ms };
  }

  #features(step: number, part: Part, inputs: StepInputs): FeaturePair {
    using scope = new Scope();
    void scope;
    const { v, t } = this.#encode(step, part, inputs);
    return { v: keep(v), t: keep(t) };
  }

  /** The loss of the whole batch, its slope at every feature, and that of the logit scale in its place. */
  #slopes(features: readonly FeaturePair[], inputs: StepInputs): { loss: Promise<TypedArray>; slopes: FeaturePair[] } {
    using tape = new Tape();
    for (const { v, t } of features) for (const feature of [v, t]) tape.watch(feature);
    const v_BE = concat(features.map(({ v }) => v));
    const t_BE = concat(features.map(({ t }) => t));
    const loss = this.#loss(v_BE, t_BE, inputs);
    const gradients = this.#gradients(tape, loss);
    const slopes = features.map(({ v, t }) => ({ v: keep(gradients.get(v)), t: keep(gradients.get(t)) }));
    return { loss: later(loss), slopes };
  }

  #loss(v_BE: Tensor, t_BE: Tensor, inputs: StepInputs): Tensor {
    const { equalCaptions = "negatives", ...settings } = this.settings;
    const texts = equalCaptions === "masked" ? inputs.texts!() : undefined;
    return sentimentContrast(v_BE, t_BE, inputs.sentiment(), this.model.logit_scale, settings, texts);
  }

  /** Those of the loss, or of the loss times its scale. */
  #gradients(tape: Tape, loss: Tensor): Gradients {
    return this.lossScale ? tape.vjp([loss], [this.lossScale.scale]) : tape.gradients(loss);
  }

  #encode(step: number, part: Part, inputs: StepInputs): FeaturePair {
    const { video, text } = inputs.clips(part.from, part.count);
    return { v: this.#encodeVideo(video, this.#dropout(step, part)), t: this.#encodeText(text) };
  }

  #dropout(step: number, { from }: Part): Dropout {
    const { dropout, seed, batch } = this.settings;
    return new Dropout(dropout, seed, step * batch + from);
  }

  /** Blocks of a tower are made again for the gradient, where the settings ask for it. */
  get #through(): Through | undefined {
    return this.settings.gradCheckpointing ? recompute : undefined;
  }

  #encodeVideo(video: VideoTensors, drop: Dropout): Tensor {
    const model = this.#halved?.model ?? this.model;
    if ("frames_BT3SS" in video) return model.encodeVideo(video.frames_BT3SS, video.mask_BTSS, drop, this.#through);
    const f_BTE = this.#halved ? cast(video.frames_BTE, "f16") : video.frames_BTE;
    return model.joinFrames(f_BTE, drop, this.#through);
  }

  #encodeText(text: TextTensors): Tensor {
    if ("text_BE" in text) return text.text_BE;
    const model = this.#halved?.model ?? this.model;
    return model.encodeText(text.tokens_BW, text.ends_B, this.#through);
  }

  #update(step: number, lr: PerGroup | undefined, loss: Promise<TypedArray>): StepNumbers {
    const { norm, bad, factor } =
      lr === undefined ? this.optimizer.health() : this.optimizer.step(step, lr, this.lossScale);
    if (lr !== undefined) this.average?.follow(factor);
    const lossScale = this.lossScale && later(this.lossScale.scale);
    return { loss, norm: later(norm), bad: later(bad), logitScale: later(this.model.logit_scale), lossScale };
  }
}

/** Memory for parameters that do not train: those with halves, and the others. */
function allocateRest(parameters: readonly [string, Tensor][], halves: (name: string) => boolean): Frozen[] {
  return [false, true].flatMap((half) => {
    const members = parameters.filter(([name]) => halves(name) === half).map(([, tensor]) => tensor);
    return members.length > 0 ? allocateFrozen(members, half) : [];
  });
}
