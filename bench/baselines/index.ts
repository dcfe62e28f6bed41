// The other engines of the tables.
import { gpuJsCpu, gpuJsWebgpu } from "./gpu-js.ts";
import { jaxJs } from "./jax-js.ts";
import { plainLoop } from "./plain-loop.ts";
import type { Baseline } from "./problem.ts";
import { tfjs } from "./tfjs.ts";

export const baselines: readonly Baseline[] = [plainLoop, gpuJsCpu, gpuJsWebgpu, tfjs, jaxJs];
