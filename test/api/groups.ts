// Where each exported name stands in docs/api: what people look for first comes first. An entry is a name, or a file or folder whose
// names come in the order of their declarations; a name that is listed by itself stands there and nowhere else. Types need no entry:
// they end each page, by name. A new name of a file that is listed has its place already, and a file may be listed that is not there yet; `npm run api` writes the pages.
/** A heading, what the reader should know first, and what stands there. */
export interface Group {
  readonly title: string;
  readonly about?: string;
  readonly entries: readonly string[];
}

export interface Page {
  /** Names of its first line of code. */
  readonly example: string;
  readonly about: string;
  readonly groups: readonly Group[];
}

/** By layer. */
export const pages: Readonly<Record<string, Page>> = {
  engine: {
    example: "compute, openGpu, tensor",
    about:
      "Tensors, their lifetime, gradients, parameters, reading, and the declaration of ops of one's own. No mathematics: that is in " +
      "[kernels](kernels.md). The guide is [Tensors, scopes, training loops](../guide/tensors.md).",
    groups: [
      { title: "Open a device", entries: ["openGpu", "findAdapter", "Gpu"] },
      { title: "Tensors", entries: ["tensor", "Tensor", "fill", "copy"] },
      { title: "Run and read", entries: ["compute", "later", "arrived", "during"] },
      { title: "Lifetime and gradients", entries: ["Scope", "keep", "Tape", "recompute", "detach", "accumulate"] },
      {
        title: "Parameters and other memory of your own",
        about:
          "What is made here lives until it is freed, whatever scope is open. A module is an object whose fields are such tensors " +
          "(`named` and `allocate` of [model](model.md) walk it).",
        entries: [
          "parameter",
          "persistent",
          "assign",
          "assignPart",
          "declare",
          "allocateGroup",
          "allocateFrozen",
          "free",
          "engine/device/params.ts",
        ],
      },
      {
        title: "Ops of your own",
        about: "The guide is [Your own kernel](../guide/kernels.md).",
        entries: ["op", "pass", "passOf", "ceilDiv", "engine/declare/signature.ts", "ops"],
      },
      {
        title: "Measure and plan",
        entries: ["Profiler", "MemoryReport", "traceOf", "planOnly", "placeholder", "cacheFolder", "tunedPath"],
      },
      { title: "Check gradients", entries: ["engine/device/check-gradient.ts"] },
      { title: "Errors", entries: ["engine/errors.ts"] },
      { title: "For who looks inside", entries: ["Value"] },
    ],
  },
  kernels: {
    example: "matmul, softmax",
    about:
      "Everything that computes. Each function records its work in the open scope and returns a tensor at once; " +
      "gradients follow on a tape. Shapes broadcast as in NumPy where it says so, an axis below 0 counts from the end. What was called " +
      "with something else is refused at the call, with a sentence (`ShapeError`, `UsageError`).",
    groups: [
      {
        title: "Creation and random numbers",
        entries: ["kernels/create/", "kernels/random/draws.ts", "initUniform", "initNormal"],
      },
      {
        title: "Arithmetic",
        entries: [
          "kernels/broadcast.ts",
          "kernels/remainder.ts",
          "neg",
          "scale",
          "reciprocal",
          "square",
          "sqrt",
          "pow",
          "clamp",
        ],
      },
      { title: "Functions of one number", entries: ["exp", "log", "kernels/functions.ts", "kernels/pointwise.ts"] },
      {
        title: "Activations",
        entries: ["relu", "gelu", "geluTanh", "quickGelu", "sigmoid", "tanh", "kernels/activations.ts"],
      },
      { title: "Comparisons, logic, choice", entries: ["kernels/compare.ts"] },
      { title: "Bits", entries: ["kernels/bitwise.ts"] },
      {
        title: "Reductions and running sums",
        entries: ["sum", "mean", "amax", "kernels/fold/", "kernels/reduce/", "kernels/cumsum/"],
      },
      { title: "Shapes", entries: ["kernels/shape/", "expandTo", "appendToken", "first"] },
      { title: "Element types", entries: ["kernels/cast/", "kernels/from-bytes/"] },
      {
        title: "Gathering and scattering",
        entries: ["kernels/gather/", "kernels/index-select/", "embedding", "rowGather", "kernels/embedding/"],
      },
      {
        title: "Products",
        entries: ["matmul", "matmulNT", "matmulTN", "linear", "kernels/matmul/", "kernels/conv2d/", "kernels/conv1d/"],
      },
      {
        title: "Norms and softmax",
        entries: [
          "kernels/layernorm/",
          "kernels/rmsnorm/",
          "kernels/groupnorm/",
          "kernels/normalize/",
          "kernels/softmax/",
        ],
      },
      { title: "Attention", entries: ["kernels/attention/scaled-dot-product.ts", "kernels/attention/attention.ts"] },
      { title: "Losses", entries: ["kernels/cross-entropy/", "kernels/loss/"] },
      { title: "Dropout", entries: ["dropout"] },
      {
        title: "Optimiser steps",
        entries: [
          "kernels/adamw/",
          "kernels/sgd/",
          "kernels/lion/",
          "kernels/muon/",
          "kernels/grad-norm/",
          "kernels/average/",
          "kernels/census/",
        ],
      },
      {
        title: "EmotionCLIP's own",
        about: "The pieces of the paper (Zhang et al., CVPR 2023): its patches, its subject, its loss.",
        entries: [
          "kernels/patch-embed/",
          "kernels/prompt/",
          "kernels/attention/subject.ts",
          "logits",
          "kernels/kl-weights/",
          "kernels/snce/",
        ],
      },
      { title: "The registry", entries: ["ops"] },
    ],
  },
  model: {
    example: "loadModel",
    about:
      "EmotionCLIP (Zhang et al., CVPR 2023), its parts, its parameters and the files they come from. Names of fields are the " +
      "checkpoint's, so that a model is its own state dict. Letters of shapes are those of [DESIGN.md](../DESIGN.md#axes).",
    groups: [
      {
        title: "Load a model",
        entries: ["loadModel", "prepareLoad", "fillModel", "describe", "families", "emotionClip", "emoClip"],
      },
      {
        title: "The model",
        entries: [
          "EmotionClip",
          "EmoClip",
          "emoClipB32",
          "TemporalModule",
          "FrameEncoder",
          "TextEncoder",
          "pixelTensors",
          "endPositions",
          "textRows",
        ],
      },
      { title: "Sentiment of texts", entries: ["model/roberta/"] },
      {
        title: "Its parts",
        entries: ["model/clip/", "SubjectBlock", "model/emotionclip/temporal-encoder.ts", "Dropout"],
      },
      {
        title: "Configurations",
        entries: [
          "vitB32",
          "preset",
          "presetNames",
          "stageModel",
          "checkConfig",
          "configFromJson",
          "configFromValue",
          "configToJson",
          "gridOf",
        ],
      },
      {
        title: "Parameters",
        entries: ["named", "Init", "allocate", "model/module-file.ts", "groupsOf", "logitScaleStart", "logitScaleMost"],
      },
      {
        title: "Files of weights",
        entries: [
          "openWeights",
          "SafetensorsFile",
          "parseSafetensors",
          "safetensorsBytes",
          "safetensorsSize",
          "shardedFiles",
          "TensorRef",
          "Inert",
        ],
      },
    ],
  },
  data: {
    example: "openShards, Loader",
    about:
      "Files to typed arrays: shards, footage of your own, the benchmarks, boxes, pixels, tokens. It knows no tensors. Pixels are RGB, 8 bits " +
      "a channel; boxes are [left, top, right, bottom] in pixels.",
    groups: [
      {
        title: "Shards: a training set of your own",
        about: "The format is in [SHARDS.md](../SHARDS.md).",
        entries: [
          "openShards",
          "Loader",
          "forTraining",
          "forEvaluation",
          "writeShards",
          "indexShards",
          "badSamples",
          "data/shards/",
        ],
      },
      { title: "Footage", entries: ["readFootage", "openBoxes", "boxesFrom", "nobody", "data/footage/"] },
      {
        title: "Benchmarks",
        entries: [
          "openBenchmark",
          "benchmarkNames",
          "benchmarkSplits",
          "benchmarkBatches",
          "loadSample",
          "switchTable",
          "data/sets/",
        ],
      },
      { title: "The official training set", entries: ["TrainingSet", "SENTIMENTS"] },
      { title: "Text", entries: ["openTokenizer", "data/tokenizer/"] },
      {
        title: "Pixels",
        entries: ["decodeImage", "data/pixels/resize.ts", "data/pixels/image.ts", "linspaceFrames"],
      },
      { title: "Boxes and masks", entries: ["data/pixels/boxes.ts", "data/pixels/mask.ts"] },
    ],
  },
  train: {
    example: "AdamW, Learner",
    about: "The paper's loss, optimisers, schedules, and one model in training.",
    groups: [
      {
        title: "Train a model",
        entries: ["Learner", "Trainer", "encode", "sentimentContrast", "contrast", "planStep"],
      },
      { title: "Settings", entries: ["defaults", "checkSettings"] },
      {
        title: "Recipes",
        about: "What `emotionclip train` trains by: [Training](../TRAINING.md).",
        entries: [
          "resolveRecipe",
          "presetLayer",
          "recipePresets",
          "recipeRates",
          "locked",
          "train/rates.ts",
          "train/recipe.ts",
          "train/recipes/",
        ],
      },
      { title: "Optimisers", entries: ["train/optimizers/"] },
      { title: "Schedules", entries: ["train/ramps.ts", "learningRate", "train/schedule.ts"] },
      { title: "Go on from an official checkpoint", entries: ["train/official.ts"] },
    ],
  },
  eval: {
    example: "encodeVideos, score",
    about:
      "Features, probes on them, metrics, zero-shot recognition, and the files these are kept in. A `Matrix` is a shape [rows, columns] and " +
      "its numbers; suffixes say what rows and columns are ([DESIGN.md](../DESIGN.md#axes)). Labels are whole numbers from 0.",
    groups: [
      { title: "Features of a model", entries: ["eval/features/encode.ts", "extractFeatures", "attentionMaps"] },
      { title: "Sentiment of texts", entries: ["sentimentLogits"] },
      { title: "Zero-shot recognition", entries: ["eval/zero-shot/", "loadTokenizer", "tokenizerOf"] },
      {
        title: "Linear evaluation",
        entries: ["protocols", "score", "targetsOfBenchmark", "joinTargets", "readFeatureFiles", "resultText"],
      },
      { title: "Probes", entries: ["eval/probes/probes.ts", "probeStage", "savgol", "smooth"] },
      {
        title: "Metrics",
        entries: ["eval/probes/metrics.ts", "recognition", "regressionFigures", "bootstrap", "bootstrapAll"],
      },
      { title: "Matrices", entries: ["eval/matrix.ts", "similarities"] },
      { title: "The paper's tables", entries: ["compare", "reweight"] },
      { title: "Files", entries: ["readNpy", "readNpyFile", "npyBytes", "FeatureCache", "cacheName"] },
    ],
  },
  bench: {
    example: "measureRoofline",
    about: "What a device can do at best, to hold a profile against.",
    groups: [{ title: "Measure", entries: ["bench/"] }],
  },
  test: {
    example: "checkOp",
    about:
      "Tests of ops of one's own: what follows from a declaration is tried at many sizes. It needs the packages `uvu` and `fast-check`, and " +
      "`wgsl_reflect` for races. The guide is [Your own kernel](../guide/kernels.md#is-it-right).",
    groups: [{ title: "Test", entries: ["checkOp", "testsOf", "ClaimError"] }],
  },
};

/** Public to the engine's own rooms and to no user: members that the pages leave out. */
export const inside: Readonly<Record<string, readonly string[]>> = {
  Gpu: [
    "new Gpu",
    "memory",
    "kernels",
    "planner",
    "forced",
    "during",
    "fail",
    "check",
    "run",
    "read",
    "write",
    "giveBack",
    "free",
    "wait",
  ],
  Tensor: ["new Tensor", "[Symbol.toPrimitive]"],
  Value: [
    "new Value",
    "storage",
    "scope",
    "segment",
    "index",
    "host",
    "derived",
    "grad",
    "fresh",
    "writtenBy",
    "lives",
    "madeBy",
    "released",
    "id",
  ],
  Scope: [
    "remembers",
    "runner",
    "outer",
    "dropStrangers",
    "pending",
    "flush",
    "make",
    "upload",
    "run",
    "emit",
    "remember",
    "history",
    "note",
    "touches",
    "starve",
    "read",
    "keep",
    "ended",
  ],
  Profiler: ["encode", "note"],
  EngineError: ["name"],
};

/** Types that take signatures of ops apart, letter by letter: they say nothing to a reader. */
export const machinery: ReadonlySet<string> = new Set(
  (
    "AxesIn AxesOfWord Digit F64 Fresh FreshOutputs InputNames InputWords Left Letters NameOfWord NamesIn OpArgs OpResult Right Tensors " +
    "Untyped Words"
  ).split(" "),
);
