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

/** A source of samples, and how often an epoch shows each of them: 2 is twice, 0.5 in every other epoch. */
export interface Share {
  readonly samples: number;
  readonly factor: number;
}

/** What an epoch shows of a set that may not say: all of it, once. */
export const sharesOf = (set: { readonly samples: number; readonly shares?: readonly Share[] }): readonly Share[] =>
  set.shares ?? [{ samples: set.samples, factor: 1 }];

/** What an epoch shows, in order. */
export interface Epoch {
  /** Numbers of the samples; those of a source follow those of the ones before it. */
  readonly indices: Int32Array;
  /** What their draws have for an epoch: the number of the showing, so that a sample that is shown twice has other frames then. */
  readonly showings: Int32Array;
}

/** Neighbours that are shuffled as one: samples `from` … `until` - 1 in their showing of this number. */
interface Group {
  readonly from: number;
  readonly until: number;
  readonly showing: number;
}

/**
 * An epoch of sources: a permutation, drawn from (seed, epoch), of what it shows of each. Neighbours in a source, `together` at a time,
 * stay neighbours. A factor's whole part shows the source so often; for the rest it goes on, epoch by epoch, in an endless row of
 * permutations of the source, so that no sample is shown twice more often than another.
 */
export function epochOf(seed: number, epoch: number, shares: readonly Share[], together = 1): Epoch {
  const groups: Group[] = [];
  let first = 0;
  for (const [k, share] of shares.entries()) {
    const groupAt = (g: number, showing: number): Group => {
      const from = first + g * together;
      return { from, until: Math.min(from + together, first + share.samples), showing };
    };
    for (const [g, showing] of showingsOf(seed, epoch, k, share, together)) groups.push(groupAt(g, showing));
    first += share.samples;
  }
  const indices: number[] = [];
  const showings: number[] = [];
  for (const at of shuffled(new Random(seed, "order", epoch), groups.length)) {
    const { from, until, showing } = groups[at];
    for (let i = from; i < until; i++) {
      indices.push(i);
      showings.push(showing);
    }
  }
  return { indices: Int32Array.from(indices), showings: Int32Array.from(showings) };
}

/** The groups of a source that an epoch shows, and the numbers of their showings: 0, 1, … of whole passes, -1, -2, … of the others. */
function* showingsOf(
  seed: number,
  epoch: number,
  source: number,
  share: Share,
  together: number,
): Generator<[group: number, showing: number]> {
  const { groups, whole, rest } = countsOf(share, together);
  for (let pass = 0; pass < whole; pass++) for (let g = 0; g < groups; g++) yield [g, epoch * whole + pass];
  let order: { pass: number; groups: Int32Array } | undefined;
  for (let at = epoch * rest; at < (epoch + 1) * rest; at++) {
    const pass = Math.floor(at / groups);
    if (order?.pass !== pass) order = { pass, groups: shuffled(new Random(seed, `rest of ${source}`, pass), groups) };
    yield [order.groups[at % groups], -1 - pass];
  }
}

/** Groups of a source; how often an epoch shows all of them, and how many once more. It shows one at least. */
function countsOf({ samples, factor }: Share, together: number) {
  const groups = Math.ceil(samples / together);
  const shown = Math.max(1, Math.round(factor * groups));
  return { groups, whole: Math.floor(shown / groups), rest: shown % groups };
}

/** Samples that every epoch of these sources shows; one may show a few more, where `together` does not divide a source. */
export function epochLength(shares: readonly Share[], together = 1): number {
  const lengths = shares.map((share) => {
    const { whole, rest } = countsOf(share, together);
    const lacking = (together - (share.samples % together)) % together; // in its last group, which may come twice
    return whole * share.samples + rest * together - Math.min(2, rest) * lacking;
  });
  return lengths.reduce((sum, length) => sum + length, 0);
}

/** The numbers below `n` in an order that is drawn. */
function shuffled(random: Random, n: number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
