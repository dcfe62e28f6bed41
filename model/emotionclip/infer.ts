// The configuration that the shapes in a checkpoint imply (the official builder's rules), and what they leave open.
import { CheckpointError } from "../../engine/errors.ts";
import { quoted } from "../../data/formats/json.ts";
import type { StoredTensor } from "../../data/formats/content.ts";
import type { HeadConfig, ModelConfig, SaamConfig, TextConfig, VisionConfig } from "./config.ts";
import { preset, presetNames, vitB32 } from "./presets.ts";

/** Sizes that the tensors fix: a configuration that differs belongs to another model. */
export interface ModelSizes {
  /** Rows of the frame tower's positions: patches and one. An image of 0 is one that they do not tell: no square has as many. */
  readonly rows: number;
  readonly embed: number;
  readonly vision: Pick<VisionConfig, "image" | "patch" | "width" | "layers" | "mlp">;
  readonly text: Pick<TextConfig, "context" | "vocabulary" | "width" | "layers">;
  readonly head: Partial<HeadConfig>;
  readonly saam?: Pick<SaamConfig, "layers" | "logit">;
}

/** Parameters by their official names. */
type Tensors = ReadonlyMap<string, StoredTensor>;

const mostBlocks = 256;

/** Reads the sizes off the shapes. A tensor that is needed for it and missing or impossible is a CheckpointError. */
export function sizesOf(tensors: Tensors, backboneOnly: boolean): ModelSizes {
  refuseResnet(tensors.keys());
  const [width, , patch] = shapeOf(tensors, "backbone.visual.conv1.weight", 4);
  const [rows] = shapeOf(tensors, "backbone.visual.positional_embedding", 2);
  const grid = Math.round(Math.sqrt(rows - 1));
  const isSquare = grid >= 1 && grid ** 2 + 1 === rows;
  const [context, textWidth] = shapeOf(tensors, "backbone.positional_embedding", 2);
  return {
    rows,
    embed: shapeOf(tensors, "backbone.text_projection", 2)[1],
    vision: {
      image: isSquare ? patch * grid : 0,
      patch,
      width,
      layers: blocks(tensors, "backbone.visual.transformer.resblocks."),
      mlp: shapeOf(tensors, "backbone.visual.transformer.resblocks.0.mlp.c_fc.weight", 2)[0],
    },
    text: {
      context,
      vocabulary: shapeOf(tensors, "backbone.token_embedding.weight", 2)[0],
      width: textWidth,
      layers: blocks(tensors, "backbone.transformer.resblocks."),
    },
    head: backboneOnly ? {} : headOf(tensors),
    ...saamOf(tensors),
  };
}

function shapeOf(tensors: Tensors, name: string, axes: number): readonly number[] {
  const shape = tensors.get(name)?.shape;
  if (!shape) throw new CheckpointError(`no ${name}, which tells the model's sizes`);
  if (shape.length !== axes || shape.some((size) => size < 1))
    throw new CheckpointError(`${name} is [${shape}]; ${axes} axes of at least 1 are expected`);
  return shape;
}

function headOf(tensors: Tensors): Partial<HeadConfig> {
  const names = [...tensors.keys()].filter((name) => name.startsWith("visual_head.") && !name.endsWith("position_ids"));
  if (names.length === 0) return { kind: "mean" };
  if (names.length === 1 && names[0] === "visual_head.fusion_layer.weight") return { kind: "conv1d" };
  return {
    kind: "transformer",
    frames: shapeOf(tensors, "visual_head.frame_position_embedding.weight", 2)[0],
    layers: blocks(tensors, "visual_head.fusion_layer.layers."),
    feedForward: shapeOf(tensors, "visual_head.fusion_layer.layers.0.linear1.weight", 2)[0],
  };
}

/** SAAM shows in its parameters; with none in any block only the subject token is its own. */
function saamOf(tensors: Tensors): Pick<ModelSizes, "saam"> {
  if (!tensors.has("backbone.visual.hmn_embedding")) return {};
  const logits = [...tensors].filter(([name]) => name.endsWith(".saam_logit"));
  const shape = logits[0]?.[1].shape;
  return { saam: { layers: logits.length, ...(shape && { logit: shape }) } };
}

/** Blocks below `prefix`: one more than the highest number, so that a gap shows as missing names. */
function blocks(tensors: Tensors, prefix: string): number {
  let count = 0;
  for (const name of tensors.keys()) {
    if (!name.startsWith(prefix)) continue;
    const digits = /^\d+(?=\.)/.exec(name.slice(prefix.length))?.[0];
    if (digits) count = Math.max(count, Number(digits) + 1);
  }
  if (count > mostBlocks) throw new CheckpointError(`${prefix}${count - 1}: at most ${mostBlocks} blocks are read`);
  return count;
}

function refuseResnet(names: Iterable<string>): void {
  for (const name of names)
    if (/^backbone\.visual\.(layer\d|attnpool)\./.test(name))
      throw new CheckpointError(`a ResNet frame tower (${quoted(name)}): its kind takes no mask and is not supported`);
}

/** What shapes do not tell, as far as the rules of the official builders go; undefined where none fits. */
export interface Guesses {
  readonly activation: ModelConfig["activation"];
  readonly visionHeads: number | undefined;
  readonly textHeads: number | undefined;
}

/** Heads are width/64, but for published towers that have others (ViT-H and ViT-g). */
export function headsGuessed({ vision, text }: ModelSizes): Omit<Guesses, "activation"> {
  const by64 = (width: number) => (width % 64 === 0 ? width / 64 : undefined);
  const known = presetNames.map(preset).find((each) => {
    return each.vision.width === vision.width && each.vision.layers === vision.layers;
  });
  return { visionHeads: known?.vision.heads ?? by64(vision.width), textHeads: by64(text.width) };
}

/** Sizes and guesses together; heads that nobody can guess are 0. */
export function configOf(sizes: ModelSizes, { activation, visionHeads, textHeads }: Guesses): ModelConfig {
  const { embed, vision, text, head, saam } = sizes;
  return {
    embed,
    vision: { ...vision, heads: visionHeads ?? 0 },
    text: { ...text, heads: textHeads ?? 0 },
    head: { ...vitB32.head, ...head },
    activation,
    subject: saam ? "saam" : "sap",
    ...(saam && { saam: { mode: "shift", threshold: 0, ...saam } }),
  };
}
