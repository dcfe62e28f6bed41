// Savitzky–Golay smoothing as scipy.signal.savgol_filter does it with mode "interp", even windows included: the evaluation of
// LIRIS-ACCEDE smooths its predictions with window 100 and order 3.

import { HealthError, ShapeError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { requireFinite } from "../matrix.ts";

/** `window` samples per fit, polynomial `order` < window. */
export interface Savgol {
  readonly window: number;
  readonly order: number;
}

/** The official settings. */
export const lirisSmoothing: Savgol = { window: 100, order: 3 };

/**
 * Output i is the least-squares polynomial through samples i − ⌈w/2⌉ + 1 … i + ⌊w/2⌋, at the window's middle: with an even window
 * that is i + ½, half a sample late. The first and last ⌊w/2⌋ outputs are values of the polynomial through the first and last
 * w samples, at their own places. A series shorter than the window is refused, as scipy does.
 */
export function savgol(series: ArrayLike<number>, filter: Savgol): Float64Array {
  takes("savgol(series: numbers, filter: { window: count, order: natural, ... }, ...)", arguments);
  const { window, order } = filter;
  const n = series.length;
  if (!(Number.isInteger(window) && Number.isInteger(order) && order >= 0 && order < window))
    throw new ShapeError(
      `savgol: window ${window} and order ${order}; a whole order from 0 to below the window is needed`,
    );
  if (n < window) throw new HealthError(`savgol: the series has ${n} samples, but the window ${window}`);
  requireFinite(series, "savgol: series");
  const half = Math.floor(window / 2);
  const out = new Float64Array(n);
  const middle = savgolWeights(window, order, (window - 1) / 2);
  const before = Math.floor((window - 1) / 2);
  for (let i = half; i < n - half; i++) out[i] = apply(middle, series, i - before);
  for (let i = 0; i < half; i++) {
    out[i] = apply(savgolWeights(window, order, i), series, 0);
    out[n - 1 - i] = apply(savgolWeights(window, order, window - 1 - i), series, n - window);
  }
  return out;
}

function apply(weights: Float64Array, series: ArrayLike<number>, start: number): number {
  let sum = 0;
  for (let j = 0; j < weights.length; j++) sum += weights[j] * series[start + j];
  return sum;
}

/**
 * The weights with which `window` samples at 0, 1, … give the value at `place` of their least-squares polynomial:
 * Σ_k q_k(t_i) q_k(t)/‖q_k‖² over the polynomials orthogonal on the samples (Gram), which is well conditioned at any order.
 */
export function savgolWeights(window: number, order: number, place: number): Float64Array {
  const scale = 2 / Math.max(1, window - 1);
  const t = Float64Array.from(
    { length: window + 1 },
    (_, i) => (i < window ? i : place) * scale - (window > 1 ? 1 : 0),
  );
  const weights = new Float64Array(window);
  let last = new Float64Array(window + 1);
  let q = new Float64Array(window + 1).fill(1);
  let lastNorm = 1;
  for (let k = 0; k <= order; k++) {
    const norm = inner(q, q, window);
    for (let i = 0; i < window; i++) weights[i] += (q[i] * q[window]) / norm;
    // The samples lie symmetrically around 0, so that of the three-term recurrence only two terms remain.
    const b = k === 0 ? 0 : norm / lastNorm;
    const next = q.map((v, i) => t[i] * v - b * last[i]);
    [last, q, lastNorm] = [q, next, norm];
  }
  return weights;
}

function inner(a: Float64Array, b: Float64Array, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[i] * b[i];
  return sum;
}

/** `compat` smooths across the borders between movies, as the official evaluation does; `perMovie` inside each movie. */
export type Smoothing = "compat" | "perMovie";

/**
 * Smooths predictions that lie movie after movie, `lengths[m]` samples each. In a movie shorter than the window the window
 * is the movie's length, and the order below it.
 */
export function smooth(
  series: ArrayLike<number>,
  lengths: ArrayLike<number>,
  smoothing: Smoothing = "compat",
  filter: Savgol = lirisSmoothing,
): Float64Array {
  takes(
    'smooth(series: numbers, lengths: numbers, smoothing?: "compat" | "perMovie", ' +
      "filter?: { window: count, order: natural, ... })",
    arguments,
  );
  const total = Array.from(lengths).reduce((sum, length) => sum + length, 0);
  if (total !== series.length)
    throw new ShapeError(`smoothing: the movies have ${total} samples, but the series ${series.length}`);
  if (smoothing === "compat") return savgol(series, filter);
  const out = new Float64Array(series.length);
  let start = 0;
  for (const length of Array.from(lengths)) {
    if (length === 0) continue;
    const window = Math.min(filter.window, length);
    const movie = Float64Array.from({ length }, (_, i) => series[start + i]);
    out.set(savgol(movie, { window, order: Math.min(filter.order, window - 1) }), start);
    start += length;
  }
  return out;
}
