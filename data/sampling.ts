// Which clips, and which of their frames, a step sees. Everything is a function of (seed, epoch, index) alone, so the
// number of workers, an interruption or a bad neighbour changes nothing.
import { Random } from "./philox.ts";
import { takes } from "../engine/takes.ts";

/** Names the random choices made for one showing of a sample. */
export interface RandomDraw {
  readonly seed: number;
  readonly epoch: number;
  readonly index: number;
}

/**
 * `n` frame numbers from `start` to `stop`, both included, as numpy's `linspace(start, stop, n, dtype=int)`: evenly
 * spaced, rounded down; fewer frames than n repeat.
 */
export function linspaceFrames(start: number, stop: number, n: number): Int32Array {
  takes("linspaceFrames(start: number, stop: number, n: few, ...)", arguments);
  const step = n > 1 ? (stop - start) / (n - 1) : 0;
  const out = Int32Array.from({ length: n }, (_, i) => Math.trunc(start + i * step));
  if (n > 1) out[n - 1] = stop; // i * step may fall a rounding short of it
  return out;
}

/** `n` distinct frame numbers below `count`, uniform without replacement, ascending. Needs n ≤ count. */
export function randomFrames(random: Random, count: number, n: number): Int32Array {
  const chosen = new Set<number>();
  for (let last = count - n; last < count; last++) {
    const frame = random.below(last + 1); // Floyd's sampling: n draws, each subset equally likely
    chosen.add(chosen.has(frame) ? last : frame);
  }
  return Int32Array.from(chosen).sort();
}

/**
 * The order of `n` samples in an epoch: a permutation drawn from (seed, epoch). Neighbours in the data set, `together` at
 * a time, stay neighbours.
 */
export function epochOrder(seed: number, epoch: number, n: number, together = 1): Int32Array {
  const groups = Int32Array.from({ length: Math.ceil(n / together) }, (_, i) => i);
  const random = new Random(seed, "order", epoch);
  for (let i = groups.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const held = groups[i];
    groups[i] = groups[j];
    groups[j] = held;
  }
  if (together === 1) return groups;
  return Int32Array.from(
    [...groups].flatMap((g) => Array.from({ length: together }, (_, k) => g * together + k)).filter((i) => i < n),
  );
}
