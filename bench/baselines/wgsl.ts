// Kernels as one writes them first, on our own device: the yardsticks of the matrix products and of attention.
import type { Gpu } from "../../engine/device/gpu.ts";
import { ceilDiv } from "../../engine/declare/pass.ts";
import { type Storage, Value } from "../../engine/record/value.ts";
import { bindRaw, bufferOf, compileRaw, submitRaw } from "../raw.ts";
import attentionText from "./plain-attention.wgsl";
import tileText from "./plain-tile.wgsl";
import type { Contestant } from "./problem.ts";

/** How the operands of a product are stored: NN a[M, K] b[K, N]; NT a[M, K] b[N, K]; TN a[K, M] b[K, N]. */
export type BaselineForm = "NN" | "NT" | "TN";

/** c[M, N] = a b with a 4 x 4 register tile per invocation. */
export function plainTile(
  gpu: Gpu,
  form: BaselineForm,
  { M, N, K }: { M: number; N: number; K: number },
  a: Float32Array,
  b: Float32Array,
): Contestant {
  const kernel = compileRaw(gpu, tileText, "plain-tile.wgsl", { FORM: ["NN", "NT", "TN"].indexOf(form) });
  const buffers = { a: bufferOf(gpu, a), b: bufferOf(gpu, b), c: gpu.store.allocate(4 * M * N, "other") };
  const grid = [ceilDiv((M / 4) * (N / 4), kernel.consts.WG)];
  return contestant(gpu, "plain-tile", bindRaw(gpu, kernel, buffers, { M, N, K }, grid), buffers, "c", M * N);
}

/** y_BLD of packed q, k, v with heads of width 64: one invocation per query. */
export function plainAttention(
  gpu: Gpu,
  { B, L, H }: { B: number; L: number; H: number },
  qkv: Float32Array,
): Contestant {
  const kernel = compileRaw(gpu, attentionText, "plain-attention.wgsl");
  const numel = B * L * H * 64;
  const buffers = { qkv: bufferOf(gpu, qkv), y: gpu.store.allocate(4 * numel, "other") };
  const launch = bindRaw(gpu, kernel, buffers, { B, L, H }, [ceilDiv(B * L * H, kernel.consts.WG)]);
  return contestant(gpu, "plain-attention", launch, buffers, "y", numel);
}

function contestant(
  gpu: Gpu,
  name: string,
  launch: ReturnType<typeof bindRaw>,
  buffers: Record<string, Storage>,
  result: string,
  numel: number,
): Contestant {
  return {
    name,
    async run(reps) {
      submitRaw(gpu, [launch], reps);
      await gpu.idle();
    },
    output: () => gpu.read(new Value(numel, "f32"), buffers[result]),
    free() {
      for (const storage of Object.values(buffers)) gpu.store.free(storage, "other");
    },
  };
}
