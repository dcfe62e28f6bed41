// Kernels outside any op, on buffers of their own: the roofline, baselines in WGSL, a user's own file. They are completed
// and compiled as kernels of ops are.
import { KernelError } from "../engine/errors.ts";
import { type Dispatch, encodeLaunches } from "../engine/device/encode.ts";
import type { Gpu } from "../engine/device/gpu.ts";
import { completeText, writeFields } from "../engine/declare/kernel-text.ts";
import type { Dtype } from "../engine/declare/signature.ts";
import type { Kernel } from "../engine/device/pipeline.ts";
import type { Storage, TypedArray } from "../engine/record/value.ts";

/** One dispatch of a kernel on certain buffers. */
export interface RawLaunch extends Dispatch {
  readonly kernel: Kernel;
}

/** Compiles a text with elements of type `T`; mistakes in it arrive as KernelError with the next wait. */
export function compileRaw(
  gpu: Gpu,
  source: string,
  label: string,
  constants: Record<string, number> = {},
  T: Dtype = "f32",
): Kernel {
  const sizeControl = gpu.device.features.has("subgroup-size-control" as GPUFeatureName);
  const text = completeText(source, { T, subgroup: gpu.facts.subgroup, sizeControl }, label);
  return gpu.kernels.get(text, constants, label);
}

/** Host data in a buffer of its own. */
export function bufferOf(gpu: Gpu, data: TypedArray | Uint16Array): Storage {
  const storage = gpu.store.allocate(data.byteLength, "other");
  gpu.write(storage, data);
  return storage;
}

/** Binds buffers by name, and numbers to the fields of `Dims`. */
export function bindRaw(
  gpu: Gpu,
  kernel: Kernel,
  buffers: Record<string, Storage>,
  fields: Record<string, number>,
  grid: readonly number[],
  label = "kernel",
): RawLaunch {
  const entries = kernel.text.bindings.map(({ name, index }) => {
    if (!buffers[name]) throw new KernelError(`${label}: no buffer for ${name}`);
    const { buffer, offset, bytes } = buffers[name];
    return { binding: index, resource: { buffer, offset, size: bytes } };
  });
  const immediates = new ArrayBuffer(4 * kernel.text.fields.length);
  writeFields(new DataView(immediates), kernel.text.fields, [fields], label);
  return { kernel, group: gpu.device.createBindGroup({ layout: kernel.layout, entries }), immediates, grid };
}

/** Submits launches `reps` times in one compute pass; `timestamps` may surround it. */
export function submitRaw(
  gpu: Gpu,
  launches: readonly RawLaunch[],
  reps: number,
  timestampWrites?: GPUComputePassTimestampWrites,
  after?: (encoder: GPUCommandEncoder) => void,
): void {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass({ timestampWrites });
  for (let i = 0; i < reps; i++) encodeLaunches(pass, launches);
  pass.end();
  after?.(encoder);
  gpu.device.queue.submit([encoder.finish()]);
}
