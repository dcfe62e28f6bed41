// The yardstick of the matrix product: one invocation per 4 x 4 outputs, as one writes it first (plain-tile.wgsl).
import type { Gpu } from "../../engine/gpu.ts";
import { ceilDiv } from "../../engine/op.ts";
import type { Storage } from "../../engine/tensor.ts";
import { bindRaw, compileRaw, type RawLaunch } from "../raw.ts";
import source from "./plain-tile.wgsl";

/** c[M, N] = a·b in f32, sizes multiples of 4; NN a[M, K] b[K, N], NT b[N, K], TN a[K, M]. */
export function plainTile(
  gpu: Gpu,
  form: "NN" | "NT" | "TN",
  { M, N, K }: { M: number; N: number; K: number },
  buffers: { a: Storage; b: Storage; c: Storage },
): RawLaunch {
  const label = `plain-tile ${form}`;
  const kernel = compileRaw(gpu, source, label, { FORM: ["NN", "NT", "TN"].indexOf(form) });
  const groups = ceilDiv((M * N) / 16, kernel.consts.WG);
  return bindRaw(gpu, kernel, buffers, { M, N, K }, [Math.min(groups, 65535), ceilDiv(groups, 65535)], label);
}
