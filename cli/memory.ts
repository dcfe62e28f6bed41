// `--memory`: the step is taken in the cheapest way whose plan fits so much. `--gpu-memory` is the engine's own limit, for all that it
// allocates; where it is smaller, it counts.
import type { Gpu } from "../engine/index.ts";
import { isOwn, type Recipe } from "../train/recipe.ts";
import { chooseStep, type StepToFit, type StepWay, type WholeStep } from "../train/step-choice.ts";
import { sizeText } from "../train/step-plan.ts";
import { bytesOf } from "./gpu.ts";
import { inPrecision, noHalf, precisionOn } from "./half.ts";
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

/** Settings that are only known where the GPU is open. */
export const leftToDevice = ({
  precision,
  memory = null,
}: Pick<Recipe, "precision"> & Partial<Pick<Recipe, "memory">>): (typeof chosenNames)[number][] =>
  memory === null ? (precision === "f32" ? [] : ["precision"]) : [...chosenNames];

/** A training as this GPU takes it. */
export interface OnDevice {
  readonly prepared: PreparedTraining;
  /** What `--memory` chose. */
  readonly choice?: ChosenStep;
}

/** A training in the precision that this GPU has, with the step that `--memory` chooses; what is said of it is among its remarks. */
export const onDevice = async (gpu: Gpu, prepared: PreparedTraining, say: (line: string) => void): Promise<OnDevice> =>
  fittedTraining(await inPrecision(gpu, prepared, say), gpu, say);

/**
 * A training with the step that `--memory` chooses; as it is where the recipe has none. Where half precision is chosen and a trial of it
 * fails, the choice is made again without; where it has failed already, it is not tried again.
 */
async function fittedTraining(prepared: PreparedTraining, gpu: Gpu, say: (line: string) => void): Promise<OnDevice> {
  const { recipe, from, text, draft, remarks } = prepared;
  if (recipe.memory === null) return { prepared };
  const said: string[] = [];
  const hear = (line: string) => {
    said.push(line);
    say(line);
  };
  const isFixed = (name: (typeof chosenNames)[number]) => isOwn(from[name]) || from[name] === noHalf;
  const fixed = new Set<string>(chosenNames.filter(isFixed));
  const step = { config: text.config, settings: recipe, family: draft.family };
  let choice = fitStep({ ...step, fixed }, recipe.memory, gpu);
  if (choice.precision !== recipe.precision && (await precisionOn(gpu, choice.precision, hear)) === "f32") {
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
      remarks: [...remarks, ...said],
    },
    choice,
  };
}
