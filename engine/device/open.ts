// Opening a device: which adapter, with what features and limits, and how much of its memory.
import type { DeviceFacts, MatrixSize } from "../declare/facts.ts";
import { GpuError, UsageError } from "../errors.ts";
import { here } from "../host/here.ts";
import { takes } from "../takes.ts";
import { useTaskStore } from "../record/tasks.ts";
import { useRunner } from "../record/runner.ts";
import { Gpu } from "./gpu.ts";
import { Profiler } from "./timing.ts";

/** How a GPU is opened. Nothing but these decides it: the engine reads no flags and no environment. */
export interface GpuOptions {
  /** Part of the adapter's name ("llvmpipe", "NVIDIA"); default: the first. In a browser, what it offers. */
  adapter?: string;
  /** Bytes the engine may allocate; default: what the adapter reports, or half the host's memory on software adapters. */
  memory?: number;
  /** Dawn toggles to enable, beside those the engine needs. */
  toggles?: readonly string[];
  /** Features that are not asked for even where the adapter has them: "shader-f16" has ended processes on some drivers. */
  without?: readonly string[];
  /**
   * Seconds without progress after which the GPU counts as hung; default 120. Time in which the process was stopped does not
   * count.
   */
  deadline?: number;
  /**
   * Segments of work (what a scope recorded) that may be on their way at once; default 256. One more is a UsageError: a program
   * awaits something now and then, for nothing is known to have run before.
   */
  inFlight?: number;
  /** Times every launch from the first on, and is given the profiler when the GPU is open. */
  profile?: (profiler: Profiler) => void;
}

const limitsAtLeast = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxStorageBufferBindingSize: 2 ** 27,
} as const;

const limitsWanted = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
] as const;

const featuresWanted = [
  "subgroups",
  "subgroup-size-control",
  "shader-f16",
  "timestamp-query",
  "chromium-experimental-subgroup-matrix",
] as const;

const isSoftware = (info: GPUAdapterInfo): boolean =>
  info.isFallbackAdapter ||
  /swiftshader|llvmpipe|lavapipe|warp/i.test(`${info.architecture} ${info.description} ${info.device}`);

/** What `requestAdapter` offers, before a device is made of it. */
export interface Offer {
  adapter: GPUAdapter;
  software: boolean;
  missing: string[];
}

/** Finds the adapter and lists what it lacks of the engine's needs. */
export async function findAdapter(options: GpuOptions = {}): Promise<Offer> {
  takes("findAdapter(options?: { adapter?: text, toggles?: text[], ... })", arguments);
  const { adapter: name = "", toggles = [] } = options;
  const adapter = await here.adapter(name, toggles);
  const missing: string[] = [];
  if (!adapter.features.has("subgroups")) missing.push("feature subgroups");
  for (const [limit, least] of Object.entries(limitsAtLeast)) {
    const offered = adapter.limits[limit as keyof typeof limitsAtLeast];
    if (offered < least) missing.push(`${limit} ${least} (it has ${offered})`);
  }
  return { adapter, software: isSoftware(adapter.info), missing };
}

/** Opens the GPU and makes it the one in use. Errors: GpuError when there is none or it lacks something needed. */
export async function openGpu(options: GpuOptions = {}): Promise<Gpu> {
  takes(
    "openGpu(options?: { adapter?: text, memory?: positive, toggles?: text[], without?: text[], deadline?: any, inFlight?: any, " +
      "profile?: function })",
    arguments,
  );
  const { deadline = 120, inFlight = 256, without = [] } = options;
  if (!(deadline > 0)) throw new UsageError(`openGpu: deadline ${deadline}: seconds, more than 0`);
  if (!(Number.isInteger(inFlight) && inFlight > 0))
    throw new UsageError(`openGpu: inFlight ${inFlight}: segments, a whole number from 1`);
  useTaskStore(here.tasks, here.idle);
  const { adapter, software, missing } = await findAdapter(options);
  const { info } = adapter;
  if (missing.length)
    throw new GpuError(`adapter ${describe(info)} lacks what the engine needs: ${missing.join(", ")}`);
  const requiredFeatures = featuresWanted.filter(
    (feature) => adapter.features.has(feature) && !without.includes(feature),
  ) as GPUFeatureName[];
  const requiredLimits = Object.fromEntries(limitsWanted.map((limit) => [limit, adapter.limits[limit]]));
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits }).catch((error: Error) => {
    throw new GpuError(`adapter ${describe(info)} gave no device: ${error.message}`);
  });
  const budget = options.memory ?? defaultBudget(info, software);
  const gpu = new Gpu(device, info, factsOf(device, info, software), budget, deadline, inFlight);
  if (options.profile) options.profile((gpu.profiler = new Profiler(gpu)));
  useRunner(gpu);
  return gpu;
}

const factsOf = (device: GPUDevice, info: GPUAdapterInfo, software: boolean): DeviceFacts => ({
  adapter: describe(info),
  software,
  subgroup: subgroupSize(info),
  f16: device.features.has("shader-f16"),
  matrices: matricesOf(device, info),
  workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
  workgroupSize: device.limits.maxComputeInvocationsPerWorkgroup,
  tuned: here.tuned(describe(info)),
});

/** Matrices of halves with f32 sums, where subgroups of the engine's size can be asked for. */
function matricesOf({ features }: GPUDevice, info: GPUAdapterInfo): MatrixSize[] {
  const needed = ["chromium-experimental-subgroup-matrix", "subgroup-size-control", "shader-f16"];
  if (!needed.every((feature) => features.has(feature as GPUFeatureName))) return [];
  const { subgroupMatrixConfigs: configs = [] } = info as { subgroupMatrixConfigs?: Iterable<MatrixConfig> };
  return [...configs]
    .filter(({ componentType, resultComponentType }) => componentType === "f16" && resultComponentType === "f32")
    .map(({ M: m, N: n, K: k }) => ({ m, n, k }));
}

/** As Dawn describes what a subgroup multiplies. */
interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

const describe = (info: GPUAdapterInfo): string =>
  [info.vendor, info.architecture, info.description || info.device].filter(Boolean).join(" | ");

function subgroupSize(info: GPUAdapterInfo): number {
  const { subgroupMinSize: least = 4, subgroupMaxSize: most = 4 } = info;
  return Math.max(least, Math.min(32, most));
}

/** Device-local heaps where the adapter reports them; half the host's memory on software adapters; else 4 GiB. */
function defaultBudget(info: GPUAdapterInfo, software: boolean): number {
  if (software) return Math.floor(here.memory() / 2);
  const heaps = (info as { memoryHeaps?: { size: number; properties: number }[] }).memoryHeaps;
  const largest = heaps?.length
    ? Math.max(...[...heaps].filter(({ properties }) => properties & 1).map(({ size }) => size))
    : 0;
  return largest > 0 ? Math.floor(0.9 * largest) : 4 * 2 ** 30;
}
