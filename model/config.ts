// What a model is made of: one typed configuration, and the presets of the published ones (ViT towers only).

/** How the frame encoder is told where the subject is (Sec. 3.3 of the paper). */
export type Subject = "sap" | "none";

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
}

/** What makes one vector of a clip's frames. */
export interface HeadConfig {
  readonly kind: "transformer" | "mean" | "conv1d";
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
}

/** Patches along one side of a frame; a remainder at the right and bottom is dropped. */
export const gridOf = ({ image, patch }: VisionConfig): number => Math.floor(image / patch);

/** EmotionCLIP as published: ViT-B/32, eight frames, six temporal layers, SAP. */
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
