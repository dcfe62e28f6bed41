// One model in training: parameters in flat groups, one update at a time, and its state as files hold it.
import { assign, later, type Shard, Tape, type Tensor, type TypedArray, tensor } from "../engine/index.ts";
import type { ClipBatch } from "../data/batch.ts";
import { Dropout } from "../model/block.ts";
import type { ModelConfig } from "../model/config.ts";
import { EmotionClip } from "../model/emotionclip.ts";
import { allocate, type Group, groupsOf, Init, named } from "../model/params.ts";
import type { Entry, SafetensorsFile } from "../model/safetensors.ts";
import { endPositions } from "../model/text-encoder.ts";
import { sentimentContrast } from "./loss.ts";
import { AdamW } from "./optimizer.ts";
import type { Settings } from "./settings.ts";

/** What a step tells, read back while the next one runs. */
export interface StepReport {
  readonly step: number;
  readonly loss: number;
  /** Global norm of the gradients before clipping. */
  readonly norm: number;
  /** Elements of the gradients, or losses, that are not finite; with any, nothing was changed. */
  readonly bad: number;
  readonly logitScale: number;
}

/** Turns texts into rows of ids. */
export interface Tokenizer {
  readonly context: number;
  encode(texts: readonly string[]): Uint32Array;
}

export class Trainer {
  readonly model: EmotionClip;
  readonly groups: readonly Group[];
  readonly shards: ReadonlyMap<string, readonly Shard[]>;
  readonly #optimizer: AdamW;

  /** Allocates and initialises: the same seed gives the same bits. */
  constructor(
    config: ModelConfig,
    readonly tokenizer: Tokenizer,
    readonly settings: Settings,
  ) {
    const init = new Init(settings.seed);
    this.model = new EmotionClip(config, init);
    this.groups = groupsOf(named(this.model));
    this.shards = allocate(this.groups, 2);
    init.fill();
    const { beta1, beta2, decay, clip } = settings;
    this.#optimizer = new AdamW(this.groups, this.shards, { beta1, beta2, eps: 1e-6, decay, clip });
  }

  /** Number of trained values. */
  get parameters(): number {
    return this.groups.reduce((sum, { members }) => sum + members.reduce((n, [, t]) => n + t.numel, 0), 0);
  }

  /** Update number `step` (from 1) on a batch; resolves when its numbers have been read back. */
  update(step: number, batch: ClipBatch, lr: number): Promise<StepReport> {
    const { settings, model } = this;
    let reads: Promise<TypedArray>[];
    {
      using tape = new Tape();
      const drop = new Dropout(settings.dropout, settings.seed, step * settings.batch);
      const { v_BE, t_BE } = encode(model, this.tokenizer, batch, drop);
      const s_BQ = tensor(batch.sentiment, [batch.captions.length, 7]);
      const loss = sentimentContrast(v_BE, t_BE, s_BQ, model.logit_scale, settings);
      tape.gradients(loss);
      const { norm, bad } = this.#optimizer.step(step, lr);
      reads = [loss, norm, bad, model.logit_scale].map(later);
    }
    return Promise.all(reads).then(([[loss], [norm], [bad], [logitScale]]) => ({ step, loss, norm, bad, logitScale }));
  }

  /** Parameters under the official names, read from the device one at a time. */
  *modelEntries(): Generator<Entry> {
    for (const [name, t] of named(this.model)) yield entry(name, t);
  }

  /** Both moments of every parameter. */
  *optimizerEntries(): Generator<Entry> {
    for (const [name, shard, i] of this.#places())
      for (const [k, kind] of ["exp_avg", "exp_avg_sq"].entries())
        yield entry(`${name}.${kind}`, shard.part(shard.moments[k], i));
  }

  *#places(): Generator<[string, Shard, number]> {
    for (const { name, members } of this.groups) {
      const names = new Map(members.map(([name, t]) => [t, name]));
      for (const shard of this.shards.get(name)!)
        for (const [i, member] of shard.members.entries()) yield [names.get(member)!, shard, i];
    }
  }

  /** Continues from a checkpoint's files. */
  async load(model: SafetensorsFile, optimizer?: SafetensorsFile): Promise<void> {
    for (const [name, t] of named(this.model)) assign(t, await model.floats(name));
    if (!optimizer) return;
    for (const [name, shard, i] of this.#places())
      for (const [k, kind] of ["exp_avg", "exp_avg_sq"].entries()) {
        const part = shard.part(shard.moments[k], i);
        assign(part, await optimizer.floats(`${name}.${kind}`));
      }
  }
}

/** Both branches on a batch of clips: rows of unit length. */
export function encode(
  model: EmotionClip,
  tokenizer: Tokenizer,
  batch: ClipBatch,
  drop?: Dropout,
): { v_BE: Tensor; t_BE: Tensor } {
  const B = batch.captions.length;
  const { frames: T } = model.config.head;
  const { image: S } = model.config.vision;
  const tokens = tokenizer.encode(batch.captions);
  return {
    v_BE: model.encodeVideo(tensor(batch.frames, [B, T, 3, S, S]), tensor(batch.mask, [B, T, S, S]), drop),
    t_BE: model.encodeText(
      tensor(tokens, [B, tokenizer.context], "u32"),
      tensor(endPositions(tokens, tokenizer.context), [B], "u32"),
    ),
  };
}

const entry = (name: string, t: Tensor): Entry => ({
  name,
  dtype: "F32",
  shape: t.shape,
  bytes: async () => {
    const data = await t.data();
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  },
});
