// Learning rates: a cosine after a warm-up, as the official scheduler gives them, as a function of the iteration alone.
// There is nothing to save and nothing to step, so a resumed run is at the right rate by construction. Other shapes: ramps.ts.
import { fits, takes } from "../engine/takes.ts";
import type { PerGroup } from "./optimizers/optimizer.ts";
import { type Ramp, rampRate } from "./ramps.ts";

interface Cosine {
  /** Half a period of the cosine: epochs of the run, or iterations where `cosineBy` says so (`max_epochs`). */
  readonly length: number;
  /** Where the cosine begins, in its own unit; the official one begins with the run (0), and so below the base rate after a warm-up. */
  readonly begin?: number;
  /** Rate at the end of the cosine (`lr_min`, the same for all groups). */
  readonly floor: number;
  /** Iterations of an epoch. */
  readonly epochIterations: number;
  readonly cosineBy: "epoch" | "iteration";
  /** Length of the warm-up in the unit of `warmupBy`; 0 for none. */
  readonly warmup: number;
  readonly warmupBy: "epoch" | "iteration";
}

/**
 * How the warm-up rises, with α from 0 to 1:
 * auto: base·factor → the cosine where the warm-up ends · factor: (factor → 1) x the cosine · fix: from → base.
 */
export type OfficialSchedule = Cosine &
  ({ readonly mode: "auto" | "factor"; readonly factor: number } | { readonly mode: "fix"; readonly from: number });

/** A rate for every step: one of `schedule.cosine({ steps, warmup, floor })` and its like, or one of the official scheduler. */
export type Schedule = Ramp | OfficialSchedule;

/** The published schedule: cosine per epoch over 25 epochs to 1e-10, warm-up over 10,000 iterations from 1e-5 of the rate. */
export function paperSchedule(epochIterations: number): OfficialSchedule {
  takes("paperSchedule(epochIterations: count, ...)", arguments);
  const warmUp = { warmup: 10_000, warmupBy: "iteration", mode: "auto", factor: 1e-5 } as const;
  return { length: 25, floor: 1e-10, epochIterations, cosineBy: "epoch", ...warmUp };
}

/**
 * For runs in steps: up to the base rate in `warmup` steps, which is reached at the step after them, then a cosine that moves every
 * step and comes to `floor` at the end of `steps`. A warm-up of `steps` or more does not come to its end.
 */
export function stepSchedule(steps: number, warmup: number, floor: number): OfficialSchedule {
  takes("stepSchedule(steps: count, warmup: natural, floor: amount, ...)", arguments);
  const length = Math.max(1, steps - warmup);
  const cosine = { length, begin: warmup, floor, epochIterations: steps, cosineBy: "iteration" } as const;
  return { ...cosine, warmup, warmupBy: "iteration", mode: "auto", factor: 1e-2 };
}

/** What is to be said where the rate that is asked for never comes: `lr`, or the largest of the groups. */
export function warmupFaults({ steps, warmup, lr }: ShortRun, schedule: Schedule): string[] {
  if (warmup < steps) return [];
  const most = learningRate(lr, steps - 1, schedule);
  return [
    `the warm-up of ${warmup} steps is not over when the run of ${steps} ends: ` +
      `the learning rate comes to ${most.toPrecision(3)} and not to ${lr}; a smaller --warmup leaves room`,
  ];
}

interface ShortRun {
  readonly steps: number;
  readonly warmup: number;
  readonly lr: number;
}

const officialText =
  '{ length: positive, floor: amount, epochIterations: positive, cosineBy: "epoch" | "iteration", warmup: amount, ' +
  'warmupBy: "epoch" | "iteration", mode: "auto" | "factor" | "fix", ... }';

const rampText =
  '{ shape: "constant" | "linear" | "cosine" | "cooldown" | "step" | "milestones", warmup: natural, start: share, steps?: count, floor?: amount, ' +
  'cooldown?: count, form?: "linear" | "1-sqrt", every?: count, gamma?: amount, at?: natural[] }';

/**
 * Rate of iteration `it`, counted from 0, for a group whose rate is `base`; or of several groups at once, by name. It is a function of
 * the iteration alone: step number n of an optimiser, counted from 1, takes learningRate(base, n - 1, schedule).
 */
export function learningRate<B extends PerGroup>(
  base: B,
  it: number,
  schedule: Schedule,
): B extends number ? number : Record<string, number> {
  takes("learningRate(base: amount | object, it: natural, schedule: object, ...)", arguments);
  const isRamp = "shape" in schedule;
  fits("learningRate: schedule", isRamp ? rampText : officialText, schedule);
  const rate = (base: number) => (isRamp ? rampRate(base, it, schedule) : officialRate(base, it, schedule));
  if (typeof base === "number") return rate(base) as never;
  for (const [name, each] of Object.entries(base)) fits(`learningRate: base.${name}`, "amount", each);
  return Object.fromEntries(Object.entries(base).map(([name, each]) => [name, rate(each)])) as never;
}

/** The rate as the official scheduler gives it (spec 4.3). */
function officialRate(base: number, it: number, schedule: OfficialSchedule): number {
  const { warmup, warmupBy, cosineBy, epochIterations } = schedule;
  const epoch = Math.floor(it / epochIterations);
  const passed = warmupBy === "epoch" ? epoch : it;
  const now = cosineBy === "epoch" ? epoch : it;
  if (passed >= warmup) return cosine(base, now, schedule);

  // The unit of the cosine that is running when the warm-up ends; it stands still until then.
  const end = warmupBy === cosineBy ? warmup : Math.floor(warmup / epochIterations);
  const share = passed / warmup;
  if (schedule.mode === "fix") return schedule.from * (1 - share) + base * share;
  if (schedule.mode === "factor") return (schedule.factor * (1 - share) + share) * cosine(base, now, schedule);
  return base * schedule.factor * (1 - share) + cosine(base, end, schedule) * share;
}

/** cos(e) = floor + (base − floor)·(1 + cos(π e / E))/2, e counted from where the cosine begins. */
function cosine(base: number, at: number, { floor, length, begin = 0 }: OfficialSchedule): number {
  return floor + ((base - floor) * (1 + Math.cos((Math.PI * (at - begin)) / length))) / 2;
}
