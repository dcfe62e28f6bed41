// Learning rates and decays of a recipe's parameter groups, and its schedule: functions of the update's number alone.
import { UsageError } from "../engine/errors.ts";
import { takes } from "../engine/takes.ts";
import type { Group } from "../model/params.ts";
import type { PerGroup } from "./optimizers/optimizer.ts";
import { schedule } from "./ramps.ts";
import { learningRate, paperSchedule, type Schedule, stepSchedule } from "./schedule.ts";
import { epochsIn, type Recipe, type RecipeName } from "./recipe.ts";
import type { Settings } from "./settings.ts";

/** What a recipe says of its parameter groups. */
export type GroupSettings = Settings & Partial<Recipe>;

/** What rates and decays ask of a group. */
export type Named = Pick<Group, "name" | "decay">;

/** Gains, biases and the logit scale do not decay; the others have the head's value or that of the towers. */
export function decaysOf(groups: readonly Named[], settings: GroupSettings): PerGroup {
  const { decay, wdBackbone = null, wdHead = null } = settings;
  if (wdBackbone === null && wdHead === null) return decay;
  const own = { wdBackbone, wdHead };
  const of = (group: Named) => (group.decay ? (own[decayNameOf(group)] ?? decay) : 0);
  return Object.fromEntries(groups.map((group) => [group.name, of(group)]));
}

/** Rates before the schedule: one for all, or one for each group. The logit scale has that of the towers' matrices. */
export function basesOf(groups: readonly Named[], settings: GroupSettings): PerGroup {
  const { lr, lrBackboneGb = null, lrBackboneRest = null, lrHeadGb = null, lrHeadRest = null } = settings;
  const given = { lrBackboneGb, lrBackboneRest, lrHeadGb, lrHeadRest };
  if (Object.values(given).every((rate) => rate === null)) return lr;
  return Object.fromEntries(groups.map((group) => [group.name, given[rateNameOf(group)] ?? lr]));
}

/** The largest of the rates before the schedule that a recipe gives. */
export const largestBase = ({ lr, lrBackboneGb, lrBackboneRest, lrHeadGb, lrHeadRest }: Recipe): number =>
  Math.max(...[lrBackboneGb, lrBackboneRest, lrHeadGb, lrHeadRest].map((rate) => rate ?? lr));

/** Which of a recipe's own rates and decays some of these groups have. */
export const readValues = (groups: readonly Named[]): ReadonlySet<RecipeName> =>
  new Set(groups.flatMap((group): RecipeName[] => [rateNameOf(group), ...(group.decay ? [decayNameOf(group)] : [])]));

const rateNameOf = ({ name }: Named) => {
  const [gains, rest] = isOfHead(name)
    ? (["lrHeadGb", "lrHeadRest"] as const)
    : (["lrBackboneGb", "lrBackboneRest"] as const);
  return name.endsWith("_gb") ? gains : rest;
};

const decayNameOf = ({ name }: Named): "wdHead" | "wdBackbone" => (isOfHead(name) ? "wdHead" : "wdBackbone");

const isOfHead = (group: string) => group.startsWith("temporal");

/** The schedule of a run, `stepsPerEpoch` of whose updates are an epoch. Errors: UsageError for a warm-up that does not fit into it, or milestones that are none. */
export function scheduleOf(settings: GroupSettings, stepsPerEpoch: number): Schedule {
  const { schedule: name = "steps-cosine", steps, warmup, lrEnd: floor, epochs = 0 } = settings;
  const { cooldown = 0, stepEvery = 0, stepGamma: gamma = 0.1, milestones } = settings;
  if (name === "steps-cosine") return stepSchedule(steps, warmup, floor);
  if (name === "official") return { ...paperSchedule(stepsPerEpoch), length: epochs, floor, warmup };
  if (name === "constant") return schedule.constant({ warmup });
  if (name === "step") return schedule.step({ warmup, every: stepEvery, gamma });
  if (name === "milestones")
    return schedule.milestones({ warmup, at: milestonesOf(milestones).map((epoch) => epoch * stepsPerEpoch), gamma });
  if (name === "cooldown") return schedule.cooldown({ warmup, steps, floor, cooldown });
  return schedule[name]({ warmup, steps, floor });
}

/** Errors: UsageError for what is no list of epochs that rise; a recipe has been checked, settings of the library have not. */
function milestonesOf(given: unknown): number[] {
  const epochs = typeof given === "string" ? epochsIn(given) : undefined;
  if (epochs) return epochs;
  throw new UsageError(
    `schedule milestones: milestones is ${JSON.stringify(given) ?? "not given"}; expected epochs, whole numbers that rise, as "15,35,50"`,
  );
}

/** The rates of a run, by what its settings or its recipe say of them: each a function of the updates before it. */
export function recipeRates(settings: GroupSettings, groups: readonly Named[], stepsPerEpoch: number): Rates {
  takes("recipeRates(settings: object, groups: { name: text, ... }[], stepsPerEpoch: count, ...)", arguments);
  return ratesBy(basesOf(groups, settings), scheduleOf(settings, stepsPerEpoch));
}

/** The rate or rates of an iteration, counted from 0. */
export type Rates = (iteration: number) => PerGroup;

export const ratesBy =
  (bases: PerGroup, by: Schedule): Rates =>
  (iteration) =>
    learningRate(bases, iteration, by);
