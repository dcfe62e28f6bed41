// Frames and masks as golden files keep them: small.

/** Means over squares of step x step pixels; planes [N, side, side] -> [N, side / step, side / step]. */
export function squareMeans(step: number, planes: ArrayLike<number>, side = 224): Float32Array {
  const small = side / step;
  const out = new Float64Array((planes.length / side / side) * small * small);
  for (let i = 0; i < planes.length; i++) {
    const row = Math.floor(i / side);
    const [plane, y, x] = [Math.floor(row / side), row % side, i % side];
    out[(plane * small + Math.floor(y / step)) * small + Math.floor(x / step)] += planes[i] / step / step;
  }
  return Float32Array.from(out);
}
