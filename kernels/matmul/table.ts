// Which structure of the inner tile for which product: a measured choice of `emotionclip tune` if there is one,
// else a prior by the kind of device.
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import { type ProductForm, type StructureName, structures } from "./structures.ts";

/** The sizes a choice depends on. */
export interface Extent {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly batch?: readonly [n: number, h?: number];
  readonly split?: number;
}

/** How many products there are: parts of K, or of a batch. */
export const productsOf = ({ batch, split }: Extent): number => split ?? (batch ? batch[0] * (batch[1] ?? 1) : 1);

/** Sizes by powers of four: 1, 2..4, 5..16, 17..64, ... */
const bucket = (size: number): number => Math.ceil(Math.log2(Math.max(size, 1)) / 2);

/** "matmul|NT|m5 n4 k4": products that share a choice. Batches are bucketed, and vec4 loads are told from others. */
export function classOf(form: ProductForm, extent: Extent): string {
  const { M, N, K } = extent;
  const many = productsOf(extent) > 1 ? ` z${bucket(productsOf(extent))}` : "";
  return `matmul|${form}|m${bucket(M)} n${bucket(N)} k${bucket(K)}${many}${ragged(extent) ? " ragged" : ""}`;
}

const ragged = ({ N, K }: Extent): boolean => N % 4 !== 0 || K % 4 !== 0;

/** The structure for a product on a device. */
export function chooseStructure(form: ProductForm, extent: Extent, device: DeviceFacts): StructureName {
  const tuned = device.tuned.get(classOf(form, extent));
  if (tuned !== undefined && tuned in structures) return tuned as StructureName;
  return device.software ? rasteriser(extent) : gpu(extent);
}

/**
 * Taller tiles load less, and take longer to compile (0.2, 0.4 and 0.9 s): they need some work to do, and rows that fill
 * them. 32 rows are 10 to 25 % quicker than 16 with vec4 loads, and up to half as quick with scalar ones.
 */
function rasteriser(extent: Extent): StructureName {
  const { M, N, K } = extent;
  if (M <= 24 || M * N * K * productsOf(extent) < 2 ** 22) return "sg8";
  const filled = Math.ceil(M / 32) * 32 <= 1.1 * Math.ceil(M / 16) * 16;
  return filled && !ragged(extent) ? "sg32" : "sg16";
}

/** The largest tile that still gives every core some workgroups (about a thousand on large GPUs). */
function gpu(extent: Extent): StructureName {
  const { M, N } = extent;
  const tiles = (rows: number, cols: number) => Math.ceil(M / rows) * Math.ceil(N / cols) * productsOf(extent);
  if (M > 64 && tiles(128, 64) >= 1024) return "wg128";
  return M > 32 && N > 32 && tiles(64, 64) >= 256 ? "wg64" : "wg32";
}
