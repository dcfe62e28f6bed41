// What one training step will take: the step is recorded as in training, on a planner instead of a device.
import {
  type DeviceFacts,
  keep,
  LimitError,
  placeholder,
  planOnly,
  type PlanReport,
  Scope,
  type Shard,
} from "../engine/index.ts";
import { firstCause } from "../engine/errors.ts";
import { takes } from "../engine/takes.ts";
import { families } from "../model/families.ts";
import { Init, named } from "../model/params.ts";
import { asClips, pixelPlaceholders } from "../model/pixels.ts";
import { type FrozenTowers, frozenTowers } from "./frozen-towers.ts";
import { Learner } from "./learner.ts";
import type { GroupSettings } from "./rates.ts";

/** Memory in bytes, work in flops. */
export interface StepPlan {
  /** Clips of a step, and frames of each. */
  readonly clips: number;
  readonly frames: number;
  /** Trained values, and those that stay as they are. */
  readonly values: number;
  readonly frozen: number;
  /** Bytes by what they are for. */
  readonly memory: {
    readonly parameters: number;
    readonly gradients: number;
    readonly optimizer: number;
    /** What forward keeps for backward. */
    readonly activations: number;
    /** The rest of the planned buffers: intermediates and uploads that come and go. */
    readonly workspace: number;
  };
  /** The sum: what the engine will have allocated after the first step. */
  readonly peak: number;
  /** Kernels that a step launches. */
  readonly launches: number;
  /** Arithmetic of all launches, and that of each op; the encoding of a part counts as often as it is done. */
  readonly flops: number;
  readonly flopsByOp: Readonly<Record<string, number>>;
  /** Bytes that the launches read and write. */
  readonly bytes: number;
}

/** Plans one update of `config` on a device with these properties. LimitError where a tensor passes `maxBinding`. */
export function planStep(
  config: object,
  settings: GroupSettings,
  facts: DeviceFacts,
  maxBinding = Number.POSITIVE_INFINITY,
  family = families[0],
): StepPlan {
  takes(
    "planStep(config: object, settings: object, facts: object, maxBinding?: limit, family?: object, ...)",
    arguments,
  );
  const { batch: B } = settings;
  let learner: Learner | undefined;
  const report = planOnly(facts, maxBinding, () => {
    learner = new Learner(config, settings, family);
    const { takes, embed: E } = learner.model;
    const { frames: T, side, context: W } = takes;
    const kept = keptOf(learner, settings);
    learner.record(1, settings.lr, {
      clips: (_, count) => ({
        video: kept.image ? { frames_BTE: placeholder([count, T, E]) } : asClips(pixelPlaceholders(count * T, side), T),
        text: kept.text
          ? { text_BE: placeholder([count, E]) }
          : { tokens_BW: placeholder([count, W], "u32"), ends_B: placeholder([count], "u32") },
      }),
      sentiment: () => placeholder([B, 7]),
      texts: () => placeholder([B], "u32"),
    });
  });
  const shards = [...learner!.shards.values()].flat();
  for (const [, { numel, shape }] of named(learner!.model))
    if (4 * numel > maxBinding)
      throw new LimitError(
        `a parameter of shape [${shape}] takes ${sizeText(4 * numel)}; a binding holds at most ${sizeText(maxBinding)}`,
      );
  const bytes = (what: keyof Shard["bytes"]) => shards.reduce((sum, shard) => sum + shard.bytes[what], 0);
  const { slots, arena: _, staging, activations, ...work } = report;
  const memory = {
    parameters: bytes("parameters") + learner!.frozenBytes,
    gradients: bytes("gradients"),
    optimizer: bytes("optimizer"),
    activations: Math.min(activations, slots),
    workspace: Math.max(0, slots - activations) + staging,
  };
  const peak = Object.values(memory).reduce((a, b) => a + b, 0);
  return {
    clips: B,
    frames: learner!.model.takes.frames,
    values: learner!.parameters,
    frozen: learner!.frozen,
    memory,
    ...work,
    peak,
  };
}

/** Towers whose features a step finds instead of making them. */
function keptOf({ family, model }: Learner, { cacheFeatures = false }: GroupSettings): FrozenTowers {
  const names = Array.from(named(model), ([name]) => name);
  return cacheFeatures ? frozenTowers(family, names) : { image: false, text: false };
}

/** Bytes of a checkpoint's tensors, before there is a device. */
export function checkpointBytes(config: object, settings: GroupSettings, family = families[0]): number {
  let bytes = 0;
  planOnly(anyDevice, Number.POSITIVE_INFINITY, () => {
    bytes = new Learner(config, settings, family).checkpointBytes;
  });
  return bytes;
}

/** Sizes of parameters depend on none of this; it can all that a setting may ask for. */
const anyDevice: DeviceFacts = {
  adapter: "none",
  software: false,
  subgroup: 4,
  f16: true,
  workgroupBytes: 16384,
  workgroupSize: 256,
  tuned: new Map(),
};

/** Plans the features of one clip and one text, without gradients. */
export function planForward(config: object, facts: DeviceFacts): PlanReport {
  return planOnly(facts, Number.POSITIVE_INFINITY, () => {
    const model = families[0].build(config, new Init(0));
    const { frames: T, side, context: W } = model.takes;
    using scope = new Scope();
    void scope;
    const { frames_BT3SS, mask_BTSS } = asClips(pixelPlaceholders(T, side), T);
    keep(model.encodeVideo(frames_BT3SS, mask_BTSS));
    keep(model.encodeText(placeholder([1, W], "u32"), placeholder([1], "u32")));
  });
}

/** What a device allows, in bytes. */
export interface DeviceLimits {
  readonly budget: number;
  readonly maxBinding: number;
}

/** Why this step cannot run within the limits, in one line; undefined where it can. */
export function refusalOf(
  config: object,
  settings: GroupSettings,
  facts: DeviceFacts,
  { budget, maxBinding }: DeviceLimits,
  family = families[0],
): string | undefined {
  try {
    const { peak } = planStep(config, settings, facts, maxBinding, family);
    return peak > budget ? `${sizeText(peak)} are more than the budget of ${sizeText(budget)}` : undefined;
  } catch (error) {
    return limitIn(error);
  }
}

/** The limit that an error tells of, in one line; any other error is thrown on. */
export function limitIn(error: unknown): string {
  const cause = firstCause(error);
  if (cause instanceof LimitError) return cause.message.split("\n")[0];
  throw error;
}

/** Clips to encode at a time so that the step fits: 0 (all) where possible, else the batch halved; undefined if none does. */
export function fittingMicro(
  config: object,
  settings: GroupSettings,
  facts: DeviceFacts,
  limits: DeviceLimits,
  family = families[0],
): number | undefined {
  for (let micro = settings.batch; micro >= 1; micro = micro === 1 ? 0 : Math.ceil(micro / 2)) {
    const parts = { ...settings, micro: micro === settings.batch ? 0 : micro };
    if (refusalOf(config, parts, facts, limits, family) === undefined) return parts.micro;
  }
  return undefined;
}

/** Bytes as a person reads them. */
export const sizeText = (bytes: number): string =>
  bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
