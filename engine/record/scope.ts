// Recording: scopes own what is made inside them, ops append launches, a flush hands the segment to whoever runs it.
// While recording, the segment's structure is written down (structure.ts): a segment of the same structure as an
// earlier one replays that one's plan.
import type { CompiledPass, Op } from "../declare/op.ts";
import { type Dtype, numelOf, type Term } from "../declare/signature.ts";
import { ShapeError } from "../errors.ts";
import { openScopes, runner } from "./runner.ts";
import type { Call, OpCall, Segment } from "./segment.ts";
import { Structure } from "./structure.ts";
import { type Owner, type TypedArray, Value } from "./value.ts";

const innermost = (): Scope | undefined => openScopes.at(-1) as Scope | undefined;

/** The scope that records now. */
export function currentScope(what: string): Scope {
  const scope = innermost();
  if (!scope)
    throw new ShapeError(`${what}: no scope is open; write \`using scope = new Scope()\` around the computation`);
  return scope;
}

/**
 * Owns every tensor made while it is open and returns their memory at its end. Nothing runs until something is read
 * or the scope ends. Scopes nest; `keep` moves a tensor to the enclosing one.
 *
 *     using scope = new Scope();
 */
export class Scope implements Disposable, Owner {
  readonly #outer: Scope | undefined;
  #calls: Call[] = [];
  #values: Value[] = [];
  #uploads: { value: Value; data: TypedArray | Uint16Array }[] = [];
  #reads: { value: Value; settle: (data: Promise<TypedArray>) => void }[] = [];
  #kept = new Set<Value>();
  #structure = new Structure();
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
    const structure = this.#structure.integers;
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
    this.#structure = new Structure();
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
    if (value.released && !value.scope) throw new ShapeError(`${op.name}: the memory of ${name} was freed`);
    if (value.released || value.scope?.ended)
      throw new ShapeError(
        `${op.name}: ${name} was made in a scope that has ended; keep(${name}) moves it to the outer scope`,
      );
    if (value.scope && value.scope !== this && !value.storage) value.scope.flush(false);
    if (value.scope === this && value.segment !== this.#segment && !value.storage)
      throw new ShapeError(`${op.name}: ${name} has no value: it was never computed`);
  }

  /** Records passes of an op call; values that are missing are made. */
  run(call: OpCall, passes: readonly CompiledPass[]): void {
    const { values, dims, attrs, T } = call;
    const firstNumber = this.#begin(call);
    for (const pass of passes) {
      for (let i = 0; i < pass.slots.length; i++) {
        const slot = pass.slots[i];
        if (values[slot] === undefined)
          values[slot] = this.make(numelOf(pass.terms[i], dims), resolve(pass.terms[i], T));
      }
      this.emit({ pass, values, dims, attrs, T, firstNumber });
    }
  }

  /** Opens an op call in the structure; returns the position of its first number. */
  #begin({ op, way, values, dims, attrs, T }: OpCall): number {
    for (const [i, term] of op.sig.inputs.entries()) this.#checkAlive(values[i], term.name, op);
    const s = this.#structure;
    s.push(op.id);
    s.push(T === "f16" ? 1 : 0);
    if (op.ways.size > 1) s.word(way);
    for (const axis in dims) s.push(dims[axis]);
    const firstNumber = this.#numbers.length;
    for (const name in op.attrs) {
      const value = attrs[name];
      if (typeof value === "number") this.#numbers.push(value);
      else if (typeof value === "string") s.word(value);
      else s.push(Number(value));
    }
    return firstNumber;
  }

  /** Appends one launch. */
  emit(call: Call): void {
    if (this.#calls.length === 0) this.#began = performance.now();
    const s = this.#structure;
    s.pass(call.pass);
    for (const slot of call.pass.slots) s.push(this.#reference(call.values[slot]));
    this.#calls.push(call);
  }

  /** Remembers an op call for the gradient; plain scopes do not. */
  remember(_call: OpCall): void {}

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
