// The public names of the model layer: EmotionCLIP, its parts, its parameters and their files.
export { Attention, Block, Dropout, LayerNorm, type Linear, PostNormLayer } from "./block.ts";
export {
  gridOf,
  type HeadConfig,
  type ModelConfig,
  stageModel,
  type Subject,
  type TextConfig,
  type VisionConfig,
  vitB32,
} from "./config.ts";
export type { Dtype as FileDtype } from "./dtypes.ts";
export { EmotionClip, logitScaleMost, logitScaleStart } from "./emotionclip.ts";
export { FrameEncoder } from "./frame-encoder.ts";
export { allocate, type Group, groupsOf, Init, named } from "./params.ts";
export {
  type Entry as SafetensorsEntry,
  parseSafetensors,
  SafetensorsFile,
  safetensorsBytes,
  safetensorsSize,
  type TensorInfo,
} from "./safetensors.ts";
export { TemporalConv, type TemporalHead, TemporalMean, TemporalTransformer } from "./temporal-encoder.ts";
export { endPositions, TextEncoder } from "./text-encoder.ts";
