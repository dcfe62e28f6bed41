// Recording: scopes own what is made inside them, ops append launches, a flush hands the segment to the device.
// While recording, the segment's structure is written down as integers: a segment of the same structure as an
// earlier one replays that one's plan (replay.ts).
import { ShapeError } from "../errors.ts";
import { openScopes, runner } from "./runner.ts";
import type { Attrs, CompiledPass, Op } from "../declare/op.ts";
import type { Call, Segment } from "../plan/layout.ts";
import { type Dtype, numelOf, shapeError, type Sizes, type Term } from "../declare/signature.ts";
import { Tensor, type TypedArray, Value } from "./tensor.ts";

const innermost = (): Scope | undefined => openScopes.at(-1) as Scope | undefined;

/** The scope that records now. */
export function currentScope(what: string): Scope {
  const scope = innermost();
  if (!scope)
    throw new ShapeError(`${what}: no scope is open; write \`using scope = new Scope()\` around the computation`);
  return scope;
}

/** Grows by doubling; cheaper than an array of numbers when compared element by element. */
class IntList {
  items = new Int32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.items.length) {
      const more = new Int32Array(2 * this.length);
      more.set(this.items);
      this.items = more;
    }
    this.items[this.length++] = value;
  }
}

/** One op call with a gradient, as the tape remembers it. */
export interface TapeEntry {
  readonly op: Op;
  readonly way: string;
  readonly values: Value[];
  readonly dims: Sizes;
  readonly attrs: Attrs;
  readonly T: "f32" | "f16";
}

const words = new Map<string, number>();
/** A number for a string attribute, the same for the life of the process. */
function intern(word: string): number {
  let code = words.get(word);
  if (code === undefined) words.set(word, (code = words.size));
  return code;
}

const passCodes = new Map<CompiledPass, number>();
function codeOf(pass: CompiledPass): number {
  let code = passCodes.get(pass);
  if (code === undefined) passCodes.set(pass, (code = passCodes.size));
  return code;
}

/**
 * Owns every tensor made while it is open and returns their memory at its end. Nothing runs until something is read
 * or the scope ends. Scopes nest; `keep` moves a tensor to the enclosing one.
 *
 *     using scope = new Scope();
 */
export class Scope implements Disposable {
  readonly #outer: Scope | undefined;
  #calls: Call[] = [];
  #values: Value[] = [];
  #uploads: { value: Value; data: TypedArray | Uint16Array }[] = [];
  #reads: { value: Value; settle: (data: Promise<TypedArray>) => void }[] = [];
  #kept = new Set<Value>();
  #structure = new IntList();
  #numbers: number[] = [];
  /** Values of earlier segments and tensors kept by inner scopes; released when this scope ends. */
  #held: Value[] = [];
  #segment = 0;
  /** When the first launch of the segment was recorded, in ms. */
  #began = 0;
  #ended = false;

  constructor() {
    this.#outer = innermost();
    openScopes.push(this);
  }

  /** Runs what is still to run and returns all memory. */
  [Symbol.dispose](): void {
    if (this.#ended) return;
    try {
      this.flush(true);
    } finally {
      this.#release();
      this.#ended = true;
      openScopes.splice(openScopes.lastIndexOf(this), 1);
    }
  }

  /** Its tensors are gone. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Number of launches recorded since the last flush. */
  get pending(): number {
    return this.#calls.length;
  }

  /** Sends what was recorded to the device; `ends` says that no recorded value is needed afterwards. */
  flush(ends: boolean): void {
    if (this.#calls.length === 0 && this.#uploads.length === 0 && this.#reads.length === 0 && this.#kept.size === 0)
      return;
    const wanted = [...this.#reads.map(({ value }) => value), ...this.#kept];
    for (const { value } of this.#uploads) this.#structure.push(-value.index - 1);
    for (const value of wanted) this.#structure.push(this.#reference(value));
    this.#structure.push(ends ? 1 : 0);
    this.#structure.push(this.#reads.length);
    const segment: Segment = {
      calls: this.#calls,
      values: this.#values,
      uploads: this.#uploads,
      wanted,
      pinned: !ends,
      began: this.#began || performance.now(),
    };
    const reads = this.#reads;
    const kept = this.#kept;
    const structure = this.#structure.items.subarray(0, this.#structure.length);
    const numbers = this.#numbers;
    this.#startSegment();
    const result = runner().run(segment, structure, numbers, {
      reads: reads.map(({ value }) => value),
      keeps: [...kept],
    });
    for (const [i, { settle }] of reads.entries()) settle(result.reads[i]);
    for (const value of kept) this.#handOut(value);
    if (!ends) for (const value of segment.values) if (value.storage && !kept.has(value)) this.#held.push(value);
  }

  #startSegment(): void {
    this.#calls = [];
    this.#values = [];
    this.#uploads = [];
    this.#reads = [];
    this.#kept = new Set();
    this.#structure = new IntList();
    this.#numbers = [];
    this.#began = 0;
    this.#segment++;
  }

  #handOut(value: Value): void {
    value.scope = this.#outer;
    if (this.#outer) this.#outer.#held.push(value);
  }

  #release(): void {
    for (const value of this.#held) {
      value.released = true;
      if (value.storage) runner().giveBack(value.storage);
      value.storage = undefined;
    }
    this.#held = [];
  }

  /** A value that will be written in this scope. */
  make(numel: number, dtype: Dtype): Value {
    const value = new Value(numel, dtype);
    value.scope = this;
    value.segment = this.#segment;
    value.index = this.#values.length;
    this.#values.push(value);
    return value;
  }

  /** Host data that reaches the device when the scope runs; `data` must not change until then. */
  upload(data: TypedArray | Uint16Array, numel: number, dtype: Dtype): Value {
    const value = this.make(numel, dtype);
    this.#uploads.push({ value, data });
    this.#structure.push(-numel);
    this.#structure.push(dtype === "f16" ? 2 : 4);
    return value;
  }

  /** Position in the segment, or minus the identity of what lives outside it. */
  #reference(value: Value): number {
    if (value.scope === this && value.segment === this.#segment) return value.index;
    return -(value.storage?.id ?? value.id);
  }

  #checkAlive(value: Value, name: string, op: Op): void {
    if (value.released || value.scope?.ended)
      throw new ShapeError(
        `${op.name}: ${name} was made in a scope that has ended; keep(${name}) moves it to the outer scope`,
      );
    if (value.scope && value.scope !== this && !value.storage) value.scope.flush(false);
    if (value.scope === this && value.segment !== this.#segment && !value.storage)
      throw new ShapeError(`${op.name}: ${name} has no value: it was never computed`);
  }

  /** Opens an op call in the structure; returns the position of its first number. */
  begin(op: Op, way: string, values: readonly Value[], dims: Sizes, attrs: Attrs, T: "f32" | "f16"): number {
    const { sig } = op;
    for (const [i, term] of sig.inputs.entries()) this.#checkAlive(values[i], term.name, op);
    const s = this.#structure;
    s.push(op.id);
    s.push(T === "f16" ? 1 : 0);
    if (op.ways.size > 1) s.push(intern(way));
    for (const axis in dims) s.push(dims[axis]);
    const firstNumber = this.#numbers.length;
    for (const name in op.attrs) {
      const value = attrs[name];
      if (typeof value === "number") this.#numbers.push(value);
      else s.push(typeof value === "string" ? intern(value) : Number(value));
    }
    return firstNumber;
  }

  /** Appends one launch. */
  emit(
    pass: CompiledPass,
    values: readonly Value[],
    dims: Sizes,
    attrs: Attrs,
    T: "f32" | "f16",
    firstNumber: number,
  ): void {
    if (this.#calls.length === 0) this.#began = performance.now();
    const s = this.#structure;
    s.push(codeOf(pass));
    for (const slot of pass.slots) s.push(this.#reference(values[slot]));
    this.#calls.push({ pass, values, dims, attrs, T, firstNumber });
  }

  /** Runs passes of an op on `values` (by position in op.names); values that are missing are made. */
  launch(
    passes: readonly CompiledPass[],
    values: Value[],
    dims: Sizes,
    attrs: Attrs,
    T: "f32" | "f16",
    firstNumber: number,
  ): void {
    for (const pass of passes) {
      for (let i = 0; i < pass.slots.length; i++) {
        const slot = pass.slots[i];
        if (values[slot] === undefined)
          values[slot] = this.make(numelOf(pass.terms[i], dims), resolve(pass.terms[i], T));
      }
      this.emit(pass, values, dims, attrs, T, firstNumber);
    }
  }

  /** Remembers an op call for the gradient; plain scopes do not. */
  remember(_entry: TapeEntry): void {}

  /** Asks for the elements of a value when the scope runs. */
  read(value: Value): Promise<TypedArray> {
    const data = new Promise<TypedArray>((settle) => this.#reads.push({ value, settle }));
    data.catch(() => {}); // a fault reaches every later call as well; a read nobody waits for must not end the process
    return data;
  }

  /** Moves a value to the enclosing scope (or makes it persistent if there is none). */
  keep(value: Value): void {
    if (value.scope !== this) return;
    if (value.segment === this.#segment) {
      this.#kept.add(value);
      return;
    }
    this.#held.splice(this.#held.indexOf(value), 1);
    this.#handOut(value);
  }
}

const resolve = (term: Term, T: "f32" | "f16"): Dtype => (term.dtype === "T" ? T : term.dtype);

/** Calls an op: checks shapes, records its forward passes, returns its outputs. */
export function call(op: Op, args: readonly (Tensor | Partial<Attrs> | undefined)[]): Tensor | Tensor[] | undefined {
  const { inputs } = op.sig;
  const scope = currentScope(op.name);
  const tensors = args.slice(0, inputs.length) as Tensor[];
  const given = args[inputs.length] as Partial<Attrs> | undefined;
  const attrs = given ? withDefaults(op, given) : op.attrs;
  const bound = bindAxes(op, tensors);
  const dims = op.derive ? Object.assign(bound.dims, op.derive(bound.dims, attrs)) : bound.dims;
  const values: Value[] = new Array(op.names.length);
  for (let i = 0; i < tensors.length; i++) values[i] = tensors[i].value;
  const way = op.ways.size === 1 ? op.ways.keys().next().value! : chooseWay(op, dims, attrs);
  const first = scope.begin(op, way, values, dims, attrs, bound.T);
  const passes = op.ways.get(way)!;
  scope.launch(passes.forward, values, dims, attrs, bound.T, first);
  if (tensors.some((t, i) => t.value.needsGrad && op.differentiable.has(inputs[i].name))) {
    for (let i = inputs.length; i < inputs.length + op.sig.outputs.length; i++)
      if (values[i]) values[i].needsGrad = true;
    scope.remember({ op, way, values, dims, attrs, T: bound.T });
  }
  const results = op.sig.outputs
    .filter((term) => !inputs.some((input) => input.name === term.name))
    .map((term) => new Tensor(values[op.names.indexOf(term.name)], shapeOf(term, dims, bound.lead)));
  return results.length > 1 ? results : results[0];
}

function chooseWay(op: Op, dims: Sizes, attrs: Attrs): string {
  const { facts, forced } = runner();
  for (const name of op.ways.keys()) if (forced.has(name)) return name;
  return op.way(dims, facts, attrs);
}

function withDefaults(op: Op, given: Partial<Attrs>): Attrs {
  for (const name in given)
    if (!Object.hasOwn(op.attrs, name))
      throw new ShapeError(
        `${op.name}: unknown attribute ${name}; it has ${Object.keys(op.attrs).join(", ") || "none"}`,
      );
  return { ...op.attrs, ...given } as Attrs;
}

function bindAxes(op: Op, tensors: readonly Tensor[]): { dims: Sizes; lead: readonly number[]; T: "f32" | "f16" } {
  const dims: Sizes = {};
  let lead: readonly number[] | undefined;
  let T: Dtype | undefined;
  const refuse = (what: string): never => {
    throw shapeError(
      op,
      what,
      tensors.map((t) => t?.shape),
    );
  };
  for (let i = 0; i < op.sig.inputs.length; i++) {
    const term = op.sig.inputs[i];
    const tensor = tensors[i];
    if (!(tensor instanceof Tensor))
      refuse(`argument ${i + 1} (${term.name}) is ${tensor === undefined ? "missing" : "not a tensor"}`);
    const { shape, dtype } = tensor;
    if (term.dtype === "T") {
      if (T === undefined && (dtype === "f32" || dtype === "f16")) T = dtype;
      if (dtype !== T) refuse(`${term.text} is ${dtype}, expected ${T ?? "f32 or f16"}`);
    } else if (dtype !== term.dtype) refuse(`${term.text} is ${dtype}, expected ${term.dtype}`);
    const folded = term.folds ? shape.length - term.axes.length + 1 : 0;
    if (term.folds ? folded < 0 : shape.length !== term.axes.length)
      refuse(`${term.text} has ${term.axes.length} axes${term.folds ? " or more" : ""}, received [${shape}]`);
    if (term.folds && lead === undefined) lead = shape.slice(0, folded);
    for (let a = 0; a < term.axes.length; a++) {
      const axis = term.axes[a];
      const size = term.folds ? (a === 0 ? product(shape, folded) : shape[a + folded - 1]) : shape[a];
      const known = axis >= "A" ? dims[axis] : Number(axis);
      if (known === undefined) dims[axis] = size;
      else if (known !== size)
        refuse(`${term.text} has ${axis >= "A" ? `${axis} = ` : "length "}${size}, expected ${known}`);
    }
  }
  return { dims, lead: lead ?? [], T: (T as "f32" | "f16" | undefined) ?? "f32" };
}

function product(shape: readonly number[], count: number): number {
  let n = 1;
  for (let i = 0; i < count; i++) n *= shape[i];
  return n;
}

function shapeOf(term: Term, dims: Sizes, lead: readonly number[]): number[] {
  const sizes = term.axes.map((axis) => (axis >= "A" ? dims[axis] : Number(axis)));
  return term.folds && product(lead, lead.length) === sizes[0] ? [...lead, ...sizes.slice(1)] : sizes;
}

/** Elements of a tensor when its scope runs: does not interrupt recording, and memory is planned for the whole scope. */
export function later(tensor: Tensor): Promise<TypedArray> {
  return currentScope("later").read(tensor.value);
}

/** Moves a tensor to the enclosing scope: it outlives the one it was made in. */
export function keep(tensor: Tensor): Tensor {
  currentScope("keep").keep(tensor.value);
  return tensor;
}

/**
 * Runs `body` in a scope of its own and returns the elements of the tensors it returns. The whole computation is
 * planned at once: this is the way to use a model.
 */
export async function compute<R extends Tensor | readonly Tensor[]>(
  body: () => R,
): Promise<R extends Tensor ? TypedArray : TypedArray[]> {
  let reads: Promise<TypedArray>[];
  let single: boolean;
  {
    using scope = new Scope();
    const result = body();
    single = result instanceof Tensor;
    reads = (single ? [result as Tensor] : (result as readonly Tensor[])).map((t) => scope.read(t.value));
  }
  const all = await Promise.all(reads);
  return (single ? all[0] : all) as never;
}
