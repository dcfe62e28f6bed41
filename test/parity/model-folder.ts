// A folder of a model: configuration, weights and inputs, the model on the device, and what its forward pass gives. Any name,
// sizes, batch and number of frames.
import { posix } from "node:path";
import { allocateFrozen, assign, type Shard, Scope, type Tensor, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import { add, embedding, embedPatches, exp, first, logits, matmul } from "../../kernels/index.ts";
import {
  allocate,
  configFromValue,
  EmotionClip,
  endPositions,
  type Group,
  groupsOf,
  Init,
  type ModelConfig,
  named,
  TemporalTransformer,
} from "../../model/index.ts";
import { upToItself } from "../../model/clip/attention.ts";
import type { Json } from "../../data/formats/json.ts";
import type { Folder } from "./folder.ts";
import { drawnInputs } from "./drawn.ts";
import { openStart, type Start } from "./start.ts";
import type { GoldenTensor } from "./tensor-file.ts";

export type Reads = Record<string, Promise<ArrayLike<number>>>;

/** Tensors that a step takes: all clips, or the first ones. */
export interface Inputs {
  readonly frames_BT3SS: Tensor;
  readonly mask_BTSS: Tensor;
  readonly tokens_BW: Tensor<"u32">;
  readonly ends_B: Tensor<"u32">;
}

export class ModelFolder {
  readonly config: ModelConfig;
  readonly model: EmotionClip;
  readonly groups: readonly Group[];
  readonly shards: ReadonlyMap<string, readonly Shard[]>;
  /** Gives the memory of a model back that is only used; none of its tensors may be read afterwards. */
  readonly free: () => void;

  readonly #inputs: ReadonlyMap<string, GoldenTensor> | undefined;

  /** The model in `path`, relative to the golden folder, with its parameters loaded. */
  static async open(folder: Folder, path: string): Promise<ModelFolder> {
    const opened = new ModelFolder(folder, path);
    await opened.load();
    return opened;
  }

  /** Memory for gradients and moments only where a file asks for them. */
  private constructor(
    readonly folder: Folder,
    readonly path: string,
  ) {
    this.config = configOf(folder, this.file("config.json"));
    const drawn = folder.drawn(path);
    this.#inputs = drawn && drawnInputs(this.config, drawn);
    this.model = new EmotionClip(this.config, new Init(0));
    this.groups = groupsOf(named(this.model));
    const trains = (name: RegExp) =>
      folder.files.some((file) => posix.dirname(file) === path && name.test(posix.basename(file)));
    const moments = trains(/^(adamw|train)/) ? 2 : 0;
    if (moments || trains(/^grad_/)) {
      this.shards = allocate(this.groups, moments);
      this.free = () => {};
    } else {
      this.shards = new Map();
      this.free = allocateFrozen(Array.from(named(this.model), ([, t]) => t)).free;
    }
  }

  file(name: string): string {
    return posix.join(this.path, name);
  }

  /** Gives every parameter its value in the file, and the optimiser no history. */
  async load(): Promise<void> {
    const start = await this.start();
    for (const [name, parameter] of named(this.model)) {
      const values = await start.values(name, parameter.shape);
      if (values) assign(parameter, values);
    }
    await start.close();
    for (const { moments } of [...this.shards.values()].flat())
      for (const moment of moments) assign(moment, new Float32Array(moment.numel));
  }

  /** The values that its parameters begin with. */
  start(): Promise<Start> {
    return openStart(this.folder, this.path);
  }

  input(name: string): GoldenTensor {
    return this.#inputs?.get(name) ?? this.folder.tensor(this.file("inputs.safetensors"), name);
  }

  /** The inputs as tensors of the open scope. */
  upload(): Inputs {
    const [video, mask, text] = ["video", "video_mask", "text"].map((name) => this.input(name));
    const [B, W] = text.shape;
    return {
      frames_BT3SS: tensor(video.data, video.shape, "f32"),
      mask_BTSS: tensor(mask.data, mask.shape, "f32"),
      tokens_BW: tensor(text.data, text.shape, "u32"),
      ends_B: tensor(endPositions(Uint32Array.from(text.data), W), [B], "u32"),
    };
  }

  /** Name -> the member's gradient or moment in the flat arrays, read from the device when asked for. */
  *parts(of: (shard: Shard) => Tensor): Generator<[name: string, read: () => Promise<ArrayLike<number>>]> {
    for (const { name: group, members } of this.groups) {
      const names = new Map(members.map(([name, t]) => [t, name]));
      for (const shard of this.shards.get(group)!)
        for (const [i, member] of shard.members.entries())
          yield [names.get(member)!, () => shard.part(of(shard), i).data()];
    }
  }
}

/** Fields of a config.json that describe the model; others, such as the batch of the golden inputs, do not. */
const described = [
  "clip",
  "video_len",
  "temporal_fusion",
  "head",
  "heads_visual",
  "subject",
  "sap_indicator",
  "end_token",
  "saam",
];

export function configOf(folder: Folder, file: string): ModelConfig {
  const fields = Object.entries(folder.json<Record<string, Json>>(file));
  const known = fields.filter(([name, value]) => described.includes(name) && value !== null);
  return configFromValue(Object.fromEntries(known), file);
}

/** Frames and masks of all clips in a row. */
export function flatten({ frames_BT3SS, mask_BTSS }: Inputs): { frames_N3SS: Tensor; mask_NSS: Tensor } {
  const [B, T, , S] = frames_BT3SS.shape;
  return { frames_N3SS: frames_BT3SS.reshape([B * T, 3, S, S]), mask_NSS: mask_BTSS.reshape([B * T, S, S]) };
}

/** Everything a forward pass computes, under the names that golden files have for it. */
export function forward(of: ModelFolder): Reads {
  const reads: Reads = {};
  using scope = new Scope();
  const inputs = of.upload();
  const record = (name: string, value: Tensor): Tensor => {
    reads[name] = later(value);
    return value;
  };
  const frames_NE = frameTower(of, inputs, record);
  const [B, T] = inputs.frames_BT3SS.shape;
  temporalHead(of, frames_NE.reshape([B, T, of.config.embed]), record);
  textTower(of, inputs, record);
  const { model } = of;
  const v_BE = record("video_features", model.encodeVideo(inputs.frames_BT3SS, inputs.mask_BTSS));
  const t_BE = record("text_features", model.encodeText(inputs.tokens_BW, inputs.ends_B));
  const scale = record("logit_scale_exp", exp(model.logit_scale));
  record("logits", logits(v_BE, t_BE, scale));
  const { data, shape } = of.input("text");
  reads.eot_index = Promise.resolve(endPositions(Uint32Array.from(data), shape[1]));
  void scope;
  return reads;
}

/** Reads a value under a name, and hands it on. */
type Reading = (name: string, value: Tensor) => Tensor;

function frameTower({ model }: ModelFolder, inputs: Inputs, record: Reading): Tensor {
  const { visual } = model.backbone;
  const { frames_N3SS, mask_NSS } = flatten(inputs);
  record("patch_embed", embedPatches(frames_N3SS, visual.conv1.weight));
  const tokens_NMD = record("tokens_in", visual.embed(frames_N3SS, visual.cover(mask_NSS)));
  if (model.config.subject === "sap") record("sap_token", first(tokens_NMD, tokens_NMD.shape[1] - 1));
  record("ln_pre", visual.tokens(frames_N3SS, mask_NSS));
  let last = tokens_NMD;
  let at = 0;
  for (const { output } of visual.blocks(frames_N3SS, mask_NSS)) last = record(`visual_block${at++}`, output);
  const y_ND = record("ln_post", visual.ln_post.forward(first(last)));
  return record("frame_features", matmul(y_ND, visual.proj));
}

function temporalHead({ model: { visual_head } }: ModelFolder, x_BTE: Tensor, record: Reading): void {
  if (visual_head instanceof TemporalTransformer) {
    const { fusion_layer, frame_position_embedding } = visual_head;
    let y_BTE = add(x_BTE, frame_position_embedding.weight);
    for (const [i, layer] of fusion_layer.layers.entries())
      y_BTE = record(`head_layer${i}`, layer.forward(y_BTE, undefined));
    record("head_encoder", fusion_layer.norm.forward(y_BTE));
  }
  record("video_features_raw", visual_head.forward(x_BTE));
}

function textTower({ model: { backbone } }: ModelFolder, { tokens_BW, ends_B }: Inputs, record: Reading): void {
  let x_BWD = record(
    "text_in",
    add(embedding(backbone.token_embedding.weight, tokens_BW), backbone.positional_embedding),
  );
  for (const [i, block] of backbone.transformer.resblocks.entries())
    x_BWD = record(`text_block${i}`, block.forward(x_BWD, upToItself));
  record("ln_final", backbone.ln_final.forward(x_BWD));
  record("text_features_raw", backbone.forward(tokens_BW, ends_B));
}
