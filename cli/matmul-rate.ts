// The rate of a matrix product on this device: what predictions and shares are of.
import { performance } from "node:perf_hooks";
import { compute, free, type Gpu, persistent } from "../engine/index.ts";
import { matmul, slice } from "../kernels/index.ts";

/** Seconds after which no further round begins, and those of a round that is long enough. */
const [most, enough] = [0.6, 0.1];

/** Flops a second of a square matrix product of f32: the best of some rounds, within about a second. Its memory is given back. */
export async function matmulRate(gpu: Gpu): Promise<number> {
  const side = gpu.facts.software ? 512 : 2048;
  const x = persistent(new Float32Array(side * side).fill(0.5), [side, side]);
  const began = performance.now();
  let [best, products] = [0, gpu.facts.software ? 2 : 4];
  try {
    for (let round = 0; round < 8 && performance.now() - began < 1000 * most; round++) {
      const from = performance.now();
      await compute(() => {
        let y = x;
        for (let k = 0; k < products; k++) y = matmul(x, y);
        return [slice(y, 0, 1)];
      });
      const seconds = (performance.now() - from) / 1000;
      best = Math.max(best, (2 * side ** 3 * products) / seconds);
      if (round > 0 && seconds < enough) products = Math.min(256, 4 * products); // the first one compiles
    }
    return best;
  } finally {
    free(x);
  }
}
