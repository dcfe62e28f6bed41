// The public names of the data layer: files -> typed arrays. It knows no tensors.
export type { BadSample } from "./bad-samples.ts";
export type { ClipBatch } from "./shards/batch.ts";
export { type BatchOptions, type BenchmarkBatch, benchmarkBatches } from "./sets/batches.ts";
export type { Benchmark, BenchmarkSample } from "./sets/benchmark.ts";
export { benchmarkSplits, type OpenOptions, openBenchmark } from "./sets/index.ts";
export { loadSample } from "./sets/load.ts";
export {
  type BenchmarkName,
  benchmarkNames,
  type Compat,
  type Decision,
  type Switches,
  switchTable,
} from "./sets/switches.ts";
export { type Clip, type ClipInfo, type Labels, SENTIMENTS } from "./shards/clip.ts";
export { type BoxMeaning, boxesFrom, type FrameName, nobody, openBoxes, type SubjectBoxes } from "./footage/boxes.ts";
export { type Footage, type FootageOptions, readFootage } from "./footage/footage.ts";
export type { AnyPixels, Pixels, Shown, View } from "./pixels/view.ts";
export { decodeImage, frameInto, MEAN, normaliseInto, STD } from "./pixels/image.ts";
export { forEvaluation, forTraining, Loader, type LoaderOptions } from "./shards/loader.ts";
export { type Box, type BoxRule, boxesOf, type Detection, letterbox, scaleBox } from "./pixels/boxes.ts";
export { maskFullSizeInto, maskInto } from "./pixels/mask.ts";
export { centreOffset, type Image, type Rect, resize, resizeCrop, type Size, shortSideSize } from "./pixels/resize.ts";
export { linspaceFrames } from "./sampling.ts";
export { badSamples, indexShards } from "./shards/check.ts";
export type { ShardEntry, ShardIndex } from "./shards/index-file.ts";
export { type WriteOptions, writeShards } from "./shards/writer.ts";
export { openShards, type Sample, ShardReader, type ShardSet } from "./shards/shards.ts";
export { ClipTokenizer, openTokenizer, type Tokenizer } from "./tokenizer/clip.ts";
export {
  type ByteLevelTable,
  ByteLevelTokenizer,
  openByteLevel,
  type TokenRow,
} from "./tokenizer/byte-level.ts";
export { vocabularyOf, WordTokenizer, wordsOf } from "./tokenizer/words.ts";
export { type TrainingSample, TrainingSet, type TrainingSetOptions } from "./official/training-set.ts";
