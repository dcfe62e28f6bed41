// `--memory`: the step is taken in the cheapest way whose plan fits so much. `--gpu-memory` is the engine's own limit, for all that it
// allocates; where it is smaller, it counts.
import type { Gpu } from "../engine/index.ts";
import { isOwn } from "../train/recipe.ts";
import { chooseStep, type StepToFit, type StepWay, type WholeStep } from "../train/step-choice.ts";
import { sizeText } from "../train/step-plan.ts";
import { bytesOf } from "./gpu.ts";
import { precisionOn } from "./half.ts";
import type { PreparedTraining } from "./training-plan.ts";

/** A choice as --json has it. */
export interface ChosenStep extends StepWay {
  readonly memory: string;
  /** Planned bytes and flops, and those of the whole batch at once with everything kept. */
  readonly peak: number;
  readonly flops: number;
  readonly whole: WholeStep;
  /** What was chosen and why, in a sentence. */
  readonly why: string;
}

/** The way to take a step in `memory`, as the flag has it. Errors: UsageError for what is no size, LimitError where nothing fits. */
export function fitStep(step: StepToFit, memory: string, { facts, store }: Gpu): ChosenStep {
  const asked = bytesOf(memory, "--memory");
  const { budget, maxBinding } = store;
  const { way, plan, whole, why } = chooseStep(step, facts, { budget: Math.min(asked, budget), maxBinding });
  const limit =
    asked <= budget ? `--memory ${memory}` : `--gpu-memory (${sizeText(budget)}, less than --memory ${memory})`;
  return {
    ...way,
    memory,
    peak: plan.peak,
    flops: plan.flops,
    whole,
    why: `chosen for ${limit}: ${why}`,
  };
}

const chosenNames = ["micro", "gradCheckpointing", "precision"] as const;

/**
 * A training with the step that `--memory` chooses; as it is where the recipe has none. Where half precision is chosen and a trial of it
 * fails, the choice is made again without.
 */
export async function fittedTraining(
  prepared: PreparedTraining,
  gpu: Gpu,
  say: (line: string) => void,
): Promise<{ prepared: PreparedTraining; choice?: ChosenStep }> {
  const { recipe, from, text, draft } = prepared;
  if (recipe.memory === null) return { prepared };
  const fixed = new Set<string>(chosenNames.filter((name) => isOwn(from[name])));
  const step = { config: text.config, settings: recipe, family: draft.family };
  let choice = fitStep({ ...step, fixed }, recipe.memory, gpu);
  if (choice.precision !== recipe.precision && (await precisionOn(gpu, choice.precision, say)) === "f32") {
    fixed.add("precision");
    choice = fitStep({ ...step, fixed }, recipe.memory, gpu);
  }
  const { micro, gradCheckpointing, precision } = choice;
  const source = `chosen for --memory ${recipe.memory}`;
  const chosen = Object.fromEntries(chosenNames.filter((name) => !fixed.has(name)).map((name) => [name, source]));
  return {
    prepared: {
      ...prepared,
      recipe: { ...recipe, micro, gradCheckpointing, precision },
      from: { ...from, ...chosen },
    },
    choice,
  };
}
