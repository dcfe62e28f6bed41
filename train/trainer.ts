// One model in training: parameters in flat groups, one update at a time, and its state as files hold it.
import type { AnyPixels } from "../data/pixels/view.ts";
import { arrived, assign, type Tensor, tensor } from "../engine/index.ts";
import { Inspector } from "../engine/device/inspector.ts";
import { runner, useRunner } from "../engine/record/runner.ts";
import type { Value } from "../engine/record/value.ts";
import { takes } from "../engine/takes.ts";
import { notFinite } from "../kernels/index.ts";
import type { BatchWords, ClipBatch } from "../data/shards/batch.ts";
import type { Tokenizer } from "../data/tokenizer/clip.ts";
import type { Dropout } from "../model/dropout.ts";
import { readExactly } from "../model/checkpoint/load.ts";
import type { Family, VideoText } from "../model/family.ts";
import { named } from "../model/params.ts";
import { asClips, pixelTensors } from "../model/pixels.ts";
import type { SafetensorsEntry, SafetensorsFile } from "../data/formats/safetensors.ts";
import { firstNotFinite, type KnownValue, type NotFinite } from "./first-not-finite.ts";
import { type ClipTensors, Learner, type StepInputs, type StepNumbers, type VideoTensors } from "./learner.ts";
import type { Company } from "./company.ts";
import type { PerGroup } from "./optimizers/optimizer.ts";
import { ownSpan } from "./peers.ts";
import type { GroupSettings } from "./rates.ts";
import type { EncodedRows } from "./shared-gradients.ts";

/** What a step tells, read back while the next one runs. */
export interface StepReport {
  readonly step: number;
  /** The step's loss in nats. */
  readonly loss: number;
  /** Global norm of the gradients before clipping. */
  readonly norm: number;
  /** Elements of the gradients, or losses, that are not finite; with any, nothing was changed. */
  readonly bad: number;
  /** The parameter logit_scale, ln(1/τ). */
  readonly logitScale: number;
  /** With precision amp what the next loss is multiplied by. */
  readonly lossScale?: number;
  /** Where there are several ranks: ms in which this one waited for the others, or for words on their way, with nothing left to compute. */
  readonly meeting?: number;
  /** The clips of all of them. */
  readonly clips?: BatchWords;
}

/** What a frame tower that is frozen as a whole made of B clips of T frames. */
export interface KeptFrames {
  /** [B, T, E], as `encodeFrames` gives them. */
  readonly features: Float32Array;
}

/** What an update reads of a batch: clips as pixels, or as what a frozen tower made of them; texts as captions, with the same of theirs. */
export type TrainingBatch = (AnyPixels | KeptFrames) &
  Pick<ClipBatch, "captions" | "sentiment"> & {
    /** [B, E], as `encodeText` gives them; without it the captions are encoded. */
    readonly texts?: Float32Array;
  };

/** A learner that is fed batches of clips, and whose state is read and restored as checkpoints hold it. */
export class Trainer<M extends VideoText = VideoText> extends Learner<M> {
  /** Allocates and initialises: the same seed gives the same bits. */
  constructor(
    config: object,
    readonly tokenizer: Tokenizer,
    settings: GroupSettings,
    family?: Family,
    readonly company?: Company,
  ) {
    takes(
      "new Trainer(config: object, tokenizer: { encode: function, ... }, settings: object, " + "family?: object, ...)",
      arguments,
    );
    super(config, settings, family);
    this.init.fill();
  }

  /** Update number `step` (from 1) on a batch; resolves when its numbers have been read back. */
  async update(step: number, batch: TrainingBatch, lr: PerGroup): Promise<StepReport> {
    if (this.company) return this.#updateShared(step, batch as TrainingBatch & BatchWords, lr, this.company);
    return this.#reported(step, this.record(step, lr, this.#inputs(batch)));
  }

  /** The same where the batch holds the clips of this rank, a span of the settings' batch. */
  async #updateShared(
    step: number,
    batch: TrainingBatch & BatchWords,
    lr: PerGroup,
    company: Company,
  ): Promise<StepReport> {
    const { from } = ownSpan(this.settings.batch, company.peers);
    const own = this.#inputs(batch, from);
    let clips: BatchWords | undefined;
    const inputs: StepInputs = { ...own, ...this.#wordInputs(() => clips!) };
    const exchange = async (rows: EncodedRows) => {
      const all = await company.exchange(step, rows, batch);
      clips = all.clips;
      return all.rows;
    };
    const { meeting, ...reads } = await this.recordShared(step, lr, inputs, { peers: company.peers, exchange });
    const report = { ...(await this.#reported(step, reads)), meeting, clips };
    company.note(report);
    return report;
  }

  async #reported(step: number, reads: StepNumbers): Promise<StepReport> {
    const all = [reads.loss, reads.norm, reads.bad, reads.logitScale];
    const [[loss], [norm], [bad], [logitScale]] = await Promise.all(all);
    const scale = await reads.lossScale;
    return { step, loss, norm, bad, logitScale, ...(scale && { lossScale: scale[0] }) };
  }

  /** `first` is the number of its first clip in the batch of all ranks. */
  #inputs(batch: TrainingBatch, first = 0): StepInputs {
    const { model, tokenizer } = this;
    const clips = (start: number, count: number): ClipTensors => {
      const from = start - first;
      return {
        get video() {
          return uploadVideo(model, batch, from, count);
        },
        get text() {
          return batch.texts
            ? { text_BE: uploadRows(batch.texts, from, [count, model.embed]) }
            : uploadTexts(model, tokenizer, batch.captions.slice(from, from + count));
        },
      };
    };
    return { clips, ...this.#wordInputs(() => batch) };
  }

  /** What the loss reads besides features. */
  #wordInputs(clips: () => Pick<TrainingBatch, "captions" | "sentiment">): Omit<StepInputs, "clips"> {
    return {
      sentiment: () => tensor(clips().sentiment, [clips().captions.length, 7]),
      texts: () => tensor(textNumbers(clips().captions), [clips().captions.length], "u32"),
    };
  }

  /**
   * Repeats a step up to the norm of its gradients, with a look at every value on the way: the first that is not finite. The
   * parameters are those that the step began with, as long as none came behind it and it was skipped; they are not changed.
   */
  async firstNotFinite(step: number, batch: TrainingBatch & Pick<ClipBatch, "keys">): Promise<NotFinite | undefined> {
    const known = new Map<Value, KnownValue>();
    for (const [name, { value }] of named(this.model)) {
      known.set(value, { name, isPlace: true });
      if (value.grad) known.set(value.grad, { name: `the gradient of ${name}`, isPlace: true });
    }
    const inspector = new Inspector(runner(), notFinite);
    const before = useRunner(inspector);
    try {
      this.record(step, undefined, noted(this.#inputs(batch), batch, known));
    } finally {
      useRunner(before);
    }
    return firstNotFinite(await inspector.looks(), known);
  }

  /** Gives every rank the parameters, moments and averages of rank 0. */
  async share({ peers }: Company): Promise<void> {
    const tensors = [...named(this.model), ...this.#state()].map(([, t]) => t);
    for (const t of tensors) {
      const own = peers.rank === 0 ? await t.data() : new Float32Array();
      const all = await peers.broadcast(new Uint8Array(own.buffer, own.byteOffset, own.byteLength));
      if (peers.rank !== 0) assign(t, new Float32Array(all.buffer, all.byteOffset, t.numel));
    }
    await arrived();
  }

  /** Parameters under the official names, read from the device one at a time. */
  *modelEntries(): Generator<SafetensorsEntry> {
    for (const [name, t] of named(this.model)) yield entry(name, t);
  }

  /** The same with the average in the place of what trains; for a learner that has one. */
  *averageEntries(): Generator<SafetensorsEntry> {
    const averaged = new Map(this.average?.weights());
    for (const [name, t] of named(this.model)) yield entry(name, averaged.get(name) ?? t);
  }

  /** Both moments of every parameter, and the average of each; with precision amp the scale of the loss. */
  *optimizerEntries(): Generator<SafetensorsEntry> {
    for (const [name, t] of this.#state()) yield entry(name, t);
  }

  *#state(): Generator<[string, Tensor]> {
    yield* this.optimizer.state();
    yield* this.average?.state() ?? [];
    yield* this.lossScale?.state() ?? [];
  }

  /**
   * Continues from a checkpoint's files; what is to be said of it comes back. Without an average in them it begins as the weights are;
   * a scale of the loss, which one of another precision lacks, begins anew. Errors: CheckpointError that lists what they lack.
   */
  async load(model: SafetensorsFile, optimizer?: SafetensorsFile): Promise<readonly string[]> {
    await readExactly(model, [...named(this.model)]);
    const scale = [...(this.lossScale?.state() ?? [])].filter(([name]) => optimizer?.tensors.has(name));
    if (optimizer) await readExactly(optimizer, [...this.optimizer.state(), ...scale]);
    if (!this.average) return [];
    const averages = [...this.average.state()];
    if (optimizer && averages.some(([name]) => optimizer.tensors.has(name))) {
      await readExactly(optimizer, averages);
      return [];
    }
    this.average.begin();
    return ["the checkpoint has no average of the weights: it begins as they are now"];
  }
}

/** What may be not finite of what the clips of a batch bring, in words. */
const termsOfClips = {
  frames_BT3SS: "the frames of the batch",
  mask_BTSS: "the masks of the batch",
  frames_BTE: "the kept features of the batch's frames",
  text_BE: "the kept features of the batch's captions",
};

/** For each text the place of the first that is the same. */
const textNumbers = (captions: readonly string[]): Uint32Array => {
  const first = new Map<string, number>();
  for (const [i, caption] of captions.entries()) if (!first.has(caption)) first.set(caption, i);
  return Uint32Array.from(captions, (caption) => first.get(caption)!);
};

/** The same inputs; what they make is entered among the known values. */
function noted(
  inputs: StepInputs,
  { keys, captions }: Pick<ClipBatch, "keys" | "captions">,
  known: Map<Value, KnownValue>,
): StepInputs {
  const note = ({ value, numel }: Tensor, name: string, from: number, count: number) => {
    const clipOf = (element: number) => keys[from + Math.floor(element / (numel / count))];
    known.set(value, { name, isPlace: false, clipOf });
  };
  return {
    ...inputs,
    clips(from, count) {
      const { video, text } = inputs.clips(from, count);
      const made = { video, text };
      for (const [term, what] of Object.entries(termsOfClips))
        for (const branch of [made.video, made.text] as Partial<Record<string, Tensor>>[])
          if (branch[term]) note(branch[term], what, from, count);
      return made;
    },
    sentiment() {
      const made = inputs.sentiment();
      note(made, "the sentiment logits of the batch", 0, captions.length);
      return made;
    },
  };
}

/** Both branches on a batch of clips: rows of unit length. */
export function encode(
  model: VideoText,
  tokenizer: Tokenizer,
  batch: AnyPixels & Pick<ClipBatch, "captions">,
  drop?: Dropout,
): { v_BE: Tensor; t_BE: Tensor } {
  takes(
    "encode(model: { takes: object, encodeVideo: function, encodeText: function, ... }, " +
      "tokenizer: { encode: function, ... }, batch: { frames: Uint8Array | Float32Array, " +
      "mask: Uint8Array | Float32Array, captions: text[], ... }, drop?: object, ...)",
    arguments,
  );
  const { frames_BT3SS, mask_BTSS } = uploadPixels(model, batch, 0, batch.captions.length);
  const { tokens_BW, ends_B } = uploadTexts(model, tokenizer, batch.captions);
  return { v_BE: model.encodeVideo(frames_BT3SS, mask_BTSS, drop), t_BE: model.encodeText(tokens_BW, ends_B) };
}

/** Clips `from` … `from + B − 1` of a batch, as tensors of the open scope. */
function uploadVideo(model: VideoText, batch: AnyPixels | KeptFrames, from: number, B: number): VideoTensors {
  if ("frames" in batch) return uploadPixels(model, batch, from, B);
  return { frames_BTE: uploadRows(batch.features, from, [B, model.takes.frames, model.embed]) };
}

function uploadPixels({ takes: { frames: T, side, colours } }: VideoText, batch: AnyPixels, from: number, B: number) {
  return asClips(pixelTensors(batch, side, from * T, B * T, colours), T);
}

/** Items `from` … of as many as the shape says. */
function uploadRows(rows: Float32Array, from: number, shape: readonly number[]): Tensor {
  const width = shape.slice(1).reduce((a, b) => a * b, 1);
  return tensor(rows.subarray(from * width, (from + shape[0]) * width), [...shape]);
}

function uploadTexts(model: VideoText, tokenizer: Tokenizer, captions: readonly string[]) {
  const { tokens_BW, ends_B } = model.textRows(tokenizer.encode([...captions]));
  const B = captions.length;
  return {
    tokens_BW: tensor(tokens_BW, [B, model.takes.context], "u32"),
    ends_B: tensor(ends_B, [B], "u32"),
  };
}

const entry = (name: string, t: Tensor): SafetensorsEntry => ({
  name,
  dtype: "F32",
  shape: t.shape,
  bytes: async () => {
    const data = await t.data();
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  },
});
