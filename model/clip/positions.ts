// The table of positions of another image size (official `resize_pos_embed`): bicubic, corners aligned, no antialiasing.

/** Rows and columns of patches. */
export type Grid = readonly [number, number];

const sharpness = -0.75; // PyTorch's cubic kernel

/** Weight of a sample at distance x, 0 <= x <= 2 (Keys 1981). */
function cubic(x: number): number {
  const a = sharpness;
  return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((x - 5) * x + 8) * x * a - 4 * a;
}

/** The four samples and weights of each output, one axis: the source of output o is o (in - 1)/(out - 1); borders repeat. */
function taps(from: number, to: number): { at: number; weight: number }[][] {
  return Array.from({ length: to }, (_, o) => {
    const source = to > 1 ? (o * (from - 1)) / (to - 1) : 0;
    const left = Math.floor(source);
    return [-1, 0, 1, 2].map((k) => ({
      at: Math.min(from - 1, Math.max(0, left + k)),
      weight: cubic(Math.abs(source - left - k)),
    }));
  });
}

/**
 * A table [1 + h·w, D] for another grid: row 0, the class token's, is kept; the others are resized as an image of D channels.
 * Computed in float64.
 */
export function resizePositions(table: Float32Array, from: Grid, to: Grid): Float32Array {
  const [width, height] = [from[1], from[0]];
  const D = table.length / (1 + width * height);
  const [rows, columns] = [taps(height, to[0]), taps(width, to[1])];
  const out = new Float32Array(D * (1 + to[0] * to[1]));
  out.set(table.subarray(0, D));
  const sum = new Float64Array(D);
  for (const [y, rowTaps] of rows.entries())
    for (const [x, columnTaps] of columns.entries()) {
      sum.fill(0);
      for (const row of rowTaps)
        for (const column of columnTaps) {
          const weight = row.weight * column.weight;
          const patch = D * (1 + row.at * width + column.at);
          for (let d = 0; d < D; d++) sum[d] += weight * table[patch + d];
        }
      out.set(sum, D * (1 + y * to[1] + x));
    }
  return out;
}
