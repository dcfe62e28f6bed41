// Seeded numbers for benchmark inputs. Large arrays repeat a block: what a kernel costs does not depend on their values.

import { gaussian, uniform } from "../engine/device/draws.ts";

const block = 2 ** 16 - 1; // odd, so that rows of a power of two differ

/** Standard normal numbers. */
export function gaussians(n: number, seed: number): Float32Array {
  return repeated(gaussianBlock(seed, Math.min(n, block)), n);
}

/** What `gaussians` of this seed repeats: element i of those is element i modulo its length of this. */
export function gaussianBlock(seed: number, length = block): Float32Array {
  const random = uniform(seed);
  return Float32Array.from({ length }, () => gaussian(random));
}

/** Numbers in [0.1, 2.1). */
export function positives(n: number, seed: number): Float32Array {
  const random = uniform(seed);
  return repeated(
    Float32Array.from({ length: Math.min(n, block) }, () => 0.1 + 2 * random()),
    n,
  );
}

function repeated(values: Float32Array, n: number): Float32Array {
  const all = new Float32Array(n);
  for (let at = 0; at < n; at += values.length) all.set(values.subarray(0, Math.min(values.length, n - at)), at);
  return all;
}
