// Fitting a step into memory: the ways to take it, all with the same gradients, and the one of least arithmetic whose plan fits.
import { type DeviceFacts, LimitError } from "../engine/index.ts";
import { families } from "../model/families.ts";
import type { GroupSettings } from "./rates.ts";
import type { Settings } from "./settings.ts";
import { type DeviceLimits, limitIn, planStep, sizeText, type StepPlan } from "./step-plan.ts";

/** A way to take a step, as the settings that make it. */
export type StepWay = Pick<Settings, "micro" | "gradCheckpointing" | "precision">;

/** Ways to take a part of a step: each is tried with the whole batch, then with halves of it. */
const partWays: readonly Omit<StepWay, "micro">[] = (["f32", "amp"] as const).flatMap((precision) =>
  [false, true].map((gradCheckpointing) => ({ gradCheckpointing, precision })),
);

/** A step that is to be fitted. */
export interface StepToFit {
  readonly config: object;
  readonly settings: GroupSettings;
  readonly family?: (typeof families)[0];
  /** Settings that stay as they are: somebody chose them. */
  readonly fixed?: ReadonlySet<string>;
}

/** The step with the whole batch at once and everything kept, whether it could run here or not. */
export interface WholeStep {
  /** Bytes; undefined for more clips than a launch can take. */
  readonly peak: number | undefined;
  /** Arithmetic: where it is not planned, that of fewer clips times their share. */
  readonly flops: number;
}

/** The way that was chosen. */
export interface StepChoice {
  readonly way: StepWay;
  readonly plan: StepPlan;
  readonly whole: WholeStep;
  /** What was chosen and why, in a sentence. */
  readonly why: string;
}

/** A way that fits. */
type Fitting = Pick<StepChoice, "way" | "plan">;

/** Which way a plan is of, if it could be made at all. */
interface Tried {
  readonly way: StepWay;
  readonly plan?: StepPlan;
  readonly refusal?: string;
}

/**
 * The cheapest way to take a step that fits `limits`, by the arithmetic that is planned. Errors: LimitError with what the step takes and
 * the least that it could take, where none fits.
 */
export function chooseStep(step: StepToFit, facts: DeviceFacts, limits: DeviceLimits): StepChoice {
  const whole = wholeOf(step, facts);
  const tried = partWays.filter(isOpen(step, facts)).map((part) => firstThatFits(step, part, facts, limits));
  const fitting = tried.flatMap(({ fits }) => (fits ? [fits] : []));
  if (fitting.length === 0)
    throw tooSmall(
      step,
      whole,
      limits,
      tried.map(({ last }) => last),
    );
  const { way, plan } = fitting.reduce((a, b) => (isCheaper(b, a) ? b : a));
  return { way, plan, whole, why: why(step, way, plan, whole, limits) };
}

function wholeOf(step: StepToFit, facts: DeviceFacts): WholeStep {
  const { batch } = step.settings;
  for (let clips = batch; ; clips = Math.ceil(clips / 2)) {
    const settings = { ...step.settings, batch: clips };
    const way = { micro: 0, gradCheckpointing: false, precision: settings.precision };
    const { plan, refusal } = planOf({ ...step, settings }, way, facts, Number.POSITIVE_INFINITY);
    if (plan) return { peak: clips === batch ? plan.peak : undefined, flops: (plan.flops * batch) / clips };
    if (clips <= 2) throw new LimitError(refusal!);
  }
}

/** Whether a way may be taken: nothing in it that somebody chose otherwise, and half precision only where there is any. */
const isOpen =
  ({ settings, fixed, family = families[0] }: StepToFit, { f16 }: DeviceFacts) =>
  ({ gradCheckpointing, precision }: Omit<StepWay, "micro">): boolean => {
    if (fixed?.has("gradCheckpointing") && settings.gradCheckpointing !== gradCheckpointing) return false;
    if (precision === settings.precision) return true;
    return precision === "amp" && !fixed?.has("precision") && f16 && family.halves !== undefined;
  };

/** Half precision computes other numbers, so it must save arithmetic; of two ways alike the first is taken. */
const isCheaper = (one: Fitting, other: Fitting): boolean =>
  one.plan.flops < other.plan.flops * (one.way.precision === other.way.precision ? 1 : 0.99);

/** The largest parts that fit: the whole batch, or it halved as often as needed. More parts are no less arithmetic. */
function firstThatFits(step: StepToFit, part: Omit<StepWay, "micro">, facts: DeviceFacts, limits: DeviceLimits) {
  let last!: Tried;
  for (const micro of microsOf(step)) {
    const way = { ...part, micro };
    last = planOf(step, way, facts, limits.maxBinding);
    if (last.plan && last.plan.peak <= limits.budget) return { fits: { way, plan: last.plan }, last };
  }
  return { last };
}

function* microsOf({ settings: { batch, micro }, fixed }: StepToFit): Generator<number> {
  if (fixed?.has("micro")) return yield micro;
  yield 0;
  for (let part = batch; part > 1; ) yield (part = Math.ceil(part / 2));
}

function planOf({ config, settings, family }: StepToFit, way: StepWay, facts: DeviceFacts, maxBinding: number): Tried {
  try {
    return { way, plan: planStep(config, { ...settings, ...way }, facts, maxBinding, family) };
  } catch (error) {
    return { way, refusal: limitIn(error) };
  }
}

/** A way in words: "all 64 clips at once, blocks made again (--grad-checkpointing)". */
function wayText({ micro, gradCheckpointing, precision }: StepWay, batch: number): string {
  const clips =
    micro > 0 && micro < batch
      ? `${micro} of ${batch} clips at a time (--micro ${micro})`
      : `all ${batch} clips at once`;
  const half = precision === "amp" ? ", in half precision (--precision amp)" : "";
  return `${clips}, ${gradCheckpointing ? "blocks made again (--grad-checkpointing)" : "everything kept"}${half}`;
}

const wholeText = ({ peak }: WholeStep) => (peak === undefined ? "more than a launch can take" : sizeText(peak));

function why(
  { settings: { batch } }: StepToFit,
  way: StepWay,
  plan: StepPlan,
  whole: WholeStep,
  { budget }: DeviceLimits,
) {
  const more = Math.round(100 * (plan.flops / whole.flops - 1));
  const told = `${wayText(way, batch)}: ${sizeText(plan.peak)} of ${sizeText(budget)}`;
  return way.micro === 0 && !way.gradCheckpointing
    ? `${told}, so nothing has to be computed twice`
    : `${told}, ${more} % more arithmetic; of the ways that fit it is the one with the least (all at once and kept: ${wholeText(whole)})`;
}

function tooSmall(
  { settings: { batch } }: StepToFit,
  whole: WholeStep,
  { budget }: DeviceLimits,
  last: readonly Tried[],
): LimitError {
  const planned = last.flatMap(({ plan, way }) => (plan ? [{ plan, way }] : []));
  if (planned.length === 0)
    return new LimitError(`no way to take a step of ${batch} clips fits: ${last.at(-1)!.refusal}`);
  const { plan, way } = planned.reduce((a, b) => (b.plan.peak < a.plan.peak ? b : a));
  return new LimitError(
    `a step of ${batch} clips takes ${wholeText(whole)}; ${sizeText(budget)} are allowed\n` +
      `  the least it can take is ${sizeText(plan.peak)}: ${wayText(way, batch)}`,
  );
}
