// Planning without a device: records a computation, lays it out, reports bytes and flops, runs nothing.
import type { DeviceFacts } from "../declare/facts.ts";
import type { Dtype, TypeClass } from "../declare/signature.ts";
import { workOf } from "../declare/work.ts";
import { ShapeError } from "../errors.ts";
import { takes } from "../takes.ts";
import { type Runner, runner, useRunner } from "../record/runner.ts";
import { currentScope } from "../record/scope.ts";
import type { Segment, Wanted } from "../record/segment.ts";
import { Tensor } from "../record/tensor.ts";
import type { TypedArray, Value } from "../record/value.ts";
import { layOut, serves } from "./layout.ts";

/** What a computation will take. Bytes are those of the buffers that the engine will allocate. */
export interface PlanReport {
  /** Bytes of all slots, with those of kept values: activations and workspace. */
  readonly slots: number;
  /** Bytes of the buffers that reads are copied through. */
  readonly staging: number;
  /** @deprecated The old name of `slots`. */
  readonly arena: number;
  /** Bytes that forward keeps alive for backward. */
  readonly activations: number;
  /** Largest sum of bytes alive at once: no layout could need less. */
  readonly peak: number;
  /** Kernels that will be launched. */
  readonly launches: number;
  /** Arithmetic of the launches as their ops declare it (work.ts), and that of each op. */
  readonly flops: number;
  readonly flopsByOp: Readonly<Record<string, number>>;
  /** Bytes that the launches read and write. */
  readonly bytes: number;
}

const nothing: PlanReport = {
  slots: 0,
  staging: 0,
  arena: 0,
  activations: 0,
  peak: 0,
  launches: 0,
  flops: 0,
  flopsByOp: {},
  bytes: 0,
};

const whole = (bytes: number): number => Math.ceil(bytes / 256) * 256;
const sumOf = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

/** The buffers that the device's memory would have made for slots and kept values, which it reuses as device/memory.ts does. */
class Buffers {
  readonly #idle: number[] = [];
  bytes = 0;

  take(slots: readonly number[], keeps: readonly Value[]): void {
    const taken = slots.map((bytes) => this.#one(bytes));
    for (const { bytes } of keeps) this.#one(bytes); // busy from here on: another segment reads it
    this.#idle.push(...taken);
  }

  #one(bytes: number): number {
    let best = -1;
    for (const [i, has] of this.#idle.entries())
      if (serves(has, bytes) && (best < 0 || has < this.#idle[best])) best = i;
    if (best >= 0) return this.#idle.splice(best, 1)[0];
    this.bytes += whole(bytes);
    return whole(bytes);
  }
}

class DryRunner implements Runner {
  readonly forced = new Set<string>();
  report = nothing;
  readonly #buffers = new Buffers();

  constructor(
    readonly facts: DeviceFacts,
    readonly maxBinding: number,
  ) {}

  run(segment: Segment, _structure: Int32Array, _numbers: readonly number[], wanted: Wanted) {
    const layout = layOut(segment, this.maxBinding);
    const { report } = this;
    this.#buffers.take(layout.slots, wanted.keeps);
    const slots = this.#buffers.bytes;
    this.report = {
      slots,
      staging: report.staging + sumOf(wanted.reads.map(({ bytes }) => whole(bytes))),
      arena: slots,
      activations: Math.max(report.activations, layout.activations),
      peak: Math.max(report.peak, layout.peak),
      launches: report.launches + segment.calls.length,
      ...workAfter(segment, report),
    };
    return { reads: wanted.reads.map(() => new Promise<TypedArray>(() => {})) };
  }

  read(): Promise<TypedArray> {
    return new Promise(() => {});
  }

  giveBack(): void {}

  free(): void {}

  async idle(): Promise<void> {}
}

/** The sums of a report with the launches of a segment added. */
function workAfter({ calls }: Segment, report: PlanReport): Pick<PlanReport, "flops" | "flopsByOp" | "bytes"> {
  const flopsByOp = { ...report.flopsByOp };
  let { flops, bytes } = report;
  for (const call of calls) {
    const work = workOf(call);
    const { name } = call.pass.op;
    flopsByOp[name] = (flopsByOp[name] ?? 0) + work.flops;
    flops += work.flops;
    bytes += work.bytes;
  }
  return { flops, flopsByOp, bytes };
}

/** Plans `body` for a device of these properties; tensors it uses may be declared only. */
export function planOnly(facts: DeviceFacts, maxBinding: number, body: () => void): PlanReport {
  takes(
    "planOnly(facts: { software: flag, subgroup: size, f16: flag, ... }, maxBinding: limit, body: function)",
    arguments,
  );
  const dry = new DryRunner(facts, maxBinding);
  const before = useRunner(dry);
  try {
    body();
  } finally {
    useRunner(before);
  }
  return dry.report;
}

/** In a plan, what `tensor` is on a device: host data of this shape, which is never there. */
export function placeholder<D extends Dtype = "f32">(
  shape: readonly number[],
  dtype = "f32" as D,
): Tensor<TypeClass<D>> {
  takes('placeholder(shape: shape, dtype?: "f32" | "f16" | "u32" | "i32")', arguments);
  if (!(runner() instanceof DryRunner)) throw new ShapeError("placeholder: only a plan can do without the data");
  const numel = shape.reduce((product, size) => product * size, 1);
  return new Tensor<TypeClass<D>>(currentScope("placeholder").upload(new Float32Array(0), numel, dtype), shape);
}
