// Samples in the order of their scores, found once: average precision and ROC AUC are then counts per distinct score, over all
// samples or over any resample of them.

import { HealthError } from "../engine/errors.ts";
import { requireFinite } from "./matrix.ts";

/** Labels of one class (0 or 1) and where each sample stands. */
export interface Ranking {
  readonly labels: Uint8Array;
  /** Per sample the number of distinct scores above its own. */
  readonly place: Uint32Array;
  /** Number of distinct scores. */
  readonly places: number;
}

/** `what` names the metric in messages. */
export function rankingOf(labels: ArrayLike<number>, scores: ArrayLike<number>, what: string): Ranking {
  requireFinite(scores, `${what}: scores`);
  for (let i = 0; i < labels.length; i++)
    if (labels[i] !== 0 && labels[i] !== 1)
      throw new HealthError(`${what}: label ${labels[i]} of sample ${i}; labels are 0 or 1`);
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const place = new Uint32Array(order.length);
  let places = 0;
  for (let i = 0; i < order.length; i++) {
    if (i === 0 || scores[order[i]] !== scores[order[i - 1]]) places++;
    place[order[i]] = places - 1;
  }
  return { labels: Uint8Array.from(labels), place, places };
}

/** Positives and negatives per distinct score, the highest first, and their sums; over the samples `rows` (all without it). */
function countsOf({ labels, place, places }: Ranking, rows?: ArrayLike<number>) {
  const positive = new Float64Array(places);
  const negative = new Float64Array(places);
  const n = rows?.length ?? labels.length;
  let positives = 0;
  for (let r = 0; r < n; r++) {
    const i = rows ? rows[r] : r;
    if (labels[i]) {
      positive[place[i]]++;
      positives++;
    } else negative[place[i]]++;
  }
  return { positive, negative, positives, negatives: n - positives };
}

/** Σ_n (R_n − R_{n−1}) P_n; without positives 0. */
export function precisionOf(ranking: Ranking, rows?: ArrayLike<number>): number {
  const { positive, negative, positives } = countsOf(ranking, rows);
  if (positives === 0) return 0;
  let [found, taken, sum] = [0, 0, 0];
  for (let p = 0; p < positive.length; p++) {
    if (positive[p] + negative[p] === 0) continue;
    found += positive[p];
    taken += positive[p] + negative[p];
    sum += (positive[p] / positives) * (found / taken);
  }
  return sum;
}

/** The area under the ROC curve; NaN where only one label occurs. */
export function aucOf(ranking: Ranking, rows?: ArrayLike<number>): number {
  const { positive, negative, positives, negatives } = countsOf(ranking, rows);
  if (positives === 0 || negatives === 0) return Number.NaN;
  let [above, wins] = [0, 0];
  for (let p = 0; p < positive.length; p++) {
    wins += negative[p] * (above + positive[p] / 2);
    above += positive[p];
  }
  return wins / (positives * negatives);
}
