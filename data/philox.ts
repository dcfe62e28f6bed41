// Seeded, counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). A draw is a function of key and counter alone,
// so any clip or batch can be made on its own, in any order, with the same result.

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** Ten rounds of Philox4x32: counter (four u32) and key (two u32) -> four u32. */
export function philox(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  let [a, b, c, d] = counter.map((v) => v >>> 0);
  let k0 = key[0] >>> 0;
  let k1 = key[1] >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(MULTIPLIER_0, a);
    const high1 = mulHigh(MULTIPLIER_1, c);
    const low0 = Math.imul(MULTIPLIER_0, a) >>> 0;
    const low1 = Math.imul(MULTIPLIER_1, c) >>> 0;
    [a, b, c, d] = [(high1 ^ b ^ k0) >>> 0, low1, (high0 ^ d ^ k1) >>> 0, low0];
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [a, b, c, d];
}

/** Upper 32 bits of the 64-bit product, from 16-bit halves because a double holds only 53 bits. */
function mulHigh(x: number, y: number): number {
  const x0 = x & 0xffff;
  const x1 = x >>> 16;
  const y0 = y & 0xffff;
  const y1 = y >>> 16;
  const middle = x1 * y0 + ((x0 * y0) >>> 16);
  const carry = x0 * y1 + (middle & 0xffff);
  return (x1 * y1 + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** FNV-1a over UTF-16 code units -> u32: turns a stream's name, or a text, into a key. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A stream of random values named by seed (integer below 2^53), stream name and index; equal names give equal streams. */
export class Random {
  private readonly key: [number, number];
  private readonly counter: [number, number, number, number];
  private block: number[] = [];

  constructor(seed: number, stream: string, index = 0) {
    this.key = [seed >>> 0, hashText(stream)];
    this.counter = [0, index >>> 0, 0, Math.floor(seed / 0x100000000) >>> 0];
  }

  /** The next u32. */
  next(): number {
    if (this.block.length === 0) {
      this.block = philox(this.counter, this.key).reverse();
      this.counter[0]++;
    }
    return this.block.pop()!;
  }

  /** Uniform in [low, high). */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.next() / 0x100000000);
  }

  /** Uniform integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** Nearly normal, mean 0 and deviation 1: the sum of twelve uniforms, exact in every engine unlike log and cos. */
  normal(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.uniform();
    return sum;
  }

  /** True with probability p. */
  chance(p: number): boolean {
    return this.uniform() < p;
  }

  /** One element. */
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(of: readonly T[]): T[] {
    const out = [...of];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }
}
