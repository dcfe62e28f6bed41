// The device: which adapter, with what features and limits, its faults, and how recorded segments reach it.
// The only file that imports "webgpu".
import { totalmem } from "node:os";
import { create, globals } from "webgpu";
import { EngineError, GpuError } from "../errors.ts";
import { fromHalf } from "../half.ts";
import { KernelCache } from "./pipeline.ts";
import { type ArenaBuffer, bytesOf, Memory } from "./memory.ts";
import type { DeviceFacts } from "../declare/op.ts";
import type { Segment } from "../plan/layout.ts";
import type { Profiler } from "./timing.ts";
import { type Launch, type Plan, planBytes, Planner } from "../plan/planner.ts";
import { type Runner, useRunner } from "../record/runner.ts";
import { bytesPer, type Storage, type TypedArray, Value } from "../record/tensor.ts";
import { loadTuned } from "../host/tuned.ts";
import { throttled } from "../host/wait.ts";

Object.assign(globalThis, globals);

export interface GpuOptions {
  /** Part of the adapter's name ("llvmpipe", "NVIDIA"); default: EMOTIONCLIP_ADAPTER, else Dawn's first. */
  adapter?: string;
  /**
   * Bytes the engine may allocate; default: EMOTIONCLIP_GPU_MEMORY (as 2.5G), else what the adapter reports, or half the
   * host's memory on software adapters.
   */
  memory?: number;
  /** Dawn toggles to enable, beside those the engine needs. */
  toggles?: readonly string[];
  /** Seconds without progress after which the GPU counts as hung. */
  deadline?: number;
}

/** The instance must outlive every device: were it collected, the process would die. */
const keepAlive = globalThis as { emotionclipInstances?: GPU[] };

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

const featuresWanted = ["subgroups", "subgroup-size-control", "shader-f16", "timestamp-query"] as const;

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
  const name = options.adapter ?? process.env.EMOTIONCLIP_ADAPTER ?? "";
  const enable = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia", ...(options.toggles ?? [])];
  const flags = [`enable-dawn-features=${enable}`, "disable-dawn-features=timestamp_quantization"];
  const instance = create(name ? [...flags, `adapter=${name}`] : flags);
  (keepAlive.emotionclipInstances ??= []).push(instance);
  const adapter = await instance.requestAdapter().catch((error: Error) => {
    throw new GpuError(
      `no adapter matches "${name}": ${error.message.split("\n")[0]}\n  emotionclip doctor lists what is there`,
    );
  });
  if (!adapter)
    throw new GpuError(
      'no GPU adapter: no Vulkan, Metal or D3D12 driver answered\n  install a GPU driver, or Mesa\'s software one (README, "Drivers")',
    );
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
  const { adapter, software, missing } = await findAdapter(options);
  if (missing.length)
    throw new GpuError(`adapter ${describe(adapter.info)} lacks what the engine needs: ${missing.join(", ")}`);
  const requiredFeatures = featuresWanted.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[];
  const requiredLimits = Object.fromEntries(limitsWanted.map((limit) => [limit, adapter.limits[limit]]));
  const info = adapter.info;
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  const facts: DeviceFacts = {
    adapter: describe(info),
    software,
    subgroup: subgroupSize(info),
    f16: device.features.has("shader-f16"),
    workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
    workgroupSize: device.limits.maxComputeInvocationsPerWorkgroup,
    tuned: loadTuned(describe(info)),
  };
  const gpu = new Gpu(device, info, facts, options.memory ?? defaultBudget(info, software), options.deadline ?? 120);
  useRunner(gpu);
  for (const listener of onOpen) listener(gpu);
  return gpu;
}

/** Called with every GPU that opens: how a command profiles another. */
export const onOpen = new Set<(gpu: Gpu) => void>();

const describe = (info: GPUAdapterInfo): string =>
  [info.vendor, info.architecture, info.description || info.device].filter(Boolean).join(" | ");

function subgroupSize(info: GPUAdapterInfo): number {
  const { subgroupMinSize: least = 4, subgroupMaxSize: most = 4 } = info;
  return Math.max(least, Math.min(32, most));
}

/** EMOTIONCLIP_GPU_MEMORY, else device-local heaps where the adapter reports them; half the host's memory on software adapters; else 4 GiB. */
function defaultBudget(info: GPUAdapterInfo, software: boolean): number {
  if (process.env.EMOTIONCLIP_GPU_MEMORY) return bytesOf(process.env.EMOTIONCLIP_GPU_MEMORY);
  if (software) return Math.floor(totalmem() / 2);
  const heaps = (info as { memoryHeaps?: { size: number; properties: number }[] }).memoryHeaps;
  const largest = heaps?.length
    ? Math.max(...[...heaps].filter(({ properties }) => properties & 1).map(({ size }) => size))
    : 0;
  return largest > 0 ? Math.floor(0.9 * largest) : 4 * 2 ** 30;
}

/** Counters that are constant in the steady state of training. */
export interface Counters {
  buffers: number;
  bindGroups: number;
  pipelines: number;
  plans: number;
}

export class Gpu implements Runner {
  readonly memory: Memory;
  readonly kernels: KernelCache;
  readonly planner: Planner;
  readonly forced = new Set<string>();
  /** Times every launch while set (profile.ts). */
  profiler: Profiler | undefined;
  /** Test mode: every value in memory of its own, poisoned before and checked after each run. */
  guard = false;
  #guardedRuns = 0;
  /** What the last run took: launches and planned bytes. */
  last = { launches: 0, bytes: 0, activations: 0, peak: 0 };
  /** Launches since the device opened. */
  dispatched = 0;
  #fault: EngineError | undefined;
  readonly #faulted: Promise<never>;
  #reject!: (error: EngineError) => void;
  #checks: Promise<void>[] = [];
  /** Pipelines whose compilation has not been confirmed yet. */
  readonly #compiling = new Set<Promise<void>>();

  constructor(
    readonly device: GPUDevice,
    readonly info: GPUAdapterInfo,
    readonly facts: DeviceFacts,
    budget: number,
    readonly deadline: number,
  ) {
    this.#faulted = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    this.#faulted.catch(() => {});
    this.memory = new Memory(device, budget, device.limits.maxStorageBufferBindingSize);
    this.kernels = new KernelCache(device, (check) => this.#watch(check));
    const sizeControl = device.features.has("subgroup-size-control" as GPUFeatureName);
    this.planner = new Planner(device, this.kernels, this.memory, facts, this.forced, sizeControl);
    device.addEventListener("uncapturederror", (event) => {
      const error = new GpuError(`the GPU refused a command: ${(event as GPUUncapturedErrorEvent).error.message}`);
      // a kernel that did not compile explains itself better than the command that used it
      if (this.#compiling.size) void Promise.all(this.#compiling).then(() => this.fail(error));
      else this.fail(error);
    });
    device.lost.then(({ reason, message }) => {
      if (reason !== "destroyed") this.fail(new GpuError(`the GPU was lost (${reason}): ${message}`));
    });
  }

  /** The first fault ends all work: every later call and every wait throws it. */
  fail(error: EngineError): void {
    if (this.#fault) return;
    this.#fault = error;
    this.#reject(error);
  }

  #watch(check: Promise<void>): void {
    const settled = check
      .catch((error) => this.fail(error instanceof EngineError ? error : new GpuError(String(error))))
      .finally(() => this.#compiling.delete(settled));
    this.#compiling.add(settled);
  }

  #checkFault(): void {
    if (this.#fault) throw this.#fault;
  }

  get counters(): Counters {
    return {
      buffers: this.memory.created,
      bindGroups: this.planner.bindGroups,
      pipelines: this.kernels.pipelines,
      plans: this.planner.made,
    };
  }

  run(
    segment: Segment,
    structure: Int32Array,
    numbers: readonly number[],
    wanted: { reads: readonly Value[]; keeps: readonly Value[] },
  ): { reads: Promise<TypedArray>[] } {
    this.#checkFault();
    if (this.guard) return this.#runGuarded(segment, structure, numbers, wanted);
    const { profiler } = this;
    if (!profiler) return this.#execute(this.planner.prepare(segment, structure, numbers), segment, wanted);
    profiler.note("record", segment.began, performance.now());
    const plan = profiler.span("plan", () => this.planner.prepare(segment, structure, numbers));
    return profiler.span("encode and submit", () => this.#execute(plan, segment, wanted));
  }

  #execute(plan: Plan, segment: Segment, wanted: { reads: readonly Value[]; keeps: readonly Value[] }) {
    const { layout } = plan;
    this.last = {
      launches: plan.launches.length,
      bytes: planBytes(layout),
      activations: layout.activations,
      peak: layout.peak,
    };
    this.dispatched += plan.launches.length;
    for (const { value, data } of segment.uploads) this.write(plan.buffers[layout.slotOf[value.index]], data);
    const encoder = this.#encode(plan.launches);
    const copies = wanted.reads.map((value) =>
      this.#copyOut(encoder, value, this.planner.locate(plan, segment, value, "read")),
    );
    for (const value of wanted.keeps) {
      const from = this.planner.locate(plan, segment, value, "keep");
      const kept = this.memory.takeKept(value.bytes, plan.buffers);
      encoder.copyBufferToBuffer(from.buffer, from.offset, kept.buffer, 0, value.bytes);
      value.storage = kept;
    }
    this.device.queue.submit([encoder.finish()]);
    if (segment.pinned) this.#pin(plan, segment, wanted.keeps);
    return { reads: copies.map((copy) => copy()) };
  }

  #pin(plan: Plan, segment: Segment, keeps: readonly Value[]): void {
    for (const value of segment.values) {
      const slot = plan.layout.slotOf[value.index];
      if (slot < 0 || keeps.includes(value)) continue;
      plan.buffers[slot].busy = true;
      value.storage = plan.buffers[slot];
    }
  }

  /** Encodes launches into one pass; on a GPU long lists are submitted in slices, so that it starts early. */
  #encode(launches: readonly Launch[]): GPUCommandEncoder {
    if (this.profiler) return this.profiler.encode(launches);
    let encoder = this.device.createCommandEncoder();
    const slice = this.facts.software ? launches.length : 256;
    for (let from = 0; from < launches.length; from += slice) {
      if (from > 0) {
        this.device.queue.submit([encoder.finish()]);
        encoder = this.device.createCommandEncoder();
      }
      const pass = encoder.beginComputePass();
      encodeRange(pass, launches, from, Math.min(from + slice, launches.length));
      pass.end();
    }
    return encoder;
  }

  #copyOut(encoder: GPUCommandEncoder, value: Value, from: Storage): () => Promise<TypedArray> {
    const staging = this.memory.takeStaging(value.bytes);
    encoder.copyBufferToBuffer(from.buffer, from.offset, staging.buffer, 0, value.bytes);
    return async () => {
      await this.wait(staging.buffer.mapAsync(GPUMapMode.READ, 0, value.bytes));
      const data = decode(staging.buffer.getMappedRange(0, value.bytes), value);
      staging.buffer.unmap();
      this.memory.returnStaging(staging);
      if (this.#compiling.size) await this.wait(Promise.all(this.#compiling));
      this.#checkFault();
      return data;
    };
  }

  async read(value: Value, storage: Storage): Promise<TypedArray> {
    this.#checkFault();
    const encoder = this.device.createCommandEncoder();
    const copy = this.#copyOut(encoder, value, storage);
    this.device.queue.submit([encoder.finish()]);
    return copy();
  }

  /** Host data into storage, ordered with what was submitted before and after. */
  write(storage: Storage, data: TypedArray | Uint16Array, at = 0): void {
    const bytes = Math.ceil(data.byteLength / 4) * 4;
    const whole = bytes === data.byteLength ? data : padded(data, bytes);
    this.device.queue.writeBuffer(
      storage.buffer,
      storage.offset + at,
      whole.buffer as ArrayBuffer,
      whole.byteOffset,
      bytes,
    );
  }

  giveBack(storage: Storage): void {
    this.memory.giveBack(storage);
  }

  /** Waits for the device: throttled polling, raced against faults and the progress deadline. */
  wait<T>(promise: Promise<T>): Promise<T> {
    return throttled(promise, this.#faulted, this.facts.software ? 0.5 : 0.1, this.deadline * 1000);
  }

  /** Waits until everything submitted has run; throws the first fault. */
  async idle(): Promise<void> {
    await this.wait(this.device.queue.onSubmittedWorkDone());
    if (this.#compiling.size) await this.wait(Promise.all(this.#compiling));
    await Promise.all(this.#checks.splice(0));
    this.#checkFault();
  }

  /** Ends the device, after its profiler has read its last times. The process should end soon, through process.exit. */
  close(): void {
    useRunner(undefined);
    const destroy = () => this.device.destroy();
    if (this.profiler) this.profiler.collect().then(destroy, destroy);
    else destroy();
  }

  // ---- guarded runs: values alone in poisoned memory, with a margin that no kernel may touch ----

  #runGuarded(
    segment: Segment,
    structure: Int32Array,
    numbers: readonly number[],
    wanted: { reads: readonly Value[]; keeps: readonly Value[] },
  ) {
    this.planner.forget();
    const padding = segment.values.map((value) => guardedValue(value));
    const replace = (value: Value) => (segment.values[value.index] === value ? padding[value.index] : value);
    const calls = segment.calls.map((call) => ({
      ...call,
      values: call.values.map((value) => value && replace(value)),
    }));
    const uploads = segment.uploads.map(({ value, data }) => ({ value: replace(value), data }));
    const guarded = { ...segment, calls, values: padding, uploads, wanted: segment.wanted.map(replace) };
    const alone: Segment = { ...guarded, pinned: true };
    const plan = this.planner.prepare(alone, structure, numbers);
    const poison = poisons[this.#guardedRuns++ % poisons.length];
    for (const [slot, buffer] of plan.buffers.entries()) this.#poison(buffer, poison + slot);
    const result = this.#execute(
      plan,
      { ...guarded, pinned: segment.pinned },
      {
        reads: wanted.reads.map(replace),
        keeps: wanted.keeps.map(replace),
      },
    );
    for (const [i, value] of segment.values.entries()) value.storage = padding[i].storage;
    const reads = result.reads.map((read, i) => read.then((data) => data.slice(0, wanted.reads[i].numel)));
    for (const [i, value] of segment.values.entries()) {
      const slot = plan.layout.slotOf[i];
      if (slot < 0) continue;
      const check = this.#checkMargin(plan.buffers[slot], poison + slot, value, calls);
      check.catch(() => {}); // idle() throws it
      this.#checks.push(check);
    }
    return { reads };
  }

  #poison(buffer: ArenaBuffer, word: number): void {
    this.write(buffer, new Uint32Array(buffer.bytes / 4).fill(word));
  }

  async #checkMargin(buffer: ArenaBuffer, poison: number, value: Value, calls: Segment["calls"]): Promise<void> {
    const words = (await this.read(rawWords(buffer.bytes), buffer)) as Uint32Array;
    for (let i = value.bytes / 4; i < words.length; i++) {
      if (words[i] === poison) continue;
      const writer = calls.find((call) => call.values.some((v) => v?.index === value.index));
      throw new GpuError(
        `${writer?.pass.label}: wrote ${4 * i - value.bytes} bytes behind a tensor of ${value.numel} elements`,
      );
    }
  }
}

/** NaN and large finite numbers by turns (as f32 and as f16), and in each buffer others, so that copied ones show too. */
const poisons = [0x7fff7f00, 0x4cbe7000];
const margin = 256;

function guardedValue(value: Value): Value {
  const extra = new Value(value.numel + margin / bytesPer(value.dtype), value.dtype);
  extra.index = value.index;
  return extra;
}

const rawWords = (bytes: number): Value => new Value(bytes / 4, "u32");

function encodeRange(pass: GPUComputePassEncoder, launches: readonly Launch[], from: number, to: number): void {
  let last: GPUComputePipeline | undefined;
  for (let i = from; i < to; i++) {
    const { kernel, group, immediates, grid } = launches[i];
    if (kernel.pipeline !== last) pass.setPipeline((last = kernel.pipeline));
    pass.setBindGroup(0, group);
    if (immediates.byteLength) pass.setImmediates(0, immediates);
    pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
  }
}

function padded(data: TypedArray | Uint16Array, bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  whole.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return whole;
}

function decode(range: ArrayBuffer, value: Value): TypedArray {
  const { numel, dtype } = value;
  if (dtype === "f16") return Float32Array.from(new Uint16Array(range, 0, numel), fromHalf);
  const View = dtype === "f32" ? Float32Array : dtype === "u32" ? Uint32Array : Int32Array;
  return new View(range, 0, numel).slice();
}
