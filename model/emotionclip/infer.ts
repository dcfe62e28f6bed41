// The configuration of an EmotionCLIP that the shapes in a checkpoint imply (the official builder's rules), and what they leave open.
import { blocks, headsBy64, sizesIn, type Tensors, type TowerSizes, towerSizes } from "../clip/sizes.ts";
import type { HeadConfig, ModelConfig, SaamConfig } from "./config.ts";
import { preset, presetNames, vitB32 } from "./presets.ts";

/** Sizes that the tensors fix: a configuration that differs belongs to another model. */
export interface ModelSizes extends TowerSizes {
  readonly head: Partial<HeadConfig>;
  readonly saam?: Pick<SaamConfig, "layers" | "logit">;
}

/** Reads the sizes off the shapes. A tensor that is needed for it and missing or impossible is a CheckpointError. */
export function sizesOf(tensors: Tensors, backboneOnly: boolean): ModelSizes {
  return { ...towerSizes(tensors), head: backboneOnly ? {} : headOf(tensors), ...saamOf(tensors) };
}

function headOf(tensors: Tensors): Partial<HeadConfig> {
  const names = [...tensors.keys()].filter((name) => name.startsWith("visual_head.") && !name.endsWith("position_ids"));
  if (names.length === 0) return { kind: "mean" };
  if (names.length === 1 && names[0] === "visual_head.fusion_layer.weight") return { kind: "conv1d" };
  return {
    kind: "transformer",
    frames: sizesIn(tensors, "visual_head.frame_position_embedding.weight", 2)[0],
    layers: blocks(tensors, "visual_head.fusion_layer.layers."),
    feedForward: sizesIn(tensors, "visual_head.fusion_layer.layers.0.linear1.weight", 2)[0],
  };
}

/** SAAM shows in its parameters; with none in any block only the subject token is its own. */
function saamOf(tensors: Tensors): Pick<ModelSizes, "saam"> {
  if (!tensors.has("backbone.visual.hmn_embedding")) return {};
  const logits = [...tensors].filter(([name]) => name.endsWith(".saam_logit"));
  const shape = logits[0]?.[1].shape;
  return { saam: { layers: logits.length, ...(shape && { logit: shape }) } };
}

/** What shapes do not tell, as far as the rules of the official builders go; undefined where none fits. */
export interface Guesses {
  readonly activation: ModelConfig["activation"];
  readonly visionHeads: number | undefined;
  readonly textHeads: number | undefined;
}

/** Heads are width/64, but for published towers that have others (ViT-H and ViT-g). */
export function headsGuessed({ vision, text }: ModelSizes): Omit<Guesses, "activation"> {
  const known = presetNames.map(preset).find((each) => {
    return each.vision.width === vision.width && each.vision.layers === vision.layers;
  });
  return { visionHeads: known?.vision.heads ?? headsBy64(vision.width), textHeads: headsBy64(text.width) };
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
