// Learning rates for runs in steps: a linear warm-up, then constant, linear, cosine, constant with cooldown, or steps down. Plain
// data, and functions of the step alone: there is nothing to save, and a resumed run is at the right rate by construction.
import { UsageError } from "../engine/errors.ts";
import { takes } from "../engine/takes.ts";

/** The warm-up, which every shape has: from `start` times the base rate, in `warmup` steps, to the base rate. */
export interface WarmUp {
  /** Steps before the base rate is reached; 0 unless given. */
  readonly warmup?: number;
  /** Share of the base rate at step 0 of a warm-up; 0.01 unless given. */
  readonly start?: number;
}

/** A shape that comes to its end. */
export interface Descent extends WarmUp {
  /** Steps of the whole run, warm-up included: at this step the rate is `floor`, and stays there. */
  readonly steps: number;
  /** The rate at the end, the same for all groups; 0 unless given. */
  readonly floor?: number;
}

/** Constant, then down to the floor in the last `cooldown` steps. */
export interface Cooldown extends Descent {
  readonly cooldown: number;
  /** How it comes down, x from 0 to 1: 1 − x, or 1 − √x (Hägele et al. 2024), which is the default. */
  readonly form?: "linear" | "1-sqrt";
}

/** `gamma` times the rate before, every so many steps. */
export interface StepDown extends WarmUp {
  readonly every: number;
  /** 0.1 unless given, as in PyTorch. */
  readonly gamma?: number;
}

/** `gamma` times the rate before, at each of some steps, which count from the beginning of the run. */
export interface Milestones extends WarmUp {
  readonly at: readonly number[];
  /** 0.1 unless given, as in PyTorch. */
  readonly gamma?: number;
}

/** A schedule as plain data, complete. */
export type Ramp =
  | ({ readonly shape: "constant" } & Required<WarmUp>)
  | ({ readonly shape: "linear" | "cosine" } & Required<Descent>)
  | ({ readonly shape: "cooldown" } & Required<Cooldown>)
  | ({ readonly shape: "step" } & Required<StepDown>)
  | ({ readonly shape: "milestones" } & Required<Milestones>);

const warmText = "warmup?: natural, start?: share";
const descentText = `steps: count, ${warmText}, floor?: amount`;

const warm = ({ warmup = 0, start = 0.01 }: WarmUp): Required<WarmUp> => ({ warmup, start });

function descent(name: string, { steps, floor = 0, ...rest }: Descent, least = 0): Required<Descent> {
  const { warmup, start } = warm(rest);
  if (warmup + least > steps || warmup === steps)
    throw new UsageError(
      `schedule.${name}: ${warmup} steps of warm-up${least ? ` and ${least} of cooldown` : ""} do not fit into ${steps}; a smaller warmup (--warmup) does, or more steps`,
    );
  return { steps, floor, warmup, start };
}

/**
 * The rate at each step of a run, for `learningRate(base, step, …)`: after the warm-up, n counts from its end and s is the number of
 * steps left there. Errors: UsageError for a warm-up, or cooldown, that does not fit into the steps.
 */
export const schedule = {
  /** base. */
  constant(options: WarmUp = {}): Ramp {
    takes(`schedule.constant(options?: { ${warmText} }, ...)`, arguments);
    return { shape: "constant", ...warm(options) };
  },

  /** floor + (base − floor)(1 − n/s). */
  linear(options: Descent): Ramp {
    takes(`schedule.linear(options: { ${descentText} }, ...)`, arguments);
    return { shape: "linear", ...descent("linear", options) };
  },

  /** floor + (base − floor)(1 + cos(π n/s))/2 (Loshchilov & Hutter 2017, without restarts). */
  cosine(options: Descent): Ramp {
    takes(`schedule.cosine(options: { ${descentText} }, ...)`, arguments);
    return { shape: "cosine", ...descent("cosine", options) };
  },

  /** base, then floor + (base − floor) f(x) with x from 0 to 1 over the last `cooldown` steps; f is 1 − √x or 1 − x (Hägele et al. 2024). */
  cooldown(options: Cooldown): Ramp {
    takes(
      `schedule.cooldown(options: { ${descentText}, cooldown: count, form?: "linear" | "1-sqrt" }, ...)`,
      arguments,
    );
    const { cooldown, form = "1-sqrt", ...rest } = options;
    return { shape: "cooldown", ...descent("cooldown", rest, cooldown), cooldown, form };
  },

  /** base · gammaᵏ with k = ⌊n / every⌋, as torch.optim.lr_scheduler.StepLR. */
  step(options: StepDown): Ramp {
    takes(`schedule.step(options: { every: count, gamma?: amount, ${warmText} }, ...)`, arguments);
    const { every, gamma = 0.1 } = options;
    return { shape: "step", every, gamma, ...warm(options) };
  },

  /** base · gammaᵏ, k of the steps `at` being behind, as torch.optim.lr_scheduler.MultiStepLR; over a warm-up times its share. */
  milestones(options: Milestones): Ramp {
    takes(`schedule.milestones(options: { at: natural[], gamma?: amount, ${warmText} }, ...)`, arguments);
    const { at, gamma = 0.1 } = options;
    return { shape: "milestones", at, gamma, ...warm(options) };
  },
};

/** Rate of step `at`, counted from 0, for a base rate. */
export function rampRate(base: number, at: number, ramp: Ramp): number {
  if (ramp.shape === "milestones") {
    const passed = ramp.at.filter((step) => step <= at).length;
    return rampRate(base * ramp.gamma ** passed, at, { ...ramp, shape: "constant" });
  }
  const { warmup, start } = ramp;
  if (at < warmup) return base * (start + ((1 - start) * at) / warmup);
  const n = at - warmup;
  if (ramp.shape === "constant") return base;
  if (ramp.shape === "step") return base * ramp.gamma ** Math.floor(n / ramp.every);
  const { steps, floor } = ramp;
  if (at >= steps) return floor;
  return floor + (base - floor) * left(n, steps - warmup, ramp);
}

/** What is left of the way down, from 1 to 0, after n of s steps. */
function left(n: number, s: number, ramp: Exclude<Ramp, { shape: "constant" | "step" | "milestones" }>): number {
  if (ramp.shape === "cooldown") {
    const x = Math.max(0, n - (s - ramp.cooldown)) / ramp.cooldown;
    return ramp.form === "linear" ? 1 - x : 1 - Math.sqrt(x);
  }
  return ramp.shape === "linear" ? 1 - n / s : (1 + Math.cos((Math.PI * n) / s)) / 2;
}
