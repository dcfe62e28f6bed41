// Samples that cannot be read: counted, named once, and replaced by others where a batch must be full.
import { FormatError, HealthError } from "../engine/errors.ts";
import { Random } from "./philox.ts";
import type { RandomDraw } from "./sampling.ts";

/** A sample that could not be read. */
export interface BadSample {
  /** Its number in the set, from 0. */
  readonly index: number;
  /** Why, in a sentence that names the file. */
  readonly reason: string;
}

/** What is done about bad samples. */
export interface BadSampleRule {
  /** Share of the samples that may be bad before the work stops; 0.01. */
  readonly maxBad?: number;
  /** Called once for every bad sample, in order. */
  readonly onBad?: (bad: BadSample) => void;
}

/** Counts the bad ones of `samples` samples, each once, and stops with a HealthError when there are too many. */
export class Tally {
  /** Number of the sample -> reason. */
  readonly reasons = new Map<number, string>();

  constructor(
    readonly samples: number,
    readonly rule: BadSampleRule = {},
    /** What is said of them. */
    readonly fault = "are bad",
  ) {}

  add(bad: BadSample): void {
    const { maxBad = 0.01, onBad } = this.rule;
    if (this.reasons.has(bad.index)) return;
    this.reasons.set(bad.index, bad.reason);
    onBad?.(bad);
    const share = this.reasons.size / this.samples;
    if (share <= maxBad) return;
    const percent = (v: number) => `${(100 * v).toFixed(1)} %`;
    throw new HealthError(
      `${this.reasons.size} of ${this.samples} samples ${this.fault} (${percent(share)}), allowed are ${percent(maxBad)}; the last: ${bad.reason}`,
    );
  }
}

/** Substitutes tried for one bad sample before giving up. */
const TRIES = 20;

/**
 * Shows sample `draw.index`, or in place of a bad one another of the `samples`, drawn from (seed, epoch, index) alone;
 * `onBad` hears of each that could not be shown.
 */
export async function orSubstitute<T>(
  draw: RandomDraw,
  samples: number,
  show: (draw: RandomDraw) => Promise<T>,
  onBad: (bad: BadSample) => void,
): Promise<T> {
  const substitutes = new Random(draw.seed, `substitutes ${draw.epoch}`, draw.index);
  for (let attempt = 0; ; attempt++) {
    const index = attempt === 0 ? draw.index : substitutes.below(samples);
    try {
      return await show({ ...draw, index });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      onBad({ index, reason: error.message });
      if (attempt === TRIES) throw new HealthError(`${error.message}; ${TRIES} substitutes for it are bad too`);
    }
  }
}
