// One matrix product in each structure of the inner tile, on buffers of its own: what `tune` and the report on a GPU race.
import type { DeviceFacts } from "../engine/declare/facts.ts";
import type { Variant } from "../engine/declare/pass.ts";
import type { Gpu } from "../engine/device/gpu.ts";
import type { Storage } from "../engine/record/value.ts";
import type { ProductForm, StructureName } from "../kernels/matmul/structures.ts";
import type { Extent } from "../kernels/matmul/table.ts";
import { product, type Shape } from "../kernels/matmul/tile.ts";
import { bindRaw, compileRaw, type RawLaunch } from "./raw.ts";

/** A product of contiguous operands, as they are stored (`ProductForm`). */
export interface ProductTask extends Extent {
  readonly form: ProductForm;
}

/** What elements are stored in. */
export type ProductType = "f32" | "f16";

function passFor({ form, M, N, K, batch }: ProductTask) {
  const [, heads = 1] = batch ?? [1];
  const shape: Shape = {
    ...{ M, N, K },
    a: { ld: form === "TN" ? M : K, strideN: M * K * heads, strideH: M * K },
    b: { ld: form === "NT" ? K : N, strideN: K * N * heads, strideH: K * N },
    c: { ld: N, strideN: M * N * heads, strideH: M * N },
    batch,
  };
  return product({ form, sig: "a b -> c", a: "a", b: "b", c: "c", shape: () => shape });
}

/** The structures that a device runs for a product of elements of type `T`. */
export function structuresOf(task: ProductTask, device: DeviceFacts, T: ProductType): StructureName[] {
  const { variants } = passFor(task);
  const runs = ({ available }: Variant) => available?.(device, {}, {}, T) ?? true;
  return [...variants].filter(([, variant]) => runs(variant)).map(([name]) => name as StructureName);
}

/** The structure that the engine takes. */
export const structureChosen = (task: ProductTask, device: DeviceFacts, T: ProductType): StructureName =>
  passFor(task).pick({}, device, {}, T) as StructureName;

/** The kernel of one structure, bound to buffers a, b and c. */
export function productLaunch(
  gpu: Gpu,
  task: ProductTask,
  name: StructureName,
  buffers: Record<string, Storage>,
  T: ProductType = "f32",
): RawLaunch {
  const variant = passFor(task).variants.get(name)!;
  const context = { dims: {}, attrs: {}, device: gpu.facts, T };
  const text = typeof variant.source === "function" ? variant.source(context) : "";
  const kernel = compileRaw(gpu, text, `matmul ${name}`, {}, T);
  const grid = variant.grid({}, { ...kernel.consts, SG: gpu.facts.subgroup }, {}) as readonly number[];
  return bindRaw(gpu, kernel, buffers, variant.uniforms!({}, {}), grid, `matmul ${name}`);
}
