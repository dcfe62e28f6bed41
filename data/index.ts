// The public names of the data layer: files -> typed arrays. It knows no tensors.
export type { BadSample, ClipBatch } from "./batch.ts";
export { type BatchOptions, type BenchmarkBatch, benchmarkBatches } from "./benchmarks/batches.ts";
export type { Benchmark, Sample as BenchmarkSample } from "./benchmarks/benchmark.ts";
export { benchmarkSplits, type OpenOptions, openBenchmark } from "./benchmarks/index.ts";
export { loadSample, type Pixels } from "./benchmarks/load.ts";
export {
  type BenchmarkName,
  benchmarkNames,
  type Compat,
  type Decision,
  type Switches,
  switchTable,
} from "./benchmarks/switches.ts";
export { type Clip, type ClipInfo, type Labels, SENTIMENTS } from "./clip.ts";
export { type BoxMeaning, boxesFrom, type FrameName, nobody, openBoxes, type SubjectBoxes } from "./footage/boxes.ts";
export { type Footage, type FootageOptions, readFootage } from "./footage/footage.ts";
export type { View } from "./frames.ts";
export { decodeImage, frameInto, MEAN, normaliseInto, STD } from "./image.ts";
export { forEvaluation, forTraining, Loader, type LoaderOptions } from "./loader.ts";
export {
  type Box,
  type BoxRule,
  boxesOf,
  type Detection,
  letterbox,
  maskFullSizeInto,
  maskInto,
  scaleBox,
} from "./mask.ts";
export { centreOffset, type Image, type Rect, resize, resizeCrop, type Size, shortSideSize } from "./resize.ts";
export { linspaceFrames } from "./sampling.ts";
export { badSamples, indexShards } from "./shard-check.ts";
export type { ShardEntry, ShardIndex } from "./shard-index.ts";
export { type WriteOptions, writeShards } from "./shard-writer.ts";
export { openShards, type Sample, ShardReader, type ShardSet } from "./shards.ts";
export { ClipTokenizer, openTokenizer, type Tokenizer } from "./tokenizer/clip.ts";
export { vocabularyOf, WordTokenizer, wordsOf } from "./tokenizer/words.ts";
export { type TrainingSample, TrainingSet, type TrainingSetOptions } from "./training-set/training-set.ts";
