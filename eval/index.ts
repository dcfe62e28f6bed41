// The public names of the evaluation layer: features, probes on them, metrics, and the files they are kept in.
export { type AttentionMaps, attentionMaps } from "./attention/maps.ts";
export { targetsOfBenchmark } from "./probes/benchmark-targets.ts";
export { bootstrap, bootstrapAll, type BootstrapOptions, type Interval } from "./probes/bootstrap.ts";
export { compare, type Comparison } from "./paper/compare.ts";
export {
  encodeImages,
  type EncodeOptions,
  encodeTexts,
  encodeVideos,
  type AnyPixels,
  type Pixels,
  type Stream,
} from "./features/encode.ts";
export { extractFeatures, type Features } from "./features/features.ts";
export { type CacheKey, cacheName, FeatureCache } from "./features/cache.ts";
export { type FileSplit, joinTargets, readFeatureFiles } from "./features/file.ts";
export { type Matrix, matrix, normalizeRows } from "./matrix.ts";
export {
  accuracy,
  anyLabelAccuracy,
  averagePrecision,
  averageRecall,
  confusion,
  f1PerLabel,
  macroAveragePrecision,
  macroR2,
  macroRocAuc,
  mse,
  pearson,
  r2,
  retrievalAt,
  rocAuc,
  topK,
  weightedF1,
} from "./probes/metrics.ts";
export { type ClassRecall, type Recognition, recognition } from "./recognition/figures.ts";
export { type RegressionFigures, regressionFigures } from "./regression/figures.ts";
export { type NpyArray, npyBytes, readNpy, readNpyFile } from "../data/formats/npy.ts";
export { type ProbeSplit, probeStage, type Row, similarities } from "./probes/probe-table.ts";
export {
  decide,
  fitOneVsRest,
  fitRidge,
  fitSoftmax,
  type LinearModel,
  type LogisticModel,
  type LogisticOptions,
  oneVsRestScores,
  predictClasses,
  type SoftmaxModel,
  softmaxScores,
} from "./probes/probes.ts";
export { type Metric, type Probe, type Protocol, protocols, type Task } from "./probes/protocol.ts";
export { type EvaluationResult, resultText } from "./paper/result.ts";
export { type LogitBatch, reweight, type Reweighting } from "./paper/reweighting.ts";
export { type Savgol, savgol, smooth, type Smoothing } from "./probes/savgol.ts";
export { score, type ScoreOptions } from "./probes/score.ts";
export type { ClassTable, Figure, SplitFeatures, Targets, TaskResult } from "./probes/outcome.ts";
export { type SentimentLogits, sentimentLogits, type SentimentOptions } from "./sentiment.ts";
export type { RunSummary } from "../train/runs/runs.ts";
export { loadTokenizer, tokenizerOf } from "../model/checkpoint/tokenizer.ts";
export {
  classifierOf,
  emotionTemplates,
  probabilities,
  promptsOf,
  rankedClasses,
  sameClasses,
  scoreZeroShot,
  type ZeroShotClass,
  zeroShotClassifier,
  zeroShotLogits,
  type ZeroShotScore,
} from "./zero-shot/zero-shot.ts";
