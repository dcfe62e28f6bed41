// A case of the benchmark: an op at one of its declared sizes, with inputs on the device, as arms to time and outputs to
// check. The check is against the op's f64 reference, where that would take too long at a smaller size that picks the
// same kernels.
import { ShapeError } from "../engine/errors.ts";
import type { Gpu } from "../engine/device/gpu.ts";
import type { CompiledPass, Op } from "../engine/declare/op.ts";
import type { Attrs } from "../engine/declare/pass.ts";
import { persistent } from "../engine/device/params.ts";
import { later } from "../engine/record/compute.ts";
import { call } from "../engine/record/op.ts";
import { Scope } from "../engine/record/scope.ts";
import { type Dtype, isWholeType, numelOf, type Sizes, type Term } from "../engine/declare/signature.ts";
import type { Call, OpCall } from "../engine/record/segment.ts";
import { Tensor } from "../engine/record/tensor.ts";
import { type Work, workOf } from "../engine/declare/work.ts";
import { uniform } from "../engine/device/draws.ts";
import { gaussians, positives } from "./draw.ts";
import type { Arm } from "./measure.ts";
import type { Amounts } from "./row.ts";

/** An op at certain sizes. */
export interface Case {
  readonly op: Op;
  /** Sizes of every axis, derived ones too. */
  readonly dims: Sizes;
  readonly attrs: Attrs;
  /** What `T` is; by default the first that the op can store. */
  readonly T?: Dtype;
}

/** The declared cases of an op. */
export function casesOf(op: Op): Case[] {
  return op.bench.map(({ attrs: given, ...sizes }) => {
    const attrs = { ...op.attrs, ...(given as Partial<Attrs> | undefined) } as Attrs;
    return { op, attrs, dims: { ...(sizes as Sizes), ...op.derive?.(sizes as Sizes, attrs) } };
  });
}

/** "N=408 K=768 M=2304 causal=true": the sizes of inputs and outputs, and attributes that are not the defaults. */
export function caseName({ op, dims, attrs }: Case): string {
  const inputs = new Set(op.sig.inputs.flatMap((term) => term.axes.filter((axis) => axis >= "A")));
  const sizes = [...(inputs.size ? inputs : op.axes)].map((axis) => `${axis}=${dims[axis]}`);
  const changed = Object.entries(attrs).filter(([name, value]) => value !== op.attrs[name]);
  return [op.name, ...sizes, ...changed.map(([name, value]) => `${name}=${value}`)].join(" ");
}

const shapeOf = (term: Term, dims: Sizes): number[] =>
  term.axes.map((axis) => (axis >= "A" ? dims[axis] : Number(axis)));

const typeOf = ({ op, T }: Pick<Case, "op" | "T">, { dtype }: Term): Dtype =>
  dtype === "T" ? (T ?? op.storage[0]) : dtype;

/** Seeded inputs as the op's tests draw them. */
export function drawInputs({ op, dims, T }: Case, seed = 2022): Record<string, Float32Array> {
  const inputs: Record<string, Float32Array> = {};
  for (const [i, term] of op.sig.inputs.entries()) {
    const numel = numelOf(term, dims);
    const draw = op.test.draw?.[term.name] ?? "gaussian";
    if (isWholeType(typeOf({ op, T }, term)) && typeof draw !== "function")
      inputs[term.name] = gaussians(numel, seed + i).map((x) => 1 + Math.floor(100 * Math.abs(x)));
    else if (typeof draw === "function") inputs[term.name] = Float32Array.from(draw(uniform(seed + i), dims, numel));
    else inputs[term.name] = draw === "positive" ? positives(numel, seed + i) : gaussians(numel, seed + i);
  }
  return inputs;
}

/** Records as every scope does, and remembers what it recorded. */
class Recorder extends Scope {
  readonly work: Work[] = [];
  entry: OpCall | undefined;

  override emit(call: Call): void {
    this.work.push(workOf(call));
    super.emit(call);
  }

  override remember(entry: OpCall): void {
    this.entry = entry;
  }
}

const sum = (work: readonly Work[]): Amounts => ({
  bytes: work.reduce((all, { bytes }) => all + bytes, 0),
  flops: work.reduce((all, { flops }) => all + flops, 0),
  launches: work.length,
});

/** A case on the device, and `slope` of what comes after at each output; give it back with `free`. */
export class Prepared {
  readonly forward: Amounts;
  readonly backward: Amounts | undefined;
  readonly #args: Tensor<Dtype>[];
  readonly #upstream: Record<string, Tensor<Dtype>> = {};
  readonly #outer: Recorder;
  readonly #fresh: readonly Tensor[];

  constructor(
    readonly gpu: Gpu,
    readonly made: Case,
    readonly inputs: Record<string, Float32Array>,
    slope: (numel: number, output: number) => Float32Array = (numel, output) => gaussians(numel, 77 + output),
  ) {
    const { op, dims, attrs, T } = made;
    this.#args = op.sig.inputs.map((term) => {
      const made = persistent(inputs[term.name], shapeOf(term, dims), typeOf({ op, T }, term));
      made.value.needsGrad = op.differentiable.has(term.name);
      return made;
    });
    this.#outer = new Recorder();
    const result = call(op, [...this.#args, attrs]);
    this.#fresh = (result === undefined ? [] : result instanceof Tensor ? [result] : result) as Tensor[]; // of floats where it is used
    this.forward = sum(this.#outer.work);
    this.#outer.flush(false); // what backward reads stays where it is
    if (!this.#outer.entry) return;
    for (const [i, { name }] of op.sig.outputs.entries())
      if (op.names.includes(`d${name}`)) {
        const { shape, numel } = this.#fresh[i];
        this.#upstream[name] = persistent(slope(numel, i), shape, typeOf(made, op.sig.outputs[i]));
      }
    this.backward = sum(this.#differentiate(new Recorder()).work);
  }

  /** The forward passes of the op, recorded `reps` times and run at once. */
  get forwardArm(): Arm {
    const { gpu, made } = this;
    return {
      name: "forward",
      run: async (reps) => {
        {
          using _scope = new Scope();
          for (let i = 0; i < reps; i++) call(made.op, [...this.#args, made.attrs]);
        }
        await gpu.idle();
      },
    };
  }

  /** The backward passes alone, on what one forward left. */
  get backwardArm(): Arm {
    return {
      name: "backward",
      run: async (reps) => {
        {
          using scope = new Scope();
          for (let i = 0; i < reps; i++) this.#backwards(scope);
        }
        await this.gpu.idle();
      },
    };
  }

  /** Records the backward passes; the result has a value for every name of the op. */
  #backwards(scope: Scope) {
    const call = this.#outer.entry!;
    const { op, way, values } = call;
    const all = values.slice();
    for (const [name, { value }] of Object.entries(this.#upstream)) all[op.names.indexOf(`d${name}`)] = value;
    scope.run({ ...call, values: all }, op.ways.get(way)!.backward);
    return all;
  }

  #differentiate(recorder: Recorder): Recorder {
    using scope = recorder;
    this.#backwards(scope);
    return recorder;
  }

  /** The outputs that the first run left, by name; updates in place are read where they are. */
  async outputs(): Promise<Record<string, Float64Array>> {
    const { op } = this.made;
    let fresh = 0;
    const found: Record<string, Float64Array> = {};
    for (const { name } of op.sig.outputs) {
      const input = op.sig.inputs.findIndex((term) => term.name === name);
      const tensor = input >= 0 ? this.#args[input] : this.#fresh[fresh++];
      found[name] = Float64Array.from(await tensor.data());
    }
    return found;
  }

  /** Gradients by input, and the upstream ones that they belong to. */
  async gradients(): Promise<{ gradients: Record<string, Float64Array>; upstream: Record<string, Float64Array> }> {
    const { op } = this.made;
    const reads: Record<string, Promise<ArrayLike<number>>> = {};
    {
      using scope = new Scope();
      const all = this.#backwards(scope);
      for (const term of op.sig.inputs)
        if (op.differentiable.has(term.name)) {
          const value = all[op.names.indexOf(`d${term.name}`)];
          reads[term.name] = later(new Tensor(value, [value.numel]));
        }
    }
    const gradients: Record<string, Float64Array> = {};
    for (const [name, data] of Object.entries(reads)) gradients[name] = Float64Array.from(await data);
    const upstream: Record<string, Float64Array> = {};
    for (const [name, tensor] of Object.entries(this.#upstream))
      upstream[name] = Float64Array.from(await tensor.data());
    return { gradients, upstream };
  }

  /** Returns all memory. */
  free(): void {
    this.#outer[Symbol.dispose]();
    for (const { value } of [...this.#args, ...Object.values(this.#upstream)])
      if (value.storage) this.gpu.store.free(value.storage, "other");
    this.gpu.planner.forget();
  }
}

/** Which kernels a case runs: its way and the variant that every pass picks. */
export function picksOf({ op, dims, attrs, T = "f32" }: Case, gpu: Gpu): string {
  const way = op.ways.size > 1 ? op.way(dims, gpu.facts, attrs) : op.ways.keys().next().value!;
  const { forward, backward } = op.ways.get(way)!;
  const pick = ({ pass }: CompiledPass) => (pass.variants.size > 1 ? pass.pick(dims, gpu.facts, attrs, T) : "only");
  return [way, ...[...forward, ...backward].map(pick)].join(" ");
}

/** The same op with axes halved until `fits`, without a change of kernels where that can be avoided. */
export function reduced(whole: Case, gpu: Gpu, fits: (smaller: Case) => boolean): Case {
  const { op, attrs } = whole;
  const wanted = picksOf(whole, gpu);
  let [current, stuck] = [whole, new Set<string>()];
  const axes = new Set(op.sig.inputs.flatMap((term) => term.axes.filter((axis) => axis >= "A")));
  const shrink = (axis: string): Case | undefined => {
    const sizes: Sizes = {};
    for (const each of axes) sizes[each] = each === axis ? Math.ceil(current.dims[each] / 2) : current.dims[each];
    if (op.test.where && !op.test.where(sizes, attrs as never)) return undefined;
    try {
      return { op, attrs, dims: { ...sizes, ...op.derive?.(sizes, attrs) } };
    } catch (error) {
      if (error instanceof ShapeError) return undefined;
      throw error;
    }
  };
  while (!fits(current)) {
    const free = [...axes].filter((axis) => !stuck.has(axis) && current.dims[axis] > 1);
    if (free.length === 0) return current;
    const axis = free.reduce((a, b) => (current.dims[b] > current.dims[a] ? b : a));
    const smaller = shrink(axis);
    if (smaller && picksOf(smaller, gpu) === wanted) current = smaller;
    else stuck = new Set([...stuck, axis]);
  }
  return current;
}
