// Samples in the order of their scores, found once: average precision and ROC AUC are then one walk along it, over all samples or
// over any resample of them.

import { HealthError } from "../../engine/errors.ts";
import { requireFinite } from "../matrix.ts";

/** Labels of one class (0 or 1) and the samples in the order of their scores. */
export interface Ranking {
  readonly labels: Uint8Array;
  /** Samples from the highest score to the lowest. */
  readonly order: Uint32Array;
  /** Per place in that order: 1 if no lower place has the same score. */
  readonly isLast: Uint8Array;
}

/** How often each sample counts; once without it. */
type Counts = ArrayLike<number>;

/** `what` names the metric in messages. */
export function rankingOf(labels: ArrayLike<number>, scores: ArrayLike<number>, what: string): Ranking {
  requireFinite(scores, `${what}: scores`);
  for (let i = 0; i < labels.length; i++)
    if (labels[i] !== 0 && labels[i] !== 1)
      throw new HealthError(`${what}: label ${labels[i]} of sample ${i}; labels are 0 or 1`);
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const isLast = Uint8Array.from(order, (i, p) => (p + 1 < order.length && scores[order[p + 1]] === scores[i] ? 0 : 1));
  return { labels: Uint8Array.from(labels), order, isLast };
}

/** How often each of n samples is among `rows`. */
export function countsOf(rows: ArrayLike<number>, n: number): Uint32Array {
  const counts = new Uint32Array(n);
  for (let r = 0; r < rows.length; r++) counts[rows[r]]++;
  return counts;
}

/** Σ_n (R_n − R_{n−1}) P_n over the distinct scores; without positives 0. */
export function precisionOf({ labels, order, isLast }: Ranking, counts?: Counts): number {
  let [found, taken, sum] = [0, 0, 0];
  let here = 0; // positives of the score in hand
  for (let p = 0; p < order.length; p++) {
    const i = order[p];
    const times = counts ? counts[i] : 1;
    taken += times;
    if (labels[i]) here += times;
    if (!isLast[p] || here === 0) continue;
    found += here;
    sum += here * (found / taken);
    here = 0;
  }
  return found === 0 ? 0 : sum / found;
}

/** The area under the ROC curve; NaN where only one label occurs. */
export function aucOf({ labels, order, isLast }: Ranking, counts?: Counts): number {
  let [above, wins, negatives] = [0, 0, 0];
  let [positive, negative] = [0, 0]; // of the score in hand
  for (let p = 0; p < order.length; p++) {
    const i = order[p];
    const times = counts ? counts[i] : 1;
    if (labels[i]) positive += times;
    else negative += times;
    if (!isLast[p]) continue;
    wins += negative * (above + positive / 2);
    above += positive;
    negatives += negative;
    [positive, negative] = [0, 0];
  }
  return above === 0 || negatives === 0 ? Number.NaN : wins / (above * negatives);
}
