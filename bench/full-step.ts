// A forward pass and a training step of a model with seeded random weights: timed beside a matmul, memory held against
// the plan, results checked.
import type { Roofline } from "../engine/device/roofline.ts";
import { Profiler, type ProfileRow } from "../engine/device/timing.ts";
import { compute, type Gpu, type Tensor } from "../engine/index.ts";
import { klWeights, ops, snce } from "../kernels/index.ts";
import { Dropout } from "../model/dropout.ts";
import type { ModelConfig } from "../model/emotionclip/config.ts";
import type { EmotionClip } from "../model/emotionclip/emotionclip.ts";
import { Learner, type StepInputs } from "../train/learner.ts";
import { firstScale, leastScale, type Precision } from "../train/precision.ts";
import { checkSettings, type Settings } from "../train/settings.ts";
import { fittingMicro, planForward, planStep, sizeText, type StepPlan } from "../train/step-plan.ts";
import { drawInputs, Prepared } from "./case.ts";
import { interleave, ratioOf, secondsOf, type Timing } from "./measure.ts";
import { type Noise, type NoiseClips, noise, residentBatch } from "./noise.ts";
import { clockOf } from "./roofline.ts";

/** The whole step must reach this share of the 512³ matmul's rate. */
export const leastRatio = 0.45;
/** The published batch, for which memory is predicted. */
export const publishedBatch = 128;

/** Seconds by the clock that counts: CPU time over cores on CPU rasterisers, wall clock on GPUs. */
export interface Timed {
  readonly seconds: number;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly gflop: number;
  /** Of the products among them, in percent. */
  readonly products: number;
  readonly gigabytes: number;
  readonly gflopsPerSecond: number;
}

interface Check {
  readonly claim: string;
  readonly found: string;
  readonly holds: boolean;
}

/** What `--json` prints. */
export interface FullSize {
  readonly model: string;
  readonly adapter: string;
  readonly values: number;
  readonly clips: number;
  readonly frames: number;
  readonly micro: number;
  readonly clock: "cpu" | "wall";
  readonly forward: Timed;
  readonly step: Timed;
  readonly matmulGflopsPerSecond: number;
  /** Rate of the step over that of the matmul: the median over the rounds in which they took turns. */
  readonly ratio: number;
  readonly reached: boolean;
  /** The same by the wall clock, which other work on the machine stretches. */
  readonly wallRatio: number;
  /** Bytes: planned, held by the engine after a step, and the most that the process ever had resident. */
  readonly memory: { readonly planned: number; readonly held: number; readonly process: number };
  readonly loss: number;
  readonly norm: number;
  readonly checks: readonly Check[];
  /** What the loss was multiplied by in mixed precision. */
  readonly lossScale?: number;
  /** Launches of a step by op and pass, the longest first, where they were wanted. */
  readonly profile?: readonly ProfileRow[];
  /** The published batch: bytes at once, and in parts. */
  readonly predicted: { readonly atOnce: number; readonly inParts: number; readonly micro: number };
}

interface Options {
  /** What the result calls it. */
  readonly model: string;
  readonly batch: number;
  readonly micro?: number;
  readonly rounds: number;
  /** Milliseconds of a sample, of as many repetitions as fill it. */
  readonly sampleMs?: number;
  /** Of the step; by default f32. */
  readonly precision?: Precision;
  /** The batch lies on the device before the clock runs, as in comparisons of engines. */
  readonly resident?: boolean;
  /** Times each launch of one further step, against this roofline. */
  readonly profile?: Roofline;
}

/** Settings of the published recipe, as far as they shape a step. */
const recipe = { beta: 1, beta1: 0.98, beta2: 0.9, decay: 0.1, lr: 1e-8 } as const;

/** A learner whose values can be drawn again. */
class Seeded extends Learner<EmotionClip> {
  draw(): void {
    this.init.fill();
  }
}

/** Measures and checks one forward pass and one training step of a model; its memory is given back. */
export async function fullSize(gpu: Gpu, config: ModelConfig, options: Options): Promise<FullSize> {
  const { facts, store } = gpu;
  const { precision = "f32" } = options;
  const base = checkSettings({ ...recipe, precision, batch: options.batch, dropout: config.head.dropout });
  const micro = options.micro ?? fittingMicro(config, base, facts, store) ?? 1;
  const settings: Settings = { ...base, micro };
  const plan = planStep(config, settings, facts, store.maxBinding);
  const drawn = noise(config, settings.batch, settings.seed);
  const resident = options.resident ? residentBatch(drawn, settings.batch, micro) : undefined;
  const inputs = resident ?? drawn;
  const before = store.total;
  const learner = new Seeded(config, settings);

  const { numbers: first, scale } = await firstOf(learner, inputs);
  const held = store.total - before;
  const timings = await timed(gpu, learner, inputs, options);
  const profile = options.profile && (await profiled(gpu, options.profile, () => numbersOf(learner, inputs)));
  learner.draw(); // the moments are others now, but neither the loss nor the gradients depend on them
  if (scale !== undefined) learner.scaleLoss(scale);
  const features = await featuresOf(learner, inputs);
  const again = await numbersOf(learner, inputs);
  learner.free();
  resident?.free();

  const clock = clockOf(gpu);
  const rate = (flops: number, timing: Timing) => flops / secondsOf(timing, clock) / 1e9;
  const forwardPlan = planForward(config, facts);
  const ratioBy = (by: "cpu" | "wall") => (plan.flops / matmulFlops) * ratioOf(timings.matmul, timings.step, by);
  const ratio = ratioBy(clock);
  return {
    model: options.model,
    adapter: facts.adapter,
    values: plan.values,
    clips: plan.clips,
    frames: plan.frames,
    micro,
    clock,
    forward: amountsOf(forwardPlan, timings.forward, clock),
    step: amountsOf(plan, timings.step, clock),
    matmulGflopsPerSecond: rate(matmulFlops, timings.matmul),
    ratio,
    reached: ratio >= leastRatio,
    wallRatio: ratioBy("wall"),
    memory: { planned: plan.peak, held, process: process.resourceUsage().maxRSS * 1024 },
    loss: first.loss,
    norm: first.norm,
    checks: checksOf(first, again, features, held, plan, closest[precision]),
    lossScale: scale,
    profile,
    predicted: predictedOf(config, settings, gpu),
  };
}

/** How near the loss is to that of the features in f64: those of mixed precision are made of halves, the ones compared are not. */
const closest = { f32: 1e-4, amp: 2e-2 } as const;

/** Update number 1 of fresh values; in mixed precision with the largest scale of the loss that overflows nowhere. */
async function firstOf(learner: Seeded, inputs: StepInputs): Promise<{ numbers: Numbers; scale?: number }> {
  for (let scale = firstScale; ; scale /= 2) {
    learner.draw();
    if (learner.settings.precision === "amp") learner.scaleLoss(scale);
    const numbers = await numbersOf(learner, inputs);
    if (learner.settings.precision !== "amp") return { numbers };
    if (numbers.bad === 0 || scale <= leastScale) return { numbers, scale };
  }
}

/** Every launch of one further run of `body`, timed. */
async function profiled(gpu: Gpu, roof: Roofline, body: () => Promise<unknown>): Promise<ProfileRow[]> {
  const profiler = new Profiler(gpu);
  gpu.profiler = profiler;
  try {
    await body();
    await profiler.collect();
    return profiler.rows(roof);
  } finally {
    gpu.profiler = undefined;
  }
}

interface Numbers {
  readonly loss: number;
  readonly norm: number;
  readonly bad: number;
}

/** Update number 1, and what it reads back. */
async function numbersOf(learner: Learner, inputs: StepInputs): Promise<Numbers> {
  const reads = learner.record(1, learner.settings.lr, inputs);
  const [[loss], [norm], [bad]] = await Promise.all([reads.loss, reads.norm, reads.bad, reads.logitScale]);
  return { loss, norm, bad };
}

const encode = (model: EmotionClip, { video, text }: NoiseClips, drop?: Dropout): [v: Tensor, t: Tensor] => [
  model.encodeVideo(video.frames_BT3SS, video.mask_BTSS, drop),
  model.encodeText(text.tokens_BW, text.ends_B),
];

/** Features of the batch as update number 1 sees them, with its dropout, and its loss from them in f64. */
async function featuresOf(
  { model, settings }: Learner<EmotionClip>,
  inputs: Noise,
): Promise<{ norms: number[]; loss: number }> {
  const { batch: B, dropout, seed } = settings;
  const width = model.config.embed;
  const features = [new Float64Array(B * width), new Float64Array(B * width)];
  const part = settings.micro || B;
  for (let from = 0; from < B; from += part) {
    const count = Math.min(part, B - from);
    const drop = new Dropout(dropout, seed, B + from);
    const pair = await compute(() => encode(model, inputs.clips(from, count), drop));
    for (const [i, data] of pair.entries()) features[i].set(data, from * width);
  }
  const [v, t] = features;
  const dot = (a: Float64Array, i: number, b: Float64Array, j: number) => {
    let sum = 0;
    for (let e = 0; e < width; e++) sum += a[i * width + e] * b[j * width + e];
    return sum;
  };
  const norms = features.flatMap((all) => Array.from({ length: B }, (_, i) => Math.sqrt(dot(all, i, all, i))));
  const [scale] = await model.logit_scale.data();
  const l = Float64Array.from({ length: B * B }, (_, k) => Math.exp(scale) * dot(v, Math.floor(k / B), t, k % B));
  const { beta, form } = settings;
  const s = Float64Array.from(inputs.arrays.sentiments);
  const { w } = klWeights.ref({ s }, { B, Q: 7 }, { beta, form });
  const { loss } = snce.ref({ l, w: Float64Array.from(w) }, { B }, {});
  return { norms, loss: loss[0] };
}

const side = 512;
/** Of the yardstick. */
export const matmulFlops = 2 * side ** 3;

async function timed(gpu: Gpu, learner: Learner<EmotionClip>, inputs: Noise, { rounds, sampleMs = 500 }: Options) {
  const op = ops.find(({ name }) => name === "matmul")!;
  const made = { op, attrs: op.attrs, dims: { N: side, K: side, M: side } };
  const product = new Prepared(gpu, made, drawInputs(made));
  const times = (body: () => Promise<unknown>) => async (reps: number) => {
    for (let i = 0; i < reps; i++) await body();
    await gpu.idle();
  };
  const arms = [
    { name: "forward", run: times(() => compute(() => encode(learner.model, inputs.clips(0, 1)))) },
    { name: "step", run: times(() => numbersOf(learner, inputs)) },
    { ...product.forwardArm, name: "matmul" },
  ];
  try {
    const [forward, step, matmul] = await interleave(arms, rounds, sampleMs);
    return { forward, step, matmul };
  } finally {
    product.free();
  }
}

/** Ops that are matrix products and nothing else of weight. */
const isProduct = (name: string) => /^(matmul|linear|embedPatches|logits)/.test(name);

type Work = Pick<StepPlan, "flops" | "flopsByOp" | "bytes">;

function amountsOf({ flops, flopsByOp, bytes }: Work, timing: Timing, clock: "cpu" | "wall"): Timed {
  const seconds = secondsOf(timing, clock);
  const products = Object.entries(flopsByOp).reduce((sum, [name, each]) => sum + (isProduct(name) ? each : 0), 0);
  return {
    seconds,
    wallSeconds: timing.median / 1000,
    cpuSeconds: timing.cpu / 1000,
    gflop: flops / 1e9,
    products: (100 * products) / flops,
    gigabytes: bytes / 1e9,
    gflopsPerSecond: flops / seconds / 1e9,
  };
}

function checksOf(
  first: Numbers,
  again: Numbers,
  features: { norms: number[]; loss: number },
  held: number,
  plan: StepPlan,
  near: number,
): Check[] {
  const off = Math.max(...features.norms.map((norm) => Math.abs(norm - 1)));
  const chance = Math.log(plan.clips);
  const close = Math.abs(first.loss - features.loss);
  const same = Object.is(first.loss, again.loss) && Object.is(first.norm, again.norm);
  const check = (claim: string, holds: boolean, found: string): Check => ({ claim, found, holds });
  return [
    check("features have unit length", off < 1e-5, `off by ${off.toExponential(1)} at most`),
    check("every gradient is finite", first.bad === 0 && first.norm > 0, `norm ${first.norm.toPrecision(6)}`),
    check("the loss is that of the features in f64", close < near, `${first.loss} and ${features.loss.toFixed(7)}`),
    check("the loss is near ln(batch)", Math.abs(first.loss - chance) < 1, `${first.loss} and ${chance.toFixed(4)}`),
    check("the step repeats bit for bit", same, `loss ${again.loss}, norm ${again.norm}`),
    check("memory is as planned", Math.abs(held - plan.peak) <= 0.02 * plan.peak + 2 ** 19, sizeText(held)), // staging
  ];
}

/** Memory of the published batch: on this device at once, and in parts of at most 16 clips. */
function predictedOf(config: ModelConfig, settings: Settings, { facts }: Gpu): FullSize["predicted"] {
  const [atOnce, inParts] = [0, 16].map((micro) =>
    planStep(config, { ...settings, batch: publishedBatch, micro }, facts),
  );
  return { atOnce: atOnce.peak, inParts: inParts.peak, micro: 16 };
}
