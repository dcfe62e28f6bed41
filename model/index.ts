// The public names of the model layer: EmotionCLIP, its parts, its parameters and their files.
export { Attention, type Mix } from "./clip/attention.ts";
export { Block } from "./clip/block.ts";
export { Dropout, type Dropping } from "./dropout.ts";
export { LayerNorm } from "./clip/layer-norm.ts";
export type { Linear } from "./clip/linear.ts";
export { PostNormLayer } from "./clip/post-norm-layer.ts";
export { SubjectBlock } from "./emotionclip/subject-block.ts";
export type { ConfigOverride } from "./emotionclip/describe.ts";
export { describe, families } from "./families.ts";
export type { Description, Family, Passed, SubjectTower, Takes, VideoText } from "./family.ts";
export {
  fillModel,
  type Loaded,
  loadModel,
  type LoadOptions,
  prepareLoad,
} from "./checkpoint/load.ts";
export type { LoadPlan, LoadReport } from "./checkpoint/plan.ts";
export { checkConfig, type HeadConfig, type ModelConfig, type SaamConfig, type Subject } from "./emotionclip/config.ts";
export { gridOf, type TextConfig, type VisionConfig } from "./clip/config.ts";
export { configFromJson, configFromValue, configToJson } from "./emotionclip/official-config.ts";
export type { FileDtype } from "../data/formats/dtypes.ts";
export { EmotionClip, logitScaleStart } from "./emotionclip/emotionclip.ts";
export { FrameEncoder } from "./emotionclip/frame-encoder.ts";
export { preset, presetNames, vitB32 } from "./emotionclip/presets.ts";
export { stageModel } from "./emotionclip/stage.ts";
export { groupsOf, logitScaleMost } from "./emotionclip/groups.ts";
export { emoClipB32, type EmoClipConfig, type TemporalConfig } from "./emoclip/config.ts";
export { EmoClip } from "./emoclip/emoclip.ts";
export { emoClip } from "./emoclip/family.ts";
export { TemporalModule, type TemporalSizes } from "./emoclip/temporal.ts";
export type { RobertaConfig } from "./roberta/config.ts";
export { openRoberta, type RobertaFiles } from "./roberta/open.ts";
export { RobertaClassifier } from "./roberta/roberta.ts";
export { emotionClip } from "./emotionclip/family.ts";
export { type FrameTensors, pixelTensors } from "./pixels.ts";
export { allocate, type Group, Init, named } from "./params.ts";
export { load, type LoadedModule, type LoadModuleOptions, save, type Saved, type SaveOptions } from "./module-file.ts";
export {
  type SafetensorsEntry,
  parseSafetensors,
  SafetensorsFile,
  safetensorsBytes,
  safetensorsSize,
  type TensorInfo,
} from "../data/formats/safetensors.ts";
export { type ShardedFile, shardedFiles } from "../data/formats/safetensors-index.ts";
export { TemporalConv, type TemporalHead, TemporalMean, TemporalTransformer } from "./emotionclip/temporal-encoder.ts";
export { endPositions, TextEncoder, textRows } from "./clip/text-encoder.ts";
export {
  type Content,
  Inert,
  type WeightOptions,
  openWeights,
  type StoredTensor,
  TensorRef,
  type WeightFile,
} from "../data/formats/weights.ts";
