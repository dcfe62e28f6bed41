// The names that the package exports, layer by layer. Adding one is deliberate, removing one is announced (CHANGELOG.md).
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as bench from "../../bench/index.ts";
import * as data from "../../data/index.ts";
import * as engine from "../../engine/index.ts";
import * as evaluation from "../../eval/index.ts";
import * as kernels from "../../kernels/index.ts";
import * as model from "../../model/index.ts";
import * as ownTests from "../index.ts";
import * as train from "../../train/index.ts";

const modules: Record<string, object> = {
  engine,
  kernels,
  model,
  data,
  train,
  eval: evaluation,
  bench,
  test: ownTests,
};

/** Values, then types, as a person would look them up. */
const names: Record<string, string> = {
  engine: `
    BusyError CheckpointError DiskError EngineError FormatError Gpu GpuError GradientError HealthError KernelError LimitError
    Profiler Scope ShapeError Tape Tensor UsageError Value accumulate allocateFrozen allocateGroup arrived assign
    assignPart cacheFolder ceilDiv checkGradient compute copy declare detach during fill findAdapter firstCause free keep later nearest numericalSlope op openGpu ops
    parameter parseSignature pass passOf persistent placeholder planOnly recompute shapeError tensor traceOf tunedPath
    ArrayOf Attrs Bound CheckedInput CheckGradientOptions Compared Counters DeviceFacts Direction Dtype Estimate Float Frozen GpuOptions
    GradientInput GradientReport Gradients Halves MemoryReport Op Pass PlanReport ProfileRow Roofline Shard Slope
    SourceContext Span TensorFunction TypedArray Variant`,
  kernels: `
    abs adam adamw add amax amin appendToken arange argmax argmin attention attentionKept attentionRow bce bceWithLogits bitwiseAnd bitwiseLeftShift bitwiseNot bitwiseOr
    bitwiseRightShift bitwiseXor cast ceil chunk clamp clipFactor concat conv1d conv2d cos cover
    crossEntropy cumsum div dropout ema embedPatches embedding eq erf exchange exp expandTo eye first flip floor floorDivide fromBytes full gather ge gelu geluTanh gradNorm groupnorm gt huberLoss indexSelect initNormal
    initUniform klWeights l1Loss layernorm le leakyRelu linear linspace lion log logSoftmax logicalAnd logicalNot logicalOr logits logsumexp lt matmul matmulNT matmulTN maximum mean minimum mseLoss mul muon ne neg newtonSchulz
    nllLoss norm normalize notFinite ones onesLike ops pad patchEmbed permute pow prod prompt quickGelu rand randint randn reciprocal relu remainder rmsnorm roll round rowGather saam scale scaledDotProductAttention scatterAdd sgd sigmoid sign silu sin slice halve scaledFactor
    smoothL1Loss snce softmax softplus split sqrt square squeeze stack std sub subjectAttention subjectAttentionTwoHop sum tanh tile transpose tril triu unsqueeze variance where zeros zerosLike
    AttentionOptions ConvOptions MuonAttrs NewtonSchulzOptions Reduction CreateOptions RandomOptions SaamOptions SpreadOptions SubjectMode`,
  model: `
    Attention Block Dropout EmoClip EmoClipConfig TemporalConfig TemporalModule TemporalSizes emoClip emoClipB32 EmotionClip FrameEncoder Inert Init LayerNorm PostNormLayer SafetensorsFile SubjectBlock
    TensorRef openWeights shardedFiles emotionClip families
    TemporalConv TemporalMean TemporalTransformer TextEncoder allocate checkConfig configFromJson configFromValue
    configToJson describe endPositions fillModel gridOf groupsOf load loadModel logitScaleMost logitScaleStart named
    parseSafetensors pixelTensors prepareLoad preset presetNames safetensorsBytes safetensorsSize save stageModel textRows vitB32
    Family FrameTensors Passed SubjectTower Takes VideoText Content ShardedFile StoredTensor WeightFile WeightOptions
    ConfigOverride Description Dropping FileDtype Group HeadConfig Linear LoadModuleOptions LoadOptions LoadPlan LoadReport Loaded LoadedModule Mix ModelConfig SaamConfig SafetensorsEntry SaveOptions Saved Subject TemporalHead
    TensorInfo TextConfig VisionConfig openRoberta RobertaClassifier RobertaConfig RobertaFiles`,
  data: `
    ByteLevelTable ByteLevelTokenizer TokenRow openByteLevel ClipTokenizer TrainingSet WordTokenizer vocabularyOf wordsOf Loader MEAN SENTIMENTS STD ShardReader badSamples benchmarkBatches benchmarkNames
    benchmarkSplits boxesFrom boxesOf centreOffset decodeImage forEvaluation forTraining frameInto indexShards
    letterbox linspaceFrames loadSample maskFullSizeInto maskInto nobody normaliseInto openBenchmark openBoxes
    openShards openTokenizer readFootage resize resizeCrop scaleBox shortSideSize switchTable writeShards
    BadSample BatchOptions Benchmark BenchmarkBatch BenchmarkName BenchmarkSample Box BoxMeaning BoxRule Clip
    ClipBatch ClipInfo Compat Decision Detection Footage FootageOptions FrameName Image Labels LoaderOptions
    AnyPixels OpenOptions Pixels Rect Sample ShardEntry ShardIndex ShardSet Shown Size SubjectBoxes Switches Tokenizer TrainingSample
    TrainingSetOptions View WriteOptions`,
  train: `
    Adam AdamW Learner Lion Muon Optimizer SGD Trainer checkSettings defaults encode learningRate locked paperSchedule planStep
    presetLayer readOfficialTraining recipePresets recipeRates resolveRecipe resumeOfficial schedule contrast sentimentContrast stepSchedule
    AdamSettings Cooldown Descent GroupSettings Health Layer LionSettings LossSettings Milestones MuonSettings OfficialGroup OfficialSchedule
    OfficialTraining PerGroup PresetName Ramp Rates Recipe Resolved SGDSettings Schedule Settings StepDown StepNumbers StepPlan StepReport
    UpdateSettings WarmUp`,
  eval: `
    SentimentLogits SentimentOptions sentimentLogits recognition regressionFigures ClassRecall Recognition RegressionFigures accuracy anyLabelAccuracy attentionMaps averagePrecision averageRecall bootstrap bootstrapAll cacheName
    classifierOf compare confusion decide emotionTemplates encodeImages encodeTexts encodeVideos extractFeatures
    f1PerLabel FeatureCache fitOneVsRest fitRidge fitSoftmax joinTargets loadTokenizer macroAveragePrecision macroR2
    macroRocAuc matrix mse normalizeRows npyBytes oneVsRestScores pearson predictClasses probabilities probeStage
    promptsOf protocols r2 rankedClasses readFeatureFiles readNpy readNpyFile resultText retrievalAt reweight rocAuc
    sameClasses savgol score scoreZeroShot similarities smooth softmaxScores targetsOfBenchmark tokenizerOf topK
    weightedF1 zeroShotClassifier zeroShotLogits
    AttentionMaps BootstrapOptions CacheKey ClassTable Comparison EncodeOptions EvaluationResult Features Figure
    FileSplit Interval LinearModel LogisticModel LogisticOptions LogitBatch Matrix Metric NpyArray AnyPixels Pixels Probe
    ProbeSplit Protocol Reweighting Row RunSummary Savgol ScoreOptions Smoothing SoftmaxModel SplitFeatures Stream
    Targets Task TaskResult ZeroShotClass ZeroShotScore`,
  bench: `measureRoofline`,
  test: `
    ClaimError checkOp testsOf
    CheckCase CheckOptions Checked ClaimOptions OpTest Races`,
};

/** Names behind `type` in the layer's index.ts; its `export *` lines bring no types of their own but those of errors. */
function typesOf(layer: string): string[] {
  const text = readFileSync(`${layer}/index.ts`, "utf8");
  const blocks = [...text.matchAll(/export (type )?\{([^}]*)\}/g)];
  const found = blocks.flatMap(([, all, inner]) => {
    const items = inner.split(",").map((item) => item.trim());
    return items.filter((item) => item && (all || item.startsWith("type "))).map((item) => item.replace(/^type /, ""));
  });
  return found.map((item) => item.split(" as ").pop()!);
}

const sorted = (list: readonly string[]) => [...list].sort();

for (const [layer, exported] of Object.entries(modules))
  test(`${layer} exports exactly the names listed here`, () => {
    assert.equal(sorted([...Object.keys(exported), ...typesOf(layer)]), sorted(names[layer].trim().split(/\s+/)));
  });

test("package.json exports these layers, and nothing else", () => {
  const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as { exports: Record<string, unknown> };
  assert.equal(
    sorted(Object.keys(exports)),
    sorted([".", "./package.json", ...Object.keys(modules).map((name) => `./${name}`)]),
  );
  assert.equal(exports["."], exports["./engine"]);
});

test.run();
