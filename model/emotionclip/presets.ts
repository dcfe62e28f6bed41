// The published configurations by their official names. ViT towers only: the official code passes a mask to every frame
// tower, which its ResNets do not take, so none of them ever ran.
import { nearest, UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import type { ModelConfig } from "./config.ts";

/** EmotionCLIP as published: ViT-B/32, eight frames, six temporal layers, SAP. Others by name: `preset`. */
export const vitB32: ModelConfig = {
  embed: 512,
  vision: { image: 224, patch: 32, width: 768, layers: 12, heads: 12, mlp: 3072 },
  text: { context: 77, vocabulary: 49408, width: 512, layers: 12, heads: 8 },
  head: { kind: "transformer", frames: 8, layers: 6, heads: 8, feedForward: 2048, dropout: 0.1 },
  activation: "gelu",
  subject: "sap",
};

/** Sizes of a kind of tower: embed, width, blocks, heads and MLP of the frame tower; width, heads and blocks of the text tower. */
const towers = {
  B: [512, 768, 12, 12, 3072, 512, 8, 12],
  Bplus: [640, 896, 12, 14, 3584, 640, 10, 12],
  L: [768, 1024, 24, 16, 4096, 768, 12, 12],
  H: [1024, 1280, 32, 16, 5120, 1024, 16, 24],
  g: [1024, 1408, 40, 16, 6144, 1024, 16, 24], // an MLP of ⌊1408 · 4.3637⌋
} as const;

/** Name -> tower, image, patch. */
const table: Readonly<Record<string, readonly [tower: keyof typeof towers, image: number, patch: number]>> = {
  "ViT-B-32": ["B", 224, 32],
  "ViT-B-32-quickgelu": ["B", 224, 32],
  "ViT-B-32-plus-256": ["Bplus", 256, 32],
  "ViT-B-16": ["B", 224, 16],
  "ViT-B-16-plus": ["Bplus", 224, 16],
  "ViT-B-16-plus-240": ["Bplus", 240, 16],
  "ViT-L-16": ["L", 224, 16],
  "ViT-L-16-320": ["L", 320, 16],
  "ViT-L-14": ["L", 224, 14],
  "ViT-L-14-280": ["L", 280, 14],
  "ViT-L-14-336": ["L", 336, 14],
  "ViT-H-14": ["H", 224, 14],
  "ViT-H-16": ["H", 224, 16],
  "ViT-g-14": ["g", 224, 14],
};

/** The official names that `preset` knows. */
export const presetNames: readonly string[] = Object.keys(table);

/** The configuration of an official name, in any case of letters; SAP, eight frames, the published head. */
export function preset(name: string): ModelConfig {
  takes("preset(name: text, ...)", arguments);
  const official = presetNames.find((known) => known.toLowerCase() === name.toLowerCase());
  if (!official) throw new UsageError(refusal(name));
  const [tower, image, patch] = table[official];
  const [embed, width, layers, heads, mlp, textWidth, textHeads, textLayers] = towers[tower];
  return {
    embed,
    vision: { image, patch, width, layers, heads, mlp },
    text: { context: 77, vocabulary: 49408, width: textWidth, layers: textLayers, heads: textHeads },
    head: vitB32.head,
    activation: official.endsWith("quickgelu") ? "quickGelu" : "gelu",
    subject: "sap",
  };
}

function refusal(name: string): string {
  if (/^RN\d+/i.test(name)) return `model "${name}": ResNet towers take no mask and are not supported; use a ViT`;
  const near = nearest(name.toLowerCase(), new Set(presetNames.map((known) => known.toLowerCase())));
  const official = presetNames.find((known) => known.toLowerCase() === near);
  return `unknown model "${name}"${official ? ` (did you mean ${official}?)` : ""}; known: ${presetNames.join(", ")}`;
}
