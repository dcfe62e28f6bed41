// Seeded numbers for benchmark inputs. Large arrays repeat a block: what a kernel costs does not depend on their values.

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function uniform(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const block = 2 ** 16 - 1; // odd, so that rows of a power of two differ

/** Standard normal numbers. */
export function gaussians(n: number, seed: number): Float32Array {
  const random = uniform(seed);
  const next = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return repeated(Float32Array.from({ length: Math.min(n, block) }, next), n);
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
