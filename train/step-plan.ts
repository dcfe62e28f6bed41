// What one training step will take: the step is recorded as in training, on a planner instead of a device.
import { type DeviceFacts, placeholder, planOnly } from "../engine/index.ts";
import type { ModelConfig } from "../model/config.ts";
import { Learner } from "./learner.ts";
import type { Settings } from "./settings.ts";

/** Memory in bytes, work in flops. */
export interface StepPlan {
  readonly clips: number;
  readonly frames: number;
  /** Trained values. */
  readonly values: number;
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
  readonly launches: number;
  readonly flops: number;
}

/** Plans one update of `config` on a device with these properties. LimitError where a tensor passes `maxBinding`. */
export function planStep(
  config: ModelConfig,
  settings: Settings,
  facts: DeviceFacts,
  maxBinding = Number.POSITIVE_INFINITY,
): StepPlan {
  const { batch: B } = settings;
  const { head, vision, text } = config;
  const [T, S, W] = [head.frames, vision.image, text.context];
  let learner: Learner | undefined;
  const report = planOnly(facts, maxBinding, () => {
    learner = new Learner(config, settings);
    learner.record(1, settings.lr, {
      clips: (_, count) => ({
        frames_BT3SS: placeholder([count, T, 3, S, S]),
        mask_BTSS: placeholder([count, T, S, S]),
        tokens_BW: placeholder([count, W], "u32"),
        ends_B: placeholder([count], "u32"),
      }),
      sentiment: () => placeholder([B, 7]),
    });
  });
  const flat = [...learner!.shards.values()].flat().reduce((sum, { numel }) => sum + 4 * numel, 0);
  const { arena, activations, launches, flops } = report;
  const memory = {
    parameters: flat,
    gradients: flat,
    optimizer: 2 * flat,
    activations: Math.min(activations, arena),
    workspace: Math.max(0, arena - activations),
  };
  const peak = Object.values(memory).reduce((a, b) => a + b, 0);
  return { clips: B, frames: T, values: learner!.parameters, memory, peak, launches, flops };
}
