// The weights of PIL's antialiased bicubic filter for one axis, as whole numbers.

/** Fractional bits of a weight. */
export const FRACTION_BITS = 22;
const CUBIC_A = -0.5;
const CUBIC_SUPPORT = 2;

/** Taps that most sizes need: five or six where a picture shrinks to between a half and its own size. */
export const USUAL = 6;

/**
 * Weights of one axis: output o is the sum over k < width of weights[i * width + k] * input[first[i] + k], i = o - from.
 * Every window lies inside the axis; taps that a window does not need are 0.
 */
export interface Taps {
  /** First output there are taps for. */
  readonly from: number;
  readonly first: Int32Array;
  readonly weights: Int32Array;
  readonly width: number;
}

const known = new Map<string, Taps>();
const KNOWN_LIMIT = 256;
/** Longer axes are made for the part that is wanted, and not remembered. */
const LONG = 4096;

/** Taps from `input` to `output` samples, at least for outputs from … from + count − 1; a data set has few sizes. */
export function tapsFor(input: number, output: number, from: number, count: number): Taps {
  if (output > LONG) return makeTaps(input, output, from, count);
  const key = `${input} ${output}`;
  const found = known.get(key);
  if (found) return found;
  if (known.size >= KNOWN_LIMIT) known.clear();
  const made = makeTaps(input, output, 0, output);
  known.set(key, made);
  return made;
}

function makeTaps(input: number, output: number, from: number, count: number): Taps {
  const windows = Array.from({ length: count }, (_, i) => windowOf(input, output, from + i));
  const widest = windows.reduce((most, { weights }) => Math.max(most, weights.length), USUAL);
  const width = Math.min(widest, input);
  const first = new Int32Array(count);
  const weights = new Int32Array(count * width);
  for (const [i, window] of windows.entries()) {
    first[i] = Math.min(window.first, input - width);
    weights.set(window.weights, i * width + window.first - first[i]);
  }
  return { from, first, weights, width };
}

/** What one output is made of. The filter widens when shrinking: antialiasing. */
function windowOf(input: number, output: number, at: number): { first: number; weights: number[] } {
  const scale = input / output;
  const stretch = Math.max(scale, 1);
  const support = CUBIC_SUPPORT * stretch;
  const centre = (at + 0.5) * scale;
  const first = Math.max(Math.trunc(centre - support + 0.5), 0);
  const length = Math.min(Math.trunc(centre + support + 0.5), input) - first;
  const exact = Array.from({ length }, (_, k) => cubic((k + first - centre + 0.5) / stretch));
  const sum = exact.reduce((s, w) => s + w, 0);
  return { first, weights: exact.map((w) => roundAway((w / sum) * 2 ** FRACTION_BITS)) };
}

/** Keys' cubic convolution kernel. */
function cubic(at: number): number {
  const x = Math.abs(at);
  const a = CUBIC_A;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function roundAway(v: number): number {
  return Math.trunc(v < 0 ? v - 0.5 : v + 0.5);
}
