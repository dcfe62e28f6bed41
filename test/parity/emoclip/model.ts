// An EmoCLIP of a golden file: its weights, on the device, and what a forward pass gives.
import { allocateFrozen, assign, type Shard, type Tensor, tensor } from "../../../engine/index.ts";
import { later } from "../../../engine/record/compute.ts";
import { crossEntropy, exp, logits, normalize, transpose } from "../../../kernels/index.ts";
import {
  allocate,
  EmoClip,
  emoClip,
  type EmoClipConfig,
  endPositions,
  type Group,
  Init,
  named,
} from "../../../model/index.ts";
import type { Folder } from "../folder.ts";

/** Sizes as the golden files give them. */
export interface TinySizes {
  readonly embed_dim: number;
  readonly image: number;
  readonly patch: number;
  readonly v_width: number;
  readonly v_heads: number;
  readonly v_layers: number;
  readonly ctx: number;
  readonly vocab: number;
  readonly t_width: number;
  readonly t_heads: number;
  readonly t_layers: number;
  readonly nhead: number;
  readonly layers: number;
  /** Width of a head: the official code's swap. */
  readonly dim_forward: number;
}

export function configOf(sizes: TinySizes, frames: number): EmoClipConfig {
  const { embed_dim: embed, image, patch, ctx, vocab, nhead, layers, dim_forward } = sizes;
  return {
    embed,
    vision: {
      image,
      patch,
      width: sizes.v_width,
      layers: sizes.v_layers,
      heads: sizes.v_heads,
      mlp: 4 * sizes.v_width,
    },
    text: { context: ctx, vocabulary: vocab, width: sizes.t_width, layers: sizes.t_layers, heads: sizes.t_heads },
    temporal: { frames, positions: 1024, layers, heads: nhead, headWidth: dim_forward, hidden: embed },
    activation: "quickGelu",
  };
}

/** A model whose parameters of `trains` have gradients; the others are held. */
export class GoldenModel {
  readonly model: EmoClip;
  readonly groups: readonly Group[];
  readonly shards: ReadonlyMap<string, readonly Shard[]>;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly #frozen: { free(): void } | undefined;

  constructor(config: EmoClipConfig, trains: (name: string) => boolean) {
    this.model = new EmoClip(config, new Init(0));
    this.parameters = new Map(named(this.model));
    const all = [...this.parameters];
    this.groups = emoClip.groups(all.filter(([name]) => trains(name)));
    this.shards = allocate(this.groups, 0);
    const held = all.filter(([name]) => !trains(name)).map(([, held]) => held);
    this.#frozen = held.length > 0 ? allocateFrozen(held) : undefined;
  }

  /** Gives parameters the values that a file has for them under a prefix; the others, and their names, are what it returns. */
  load(folder: Folder, file: string, prefix: string): string[] {
    return loadInto(this.parameters, folder, file, prefix);
  }

  /** The gradients of what trains, by official name. */
  *gradients(): Generator<[name: string, gradient: Tensor]> {
    for (const { name: group, members } of this.groups) {
      const names = new Map(members.map(([name, member]) => [member, name]));
      for (const shard of this.shards.get(group)!)
        for (const [i, member] of shard.members.entries()) yield [names.get(member)!, shard.part(shard.gradients, i)];
    }
  }

  free(): void {
    for (const shard of [...this.shards.values()].flat()) shard.free();
    this.#frozen?.free();
  }
}

/** The values that a file has for parameters under a prefix; names of those for which it has none. */
export function loadInto(
  parameters: ReadonlyMap<string, Tensor>,
  folder: Folder,
  file: string,
  prefix: string,
): string[] {
  const tensors = folder.tensors(file);
  const absent: string[] = [];
  for (const [name, parameter] of parameters)
    if (tensors.has(prefix + name)) assign(parameter, Float32Array.from(tensors.tensor(prefix + name).data));
    else absent.push(name);
  return absent;
}

/** Tokens of a golden file as tensors of the open scope. */
export function texts(ids_KW: ArrayLike<number>, context: number): { tokens: Tensor<"u32">; ends: Tensor<"u32"> } {
  const ids = Uint32Array.from(ids_KW);
  const K = ids.length / context;
  return {
    tokens: tensor(ids, [K, context], "u32"),
    ends: tensor(endPositions(ids, context), [K], "u32"),
  };
}

/** Everything that a forward pass gives, under the names of the golden files. */
export function forward(model: EmoClip, video: Tensor, tokens: Tensor<"u32">, ends: Tensor<"u32">) {
  const frame_features = model.encodeFrames(video);
  const temporal_out = model.temporal.all(frame_features);
  const video_features = model.temporal.forward(frame_features);
  const text_features = model.backbone.forward(tokens, ends);
  const [v, t] = [normalize(video_features), normalize(text_features)];
  const l_BK = logits(v, t, exp(model.logit_scale));
  return {
    frame_features,
    temporal_out,
    video_features,
    text_features,
    video_features_norm: v,
    text_features_norm: t,
    logits_per_image: l_BK,
    logits_per_text: transpose(l_BK),
  };
}

/** The two halves of the loss, and their mean. */
export function losses(l_BB: Tensor): { loss_i: Tensor; loss_t: Tensor } {
  const [B] = l_BB.shape;
  const own = tensor(
    Uint32Array.from({ length: B }, (_, i) => i),
    [B],
    "u32",
  );
  return { loss_i: crossEntropy(l_BB, own), loss_t: crossEntropy(transpose(l_BB), own) };
}

/** Reads tensors of a scope after it has ended. */
export function reading(values: Readonly<Record<string, Tensor>>): Map<string, Promise<ArrayLike<number>>> {
  return new Map(Object.entries(values).map(([name, value]) => [name, later(value)]));
}
