// The profiler: one compute pass per launch with timestamps around it, added up per label; spans of the main thread.
import type { DeviceFacts } from "../declare/facts.ts";
import { GpuError } from "../errors.ts";
import { takes } from "../takes.ts";
import { encodeLaunches } from "./encode.ts";
import type { Memory } from "./memory.ts";
import type { Launch } from "./planner.ts";
import { type Bound, ideal, type Roofline } from "./roofline.ts";
import type { Span } from "./trace.ts";

/** All launches of one pass of one op. */
export interface ProfileRow {
  /** Op and pass. */
  readonly label: string;
  /** Names of the kernel variants that ran, where there is a choice. */
  readonly kernels: readonly string[];
  /** Launches, and seconds, arithmetic and bytes of all of them. */
  readonly calls: number;
  readonly seconds: number;
  readonly flops: number;
  readonly bytes: number;
  /** What limits it. */
  readonly bound: Bound;
  /** Time that the roofline allows over the time taken. */
  readonly share: number;
}

/** What the profiler needs of a GPU. */
interface Timed {
  readonly device: GPUDevice;
  readonly facts: DeviceFacts;
  readonly store: Memory;
  wait<T>(promise: Promise<T>): Promise<T>;
}

interface Total {
  kernels: Set<string>;
  calls: number;
  ns: number;
  flops: number;
  bytes: number;
}

interface Submission {
  readonly launches: readonly Launch[];
  readonly staging: { buffer: GPUBuffer; bytes: number };
  /** Main-thread time at which it was encoded: nothing in it ran earlier. */
  readonly encoded: number;
}

/** Queries of one set: WebGPU's limit. A launch takes two. */
const queriesPerSet = 4096;
const launchesPerSet = queriesPerSet / 2;
/** Spans kept for the trace; sums go on beyond. */
const mostSpans = 400_000;

/**
 * Times every launch of a GPU while it is its `profiler`. It costs a compute pass per launch: measured 2 to 5 % on CPU
 * rasterisers. Errors: GpuError where the adapter has no timestamps.
 */
export class Profiler {
  readonly #gpu: Timed;
  readonly #start = performance.now();
  readonly #totals = new Map<string, Total>();
  readonly #sets: { set: GPUQuerySet; resolved: GPUBuffer }[] = [];
  #waiting: Submission[] = [];
  #reading: Promise<void> = Promise.resolve();
  readonly #gpuSpans: { name: string; begin: bigint; end: bigint }[] = [];
  readonly #mainSpans: Span[] = [];
  /** Nanoseconds from the GPU's clock to ours: the largest that lets no launch run before it was submitted. */
  #shift: bigint | undefined;
  /** Spans beyond those kept. */
  dropped = 0;

  constructor(gpu: Timed) {
    takes("new Profiler(gpu: { device: { features: object, ... }, facts: object, ... })", arguments);
    if (!gpu.device.features.has("timestamp-query"))
      throw new GpuError(
        `${gpu.facts.adapter} has no timestamps (feature timestamp-query), so its kernels cannot be timed one by one\n` +
          "  emotionclip bench measures without them",
      );
    this.#gpu = gpu;
  }

  /** The adapter that is timed. */
  get adapter(): string {
    return this.#gpu.facts.adapter;
  }

  /** Encodes launches, one compute pass each. The caller appends its copies and submits before it encodes again. */
  encode(launches: readonly Launch[]): GPUCommandEncoder {
    const { device, store } = this.#gpu;
    this.#readSubmitted();
    const encoder = device.createCommandEncoder();
    if (launches.length === 0) return encoder;
    const staging = store.takeStaging(16 * launches.length);
    for (const i of launches.keys()) {
      const at = (i % launchesPerSet) * 2;
      const pass = encoder.beginComputePass({
        timestampWrites: {
          querySet: this.#set(Math.floor(i / launchesPerSet)).set,
          beginningOfPassWriteIndex: at,
          endOfPassWriteIndex: at + 1,
        },
      });
      encodeLaunches(pass, launches, i, i + 1);
      pass.end();
    }
    for (let from = 0; from < launches.length; from += launchesPerSet) {
      const { set, resolved } = this.#set(from / launchesPerSet);
      const count = 2 * Math.min(launchesPerSet, launches.length - from);
      encoder.resolveQuerySet(set, 0, count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging.buffer, 16 * from, 8 * count);
    }
    this.#waiting.push({ launches, staging, encoded: performance.now() });
    return encoder;
  }

  #set(i: number): { set: GPUQuerySet; resolved: GPUBuffer } {
    const { device } = this.#gpu;
    return (this.#sets[i] ??= {
      set: device.createQuerySet({ type: "timestamp", count: queriesPerSet }),
      resolved: device.createBuffer({
        size: 8 * queriesPerSet,
        usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
      }),
    });
  }

  #readSubmitted(): void {
    for (const submission of this.#waiting.splice(0)) {
      const read = this.#read(submission);
      this.#reading = Promise.all([this.#reading, read]).then(() => {});
      this.#reading.catch(() => {}); // collect() throws it
    }
  }

  async #read({ launches, staging, encoded }: Submission): Promise<void> {
    const { buffer } = staging;
    const bytes = 16 * launches.length;
    await this.#gpu.wait(buffer.mapAsync(GPUMapMode.READ, 0, bytes));
    const stamps = new BigUint64Array(buffer.getMappedRange(0, bytes).slice(0));
    buffer.unmap();
    this.#gpu.store.returnStaging(staging);
    const earliest = BigInt(Math.round((encoded - this.#start) * 1e6)) - stamps[0];
    if (this.#shift === undefined || earliest > this.#shift) this.#shift = earliest;
    for (const [i, launch] of launches.entries()) this.#add(launch, stamps[2 * i], stamps[2 * i + 1]);
  }

  #add({ label, variantName, work }: Launch, begin: bigint, end: bigint): void {
    let total = this.#totals.get(label);
    if (!total) this.#totals.set(label, (total = { kernels: new Set(), calls: 0, ns: 0, flops: 0, bytes: 0 }));
    if (variantName !== "only") total.kernels.add(variantName);
    total.calls++;
    total.ns += Math.max(0, Number(end - begin));
    total.flops += work.flops;
    total.bytes += work.bytes;
    if (this.#gpuSpans.length < mostSpans) this.#gpuSpans.push({ name: label, begin, end });
    else this.dropped++;
  }

  /** Runs `body` as a span of the main thread. */
  span<R>(name: string, body: () => R): R {
    const start = performance.now();
    try {
      return body();
    } finally {
      this.note(name, start, performance.now());
    }
  }

  /** A span of the main thread between two times of `performance.now()`. */
  note(name: string, from: number, to: number): void {
    if (this.#mainSpans.length < mostSpans)
      this.#mainSpans.push({ name, track: "main", start: from - this.#start, ms: to - from });
    else this.dropped++;
  }

  /** Waits until the times of everything submitted are there. */
  async collect(): Promise<void> {
    this.#readSubmitted();
    await this.#reading;
  }

  /** One row per op and pass, the longest first. Call `collect` before. */
  rows(roof: Roofline): ProfileRow[] {
    const rows = [...this.#totals].map(([label, { kernels, calls, ns, flops, bytes }]): ProfileRow => {
      const best = ideal({ bytes, flops, calls }, roof);
      const seconds = ns / 1e9;
      return {
        label,
        kernels: [...kernels],
        calls,
        seconds,
        flops,
        bytes,
        bound: best.bound,
        share: best.seconds / seconds,
      };
    });
    return rows.sort((a, b) => b.seconds - a.seconds);
  }

  /** All spans in order, GPU and main thread on one clock. Call `collect` before. */
  spans(): Span[] {
    const shift = this.#shift ?? 0n;
    const gpu = this.#gpuSpans.map(({ name, begin, end }): Span => {
      return { name, track: "gpu", start: Number(begin + shift) / 1e6, ms: Math.max(0, Number(end - begin)) / 1e6 };
    });
    return [...gpu, ...this.#mainSpans].sort((a, b) => a.start - b.start);
  }
}
