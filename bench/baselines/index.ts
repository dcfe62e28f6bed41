// The other engines of the tables.
import { gpuJsCpu, gpuJsWebgpu } from "./gpu-js.ts";
import { jaxJs } from "./jax-js.ts";
import { onnxRuntime } from "./onnxruntime.ts";
import { plainLoop } from "./plain-loop.ts";
import type { GpuOptions } from "../../engine/device/open.ts";
import type { Baseline } from "./problem.ts";
import { tfjs } from "./tfjs.ts";

/** All of them, those with a device of their own on the same adapter. */
export const baselinesOn = (options: GpuOptions): readonly Baseline[] => [
  plainLoop,
  gpuJsCpu,
  gpuJsWebgpu,
  tfjs(options),
  jaxJs,
  onnxRuntime,
];
