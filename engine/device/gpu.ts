// The device as a runner: how recorded segments reach it, and how their results come back.
import type { DeviceFacts } from "../declare/facts.ts";
import { type EngineError, GpuError } from "../errors.ts";
import { fromHalf } from "../half.ts";
import { Deadline } from "../host/deadline.ts";
import { here } from "../host/here.ts";
import { slotBytes } from "../plan/layout.ts";
import { type Runner, type Unit, useRunner } from "../record/runner.ts";
import { inspected } from "../record/shown.ts";
import type { Segment, Wanted } from "../record/segment.ts";
import type { Purpose, Storage, TypedArray, Value } from "../record/value.ts";
import { takes } from "../takes.ts";
import { encodeLaunches } from "./encode.ts";
import { Faults } from "./faults.ts";
import { Flight } from "./flight.ts";
import { Memory } from "./memory.ts";
import { MemoryReport } from "./memory-report.ts";
import { KernelCache } from "./pipeline.ts";
import { type Launch, type Plan, Planner } from "./planner.ts";
import type { Profiler } from "./timing.ts";

/** Counters that are constant in the steady state of training. */
export interface Counters {
  buffers: number;
  bindGroups: number;
  pipelines: number;
  plans: number;
}

/**
 * An open GPU, as `openGpu` gives it: what it is, how much it has done, waiting for it and closing it. What is recorded goes to
 * the one that was opened last.
 */
export class Gpu implements Runner {
  readonly store: Memory;
  readonly kernels: KernelCache;
  readonly planner: Planner;
  readonly forced = new Set<string>();
  /** Times every launch while set (timing.ts). */
  profiler: Profiler | undefined;
  /** What the last run took: launches and planned bytes. */
  last = { launches: 0, bytes: 0, activations: 0, peak: 0 };
  /** Launches since the device opened. */
  dispatched = 0;
  /** What the program is at (`during`). */
  during: Unit | undefined;
  readonly #faults: Faults;
  readonly #flight: Flight;

  constructor(
    readonly device: GPUDevice,
    readonly info: GPUAdapterInfo,
    readonly facts: DeviceFacts,
    budget: number,
    /** Seconds without progress after which it counts as hung. */
    readonly deadline: number,
    /** Segments that may be on their way at once. */
    inFlight: number,
  ) {
    takes(
      "new Gpu(device: { addEventListener: function, limits: object, ... }, info: object, facts: object, " +
        "budget: number, deadline: number, inFlight: number)",
      arguments,
    );
    this.#flight = new Flight(device.queue, inFlight);
    this.#faults = new Faults(device, () => this.#flight.where);
    this.store = new Memory(device, budget, device.limits.maxStorageBufferBindingSize);
    this.kernels = new KernelCache(device, (compilation) => this.#faults.watch(compilation));
    const sizeControl = device.features.has("subgroup-size-control" as GPUFeatureName);
    this.planner = new Planner(device, this.kernels, this.store, { facts, forced: this.forced, sizeControl });
  }

  /** Makes an error the device's fault, unless it has one: every later call and every wait throws the first. */
  fail(error: EngineError): void {
    this.#faults.fail(error);
  }

  /** Throws the first fault, if there is one. */
  check(): void {
    this.#faults.tell();
  }

  [inspected](): string {
    const { facts, store } = this;
    const { first } = this.#faults;
    const state = first ? `failed: ${first.message.split("\n")[0]}` : "open";
    const mb = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MB`;
    return `Gpu ${facts.adapter}, ${state}, ${mb(store.total)} of ${mb(store.budget)} in use`;
  }

  /** What its memory is used for now: bytes by purpose, and as text (`console.log(gpu.memory())`) a table. */
  memory(): MemoryReport {
    const { live, peak, budget } = this.store;
    return new MemoryReport(live, peak, budget);
  }

  /** Most bytes of one tensor: those of the largest binding. */
  get maxBinding(): number {
    return this.store.maxBinding;
  }

  /** Buffers, bind groups, pipelines and plans made since it was opened: constant in the steady state of a loop. */
  get counters(): Counters {
    return {
      buffers: this.store.created,
      bindGroups: this.planner.bindGroups,
      pipelines: this.kernels.pipelines,
      plans: this.planner.made,
    };
  }

  run(segment: Segment, structure: Int32Array, numbers: readonly number[], wanted: Wanted) {
    this.#faults.tell();
    this.#flight.check(this.during);
    const { profiler } = this;
    if (!profiler) return this.#execute(this.planner.prepare(segment, structure, numbers), segment, wanted);
    profiler.note("record", segment.began, performance.now());
    const plan = profiler.span("plan", () => this.planner.prepare(segment, structure, numbers));
    return profiler.span("encode and submit", () => this.#execute(plan, segment, wanted));
  }

  #execute(plan: Plan, segment: Segment, wanted: Wanted): { reads: Promise<TypedArray>[] } {
    const { layout, slots, launches } = plan;
    const { activations, peak } = layout;
    this.last = { launches: launches.length, bytes: slotBytes(layout), activations, peak };
    this.dispatched += launches.length;
    for (const { value, data } of segment.uploads) this.store.write(slots[layout.slotOf[value.index]], data);
    const encoder = this.#encode(plan);
    const copies = wanted.reads.map((value) =>
      this.#copyOut(encoder, value, this.planner.locate(plan, segment, value, "read")),
    );
    for (const value of wanted.keeps) {
      const from = this.planner.locate(plan, segment, value, "keep");
      const kept = this.store.takeKept(value.bytes, slots);
      encoder.copyBufferToBuffer(from.buffer, from.offset, kept.buffer, 0, value.bytes);
      value.storage = kept;
    }
    const leg = this.#submit(encoder, launches, this.profiler ? 0 : (plan.cuts.at(-1) ?? 0), launches.length, true);
    if (segment.pinned) pin(plan, segment, wanted.keeps);
    return { reads: copies.map((copy) => copy(leg)) };
  }

  /** Encodes launches, one pass for each slice of the plan; all but the last are submitted. */
  #encode({ launches, cuts }: Plan): GPUCommandEncoder {
    if (this.profiler) return this.profiler.encode(launches);
    let encoder = this.device.createCommandEncoder();
    let from = 0;
    for (const to of [...cuts, launches.length]) {
      if (from > 0) encoder = this.device.createCommandEncoder();
      if (from === to) continue;
      const pass = encoder.beginComputePass();
      encodeLaunches(pass, launches, from, to);
      pass.end();
      if (to < launches.length) this.#submit(encoder, launches, from, to, false);
      from = to;
    }
    return encoder;
  }

  #submit(encoder: GPUCommandEncoder, launches: readonly Launch[], from: number, to: number, ends: boolean): number {
    this.device.queue.submit([encoder.finish()]);
    return this.#flight.begin({ launches, from, to, during: this.during, ends });
  }

  #copyOut(encoder: GPUCommandEncoder, value: Value, from: Storage): (leg: number) => Promise<TypedArray> {
    const staging = this.store.takeStaging(value.bytes);
    encoder.copyBufferToBuffer(from.buffer, from.offset, staging.buffer, 0, value.bytes);
    return async (leg) => {
      await this.wait(staging.buffer.mapAsync(GPUMapMode.READ, 0, value.bytes));
      this.#flight.finish(leg);
      const data = decode(staging.buffer.getMappedRange(0, value.bytes), value);
      staging.buffer.unmap();
      this.store.returnStaging(staging);
      await this.#confirm();
      return data;
    };
  }

  /** Waits until every kernel so far is known to have compiled; throws the first fault. */
  async #confirm(): Promise<void> {
    if (this.#faults.compiling) await this.wait(this.#faults.compiled);
    this.#faults.check();
  }

  async read(value: Value, storage: Storage): Promise<TypedArray> {
    this.#faults.tell();
    this.#flight.check(this.during);
    const encoder = this.device.createCommandEncoder();
    const copy = this.#copyOut(encoder, value, storage);
    return this.#told(copy(this.#submit(encoder, [], 0, 0, true)));
  }

  /** As `store.write`. */
  write(storage: Storage, data: TypedArray | Uint16Array, at = 0): void {
    this.store.write(storage, data, at);
  }

  giveBack(storage: Storage): void {
    this.store.giveBack(storage);
  }

  free(storages: readonly Storage[], purpose: Purpose): void {
    const gone = new Set(storages.map(({ buffer }) => buffer));
    for (const storage of storages) this.store.free(storage, purpose);
    this.planner.forget(({ outside }) => [...gone].some((buffer) => outside.has(buffer)));
  }

  /**
   * Waits for the device: polled as the host does it, raced against faults and the progress deadline. Errors: the first fault
   * of the device, also where the promise was rejected because of it.
   */
  async wait<T>(promise: Promise<T>): Promise<T> {
    const deadline = new Deadline(this.deadline * 1000, () => this.#flight.progress);
    const late = () => (deadline.passed() ? this.#noProgress() : undefined);
    try {
      return await here.wait(promise, this.#faults.hear, this.facts.software ? 0.5 : 0.1, late);
    } catch (error) {
      throw await this.#faults.causeOf(error);
    }
  }

  #noProgress(): GpuError {
    return new GpuError(
      `the GPU made no progress for ${this.deadline} s\n  ${this.#flight.where}\n` +
        "  a kernel may not end, the driver may hang, or a launch takes longer than this deadline, which is a setting",
    );
  }

  /** Waits until everything submitted has run; throws the first fault. A loop that reads nothing awaits this. */
  async idle(): Promise<void> {
    await this.#told(this.#allRun());
  }

  async #allRun(): Promise<void> {
    const { last } = this.#flight;
    await this.wait(this.device.queue.onSubmittedWorkDone());
    this.#faults.check(); // after a loss the queue calls everything done
    this.#flight.finish(last);
    await this.#confirm();
  }

  /** A rejection that the program sees: scopes that end because of it need not repeat it. */
  async #told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.#faults.tell();
      throw error;
    }
  }

  get broken(): boolean {
    return this.#faults.told;
  }

  /**
   * Ends the device, after its profiler has read its last times; what waits for it is rejected. The process should end soon,
   * by its own exit call.
   */
  close(): void {
    const current = useRunner(undefined);
    if (current !== this) useRunner(current); // another was opened since
    const destroy = () => {
      this.fail(new GpuError("this GPU was closed; what is on its way is awaited before, with `await gpu.idle()`"));
      this.device.destroy();
    };
    if (this.profiler) this.profiler.collect().then(destroy, destroy);
    else destroy();
  }
}

/** Values of a segment that is not the scope's last stay where they are. */
function pin({ slots, layout }: Plan, segment: Segment, keeps: readonly Value[]): void {
  for (const value of segment.values) {
    const slot = layout.slotOf[value.index];
    if (slot < 0 || keeps.includes(value)) continue;
    slots[slot].busy = true;
    value.storage = slots[slot];
  }
}

function decode(range: ArrayBuffer, value: Value): TypedArray {
  const { numel, dtype } = value;
  if (dtype === "f16") return Float32Array.from(new Uint16Array(range, 0, numel), fromHalf);
  const View = dtype === "f32" ? Float32Array : dtype === "u32" ? Uint32Array : Int32Array;
  return new View(range, 0, numel).slice();
}
