// Slopes from values alone: difference quotients at halved steps, extrapolated to a step of 0 (Ridders 1982), with what is known of
// their error. In float32 one quotient is right to three digits at best; the extrapolated one to about five.

/** A slope along a direction, and its error as far as the values tell. */
export interface Slope {
  readonly slope: number;
  readonly error: number;
  /** What rounding may hide of a slope that seems to be 0 because all values are equal. */
  readonly hidden: number;
  /** From one side alone; where there is a kink, the two differ. */
  readonly left: Estimate;
  readonly right: Estimate;
}

/** A slope, and how far it may be off, as far as the values tell. */
export interface Estimate {
  readonly value: number;
  readonly error: number;
}

/** Values at −h and h. */
export interface Pair {
  readonly h: number;
  readonly minus: number;
  readonly plus: number;
}

export const innerProduct = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

/** How many powers of h are taken out: beyond, rounding grows faster than the rest shrinks. */
const columns = 3;

/** An entry of the tableau, and the row that it needed last. */
interface Entry extends Estimate {
  readonly row: number;
}

/**
 * The limit of quotients at h, h/2, h/4, … whose error is a series in h (`base` 2) or in h² (`base` 4); `noise` of each is what
 * rounding alone makes of it. The entry of the tableau with the least error is taken, where none is believed to be better than its noise,
 * or than quotients of smaller steps allow: over many kinks a function may look smooth at large steps, with another slope.
 */
function extrapolated(quotients: readonly number[], base: 2 | 4, noise: readonly number[]): Estimate {
  const entries: Entry[] = [];
  const finest: number[] = [];
  let before: number[] = [];
  for (const [k, quotient] of quotients.entries()) {
    const row = [quotient];
    for (let j = 1; j <= Math.min(k, columns); j++) {
      const factor = base ** j;
      row[j] = (factor * row[j - 1] - before[j - 1]) / (factor - 1);
      const error = Math.max(Math.abs(row[j] - row[j - 1]), Math.abs(row[j] - before[j - 1]), noise[k]);
      entries.push({ value: row[j], error, row: k });
    }
    finest.push(row[Math.min(1, k)]);
    before = row;
  }
  const judged = entries.map(({ value, error, row }) => {
    const beyond = finest.map((other, k) => (k > row ? Math.abs(other - value) - 4 * noise[k] : 0));
    return { value, error: Math.max(error, ...beyond) };
  });
  const unknown = { value: quotients.at(-1) ?? Number.NaN, error: Number.POSITIVE_INFINITY };
  return judged.reduce((best, entry) => (entry.error < best.error ? entry : best), unknown);
}

/**
 * The error of a value as the values tell: φ(h) + φ(−h) − 2φ(0) goes down by four with each half of a small step, but for rounding. Half
 * the median of what is left over.
 */
function scatterOf(pairs: readonly Pair[], centre: number): number {
  const bends = pairs.slice(-6).map(({ minus, plus }) => plus - centre + (minus - centre));
  const rests = bends.slice(1).map((bend, i) => Math.abs(bend - bends[i] / 4));
  return (rests.sort((a, b) => a - b)[rests.length >> 1] ?? 0) / 2;
}

/** The slope at 0 of a function with these values, largest step first, each half of the one before; `rounding` is the least error of a value. */
export function slopeOf(pairs: readonly Pair[], centre: number, rounding: number): Slope {
  const last = pairs.findLastIndex(({ minus, plus }) => !Number.isFinite(minus + plus));
  const good = pairs.slice(last + 1); // beyond the largest steps that leave where the function is defined
  const isFlat = good.length > 1 && good.every(({ minus, plus }) => minus === centre && plus === centre);
  const offBy = Math.max(rounding, scatterOf(good, centre));
  const noise = good.map(({ h }) => (isFlat ? 0 : offBy / h));
  const central = good.map(({ h, minus, plus }) => (plus - minus) / (2 * h));
  const { value: slope, error } = extrapolated(central, 4, noise);
  const right = good.map(({ h, plus }) => (plus - centre) / h);
  const left = good.map(({ h, minus }) => (centre - minus) / h);
  const hidden = good.length > 0 ? offBy / good[0].h : Number.POSITIVE_INFINITY;
  return { slope, error, hidden, left: extrapolated(left, 2, noise), right: extrapolated(right, 2, noise) };
}
