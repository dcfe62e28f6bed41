// Which products of halves go to a device's matrices, and to which of its sizes.
import type { DeviceFacts, MatrixSize } from "../../engine/declare/facts.ts";
import { type MatrixStructure, type StructureName, structures } from "./structures.ts";
import { type Extent, productsOf } from "./table.ts";

/** The device's largest matrices that fill a subgroup's block; undefined where it has none. */
export function matrixFor(
  { rows, cols, down, across, KT }: MatrixStructure,
  device: DeviceFacts,
): MatrixSize | undefined {
  const fitting = (device.matrices ?? []).filter(
    ({ m, n, k }) =>
      (rows / down) % m === 0 && (cols / across) % n === 0 && KT % k === 0 && [m, n, k].every((size) => size % 4 === 0),
  );
  return fitting.toSorted((a, b) => b.m * b.n * b.k - a.m * a.n * a.k)[0];
}

/** Whether a device can run a tile of matrices: it has some of a size that fills it, and threads and memory for it. */
export function runsTile(structure: MatrixStructure, device: DeviceFacts): boolean {
  const { down, across, rows, cols, KT } = structure;
  const matrix = matrixFor(structure, device);
  if (!matrix || down * across * device.subgroup > device.workgroupSize) return false;
  const operands = 2 * (rows + cols + 2 * 8) * (KT + 8);
  const sums = 4 * down * matrix.m * cols;
  return operands + sums <= device.workgroupBytes;
}

/** Multiplications from which on matrices pay, and the shortest sums: 768 x 768 on an A100 1.0 times at 1,920 rows, 1.5 at 3,840. */
const least = { work: 2 ** 30, depth: 128 } as const;

/** The tile of matrices for a product of halves on a GPU; undefined where other tiles are as quick. */
export function matrixChoice(extent: Extent, device: DeviceFacts): StructureName | undefined {
  const { M, N, K, split } = extent;
  const products = productsOf(extent);
  if (device.software || K < least.depth || M * N * K * (split === undefined ? products : 1) < least.work)
    return undefined;
  const tiles = (rows: number, cols: number) => Math.ceil(M / rows) * Math.ceil(N / cols) * products;
  const enough = (["mx128", "mx64", "mx32"] as const).filter((name) => runsTile(structures[name], device));
  return enough.find((name) => tiles(structures[name].rows, structures[name].cols) >= 256) ?? enough.at(-1);
}
