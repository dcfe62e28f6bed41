// How sure a metric is: percentile intervals from resampled test sets, the same ones for every metric of one seed.

import { Random } from "../../data/philox.ts";
import { ShapeError, UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { atOnce } from "./in-turns.ts";

/** Where the middle `level` of the resampled values lies, and for how many resamples the metric was not defined. */
export interface Interval {
  readonly low: number;
  readonly high: number;
  readonly undefinedResamples: number;
}

/** How many test sets are drawn, and how wide the interval is. */
export interface BootstrapOptions {
  /** Resampled test sets; 1000 by default. */
  readonly resamples?: number;
  /** Share of the resampled values inside the interval, 0.95 by default. */
  readonly level?: number;
  readonly seed: number;
}

/**
 * Percentile bootstrap (Efron 1979) of `metric` over n samples: it gets the indices of n samples drawn with replacement. Resample r is
 * a function of (seed, r) alone, so two metrics see the same test sets. Undefined (NaN) values are left out and counted; without any
 * defined one the interval is NaN.
 */
export function bootstrap(n: number, metric: (rows: Uint32Array) => number, options: BootstrapOptions): Interval {
  takes(
    "bootstrap(n: count, metric: function, options: { resamples?: count, level?: share, seed: seed }, ...)",
    arguments,
  );
  return bootstrapAll(n, [metric], options)[0];
}

/** As `bootstrap`, for several metrics on the same drawn test sets. */
export function bootstrapAll(
  n: number,
  metrics: readonly ((rows: Uint32Array) => number)[],
  options: BootstrapOptions,
): Interval[] {
  takes(
    "bootstrapAll(n: count, metrics: function[], options: { resamples?: count, level?: share, seed: seed }, ...)",
    arguments,
  );
  return atOnce(bootstrapSteps(n, metrics, options));
}

/** `bootstrapAll` one test set at a time. */
export function* bootstrapSteps(
  n: number,
  metrics: readonly ((rows: Uint32Array) => number)[],
  options: BootstrapOptions,
): Generator<void, Interval[]> {
  const { resamples = 1000, level = 0.95, seed } = options;
  if (!(n > 0)) throw new ShapeError("bootstrap: there are no samples");
  if (!(resamples >= 1 && level > 0 && level < 1))
    throw new UsageError(
      `bootstrap: ${resamples} resamples at level ${level}; at least one, and a level between 0 and 1`,
    );
  const values = metrics.map(() => new Float64Array(resamples));
  const rows = new Uint32Array(n);
  for (let r = 0; r < resamples; r++) {
    const random = new Random(seed, "bootstrap", r);
    for (let i = 0; i < n; i++) rows[i] = random.below(n);
    for (const [m, metric] of metrics.entries()) values[m][r] = metric(rows);
    yield;
  }
  const tail = (1 - level) / 2;
  return values.map((all) => {
    const defined = all.filter((v) => !Number.isNaN(v)).sort();
    return {
      low: quantile(defined, tail),
      high: quantile(defined, 1 - tail),
      undefinedResamples: resamples - defined.length,
    };
  });
}

/** Linear interpolation between the sorted values (NumPy's default). */
function quantile(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}
