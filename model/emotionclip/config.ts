// What a model is made of: one typed configuration, its checks, and the small model. Published ones are in presets.ts.
import { UsageError } from "../../engine/errors.ts";
import type { SubjectMode } from "../../kernels/index.ts";

/** How the frame encoder is told where the subject is: prompting, masked attention (Sec. 3.3 of the paper), or not. */
export const subjects = ["sap", "saam", "none"] as const;
export type Subject = (typeof subjects)[number];

/** What makes one vector of a clip's frames. */
export const headKinds = ["transformer", "mean", "conv1d"] as const;

/** Subject-aware attention masking. What the paper leaves open is decided in docs/adr/4-saam.md. */
export interface SaamConfig {
  /** Blocks 0 … layers − 1 move attention to the subject; the later ones see all tokens alike. */
  readonly layers: number;
  /** How the moved amount reaches the subject. */
  readonly mode: SubjectMode;
  /** A patch belongs to the subject where its share of it exceeds this. */
  readonly threshold: number;
  /** Shape of a layer's saam_logit: [heads] unless given; or [1], [heads, L], [L, L], [heads, L, L]. */
  readonly logit?: readonly number[];
}

/** A ViT frame encoder. Lengths in pixels, widths in channels. */
export interface VisionConfig {
  readonly image: number;
  readonly patch: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly mlp: number;
  /** Initial values that differ from the official ones: std of the positions, bound of the patch kernel. */
  readonly initial?: { readonly position: number; readonly patch: number };
}

/** A CLIP text transformer. */
export interface TextConfig {
  readonly context: number;
  readonly vocabulary: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Where texts cut at the context's length are read: at the start token, as published (compat), or at the last slot. */
  readonly endToken?: "compat" | "last";
}

/** What makes one vector of a clip's frames. */
export interface HeadConfig {
  readonly kind: (typeof headKinds)[number];
  readonly frames: number;
  readonly layers: number;
  readonly heads: number;
  readonly feedForward: number;
  /** Probability of dropout while training. */
  readonly dropout: number;
  /** Initial values that differ from the official ones: std of the frame positions, gain of the last norm. */
  readonly initial?: { readonly position: number; readonly gain: number };
}

export interface ModelConfig {
  /** Width of the joint embedding. */
  readonly embed: number;
  readonly vision: VisionConfig;
  readonly text: TextConfig;
  readonly head: HeadConfig;
  /** Activation of the two towers; the head always uses exact GELU. */
  readonly activation: "gelu" | "quickGelu";
  readonly subject: Subject;
  /** Settings of subject "saam"; all blocks, `shift` and any pixel unless given. */
  readonly saam?: SaamConfig;
  /** With subject "sap": patches with any subject count fully, as the paper has it, instead of by their share. */
  readonly sapIndicator?: boolean;
}

/** Patches along one side of a frame; a remainder at the right and bottom is dropped. */
export const gridOf = ({ image, patch }: VisionConfig): number => Math.floor(image / patch);

/** The settings of SAAM; undefined for other subjects. */
export function saamOf({ subject, saam, vision }: ModelConfig): SaamConfig | undefined {
  if (subject !== "saam") return undefined;
  return saam ?? { layers: vision.layers, mode: "shift", threshold: 0 };
}

/** Sizes beyond these are no model. */
const most = {
  image: 4096,
  width: 65536,
  layers: 1024,
  heads: 4096,
  context: 65536,
  vocabulary: 2 ** 24,
  frames: 1024,
};

/** Why there can be no such model: the first fault, with what was found and what is allowed; undefined for a sound one. */
export function faultOf(config: ModelConfig): string | undefined {
  const { embed, vision, text, head } = config;
  const sizes: [name: string, value: number, limit: number][] = [
    ["embed", embed, most.width],
    ["vision.image", vision.image, most.image],
    ["vision.patch", vision.patch, vision.image],
    ["vision.width", vision.width, most.width],
    ["vision.layers", vision.layers, most.layers],
    ["vision.heads", vision.heads, most.heads],
    ["vision.mlp", vision.mlp, 4 * most.width],
    ["text.context", text.context, most.context],
    ["text.vocabulary", text.vocabulary, most.vocabulary],
    ["text.width", text.width, most.width],
    ["text.layers", text.layers, most.layers],
    ["text.heads", text.heads, most.heads],
    ["head.frames", head.frames, most.frames],
    ["head.layers", head.layers, most.layers],
    ["head.heads", head.heads, most.heads],
    ["head.feedForward", head.feedForward, 4 * most.width],
  ];
  for (const [name, value, limit] of sizes)
    if (!Number.isInteger(value) || value < 1 || value > limit)
      return `${name} is ${value}, expected a whole number from 1 to ${limit}`;
  const divided: [name: string, width: number, heads: number][] = [
    ["vision", vision.width, vision.heads],
    ["text", text.width, text.heads],
    ["head", embed, head.kind === "transformer" ? head.heads : 1],
  ];
  for (const [name, width, heads] of divided)
    if (width % heads !== 0) return `${name}: ${heads} heads do not divide a width of ${width} equally`;
  if (head.kind === "conv1d" && head.frames < 3) return `head.frames is ${head.frames}, a convolution of 3 needs 3`;
  if (!(head.dropout >= 0 && head.dropout < 1)) return `head.dropout is ${head.dropout}, expected 0 <= p < 1`;
  return saamFault(config);
}

function saamFault(config: ModelConfig): string | undefined {
  const { subject, saam, sapIndicator, vision } = config;
  if (sapIndicator && subject !== "sap") return `sapIndicator goes with subject "sap", not "${subject}"`;
  if (saam && subject !== "saam") return `settings of saam go with subject "saam", not "${subject}"`;
  if (!saam) return undefined;
  const { layers, threshold, logit } = saam;
  if (!Number.isInteger(layers) || layers < 0 || layers > vision.layers)
    return `saam.layers is ${layers}, expected a whole number from 0 to the ${vision.layers} blocks`;
  if (!(threshold >= 0 && threshold <= 1)) return `saam.threshold is ${threshold}, expected 0 to 1`;
  const { heads } = vision;
  const L = gridOf(vision) ** 2 + 2;
  const shapes = [[1], [heads], [heads, L], [L, L], [heads, L, L]].map((shape) => `[${shape.join(",")}]`);
  const found = `[${(logit ?? [heads]).join(",")}]`;
  return shapes.includes(found) ? undefined : `saam.logit is ${found}, expected ${shapes.join(", ")}`;
}

/** The configuration itself; one that no model can have is a UsageError. */
export function checkConfig(config: ModelConfig): ModelConfig {
  const fault = faultOf(config);
  if (fault) throw new UsageError(`model: ${fault}`);
  return config;
}

/** EmotionCLIP as published: ViT-B/32, eight frames, six temporal layers, SAP. Others by name: presets.ts. */
export const vitB32: ModelConfig = {
  embed: 512,
  vision: { image: 224, patch: 32, width: 768, layers: 12, heads: 12, mlp: 3072 },
  text: { context: 77, vocabulary: 49408, width: 512, layers: 12, heads: 8 },
  head: { kind: "transformer", frames: 8, layers: 6, heads: 8, feedForward: 2048, dropout: 0.1 },
  activation: "gelu",
  subject: "sap",
};

/** The small model of the main job; its vocabulary is that of the embedded data set. */
export const stageModel = (vocabulary: number): ModelConfig => ({
  embed: 64,
  // strong positions and weak patches: the subject token is a sum of positions, and few steps must teach what it means
  vision: {
    image: 64,
    patch: 16,
    width: 64,
    layers: 3,
    heads: 4,
    mlp: 256,
    initial: { position: 0.5, patch: 0.03 },
  },
  text: { context: 24, vocabulary, width: 64, layers: 2, heads: 4 },
  // the head starts close to the mean over frames
  head: {
    kind: "transformer",
    frames: 4,
    layers: 1,
    heads: 4,
    feedForward: 128,
    dropout: 0,
    initial: { position: 0.02, gain: 0.1 },
  },
  activation: "gelu",
  subject: "sap",
});
