// Recording: scopes own what is made inside them, ops append launches, a flush hands the segment to whoever runs it.
// While recording, the segment's structure is written down (structure.ts): a segment of the same structure as an
// earlier one replays that one's plan.
import type { CompiledPass } from "../declare/op.ts";
import { anyType, type Dtype, numelOf, type Term } from "../declare/signature.ts";
import { ShapeError } from "../errors.ts";
import { takes } from "../takes.ts";
import { noteRecorded, openBlock } from "./blocks.ts";
import { type Change, leadingTo } from "./history.ts";
import { readBy } from "./replay.ts";
import { checkHome, type Runner, runner } from "./runner.ts";
import { inspected, noteChange, noteRead } from "./shown.ts";
import type { Call, Entry, OpCall, Segment } from "./segment.ts";
import { Structure } from "./structure.ts";
import { enter, innermost, leave, meet, noteWrite, type OpenScope } from "./tasks.ts";
import { overlaps, type TypedArray, Value, whereGone } from "./value.ts";

/** Counts calls that gradients may flow through and changes of memory: which came first. */
let clock = 0;

/** A promise of elements that waits for its segment. */
interface Read {
  readonly value: Value;
  readonly settle: (data: Promise<TypedArray>) => void;
}

/** Scopes of this process so far. */
let opened = 0;

/** The scope that records now. */
export function currentScope(what: string): Scope {
  const scope = innermost() as Scope | undefined;
  scope?.dropStrangers();
  if (!scope)
    throw new ShapeError(`${what}: no scope is open; write \`using scope = new Scope()\` around the computation`);
  scope.runner.check?.();
  return scope;
}

/**
 * Owns every tensor made while it is open and returns their memory at its end. Nothing runs until something is read
 * or the scope ends. Scopes nest; `keep` moves a tensor to the enclosing one.
 *
 *     using scope = new Scope();
 */
export class Scope implements Disposable, OpenScope {
  #outer: Scope | undefined;
  /** Scopes that are open inside it. */
  readonly #inner = new Set<Scope>();
  /** A tape, or inside one: calls are remembered for its gradients. */
  readonly remembers: boolean;
  /** Scopes that have recorded launches on its values: those run before the values go. */
  readonly #borrowers = new Set<Scope>();
  #entries: Entry[] = [];
  #changes: Change[] = [];
  #calls: Call[] = [];
  #values: Value[] = [];
  #uploads: { value: Value; data: TypedArray | Uint16Array }[] = [];
  #reads: Read[] = [];
  #kept = new Set<Value>();
  #structure = new Structure();
  #numbers: number[] = [];
  /** Values of earlier segments and tensors kept by inner scopes; released when this scope ends. */
  #held: Value[] = [];
  #segment = 0;
  /** When the first launch of the segment was recorded, in ms. */
  #began = 0;
  #ended = false;
  /** What was open when it began: all that it records runs there. */
  readonly runner: Runner;
  readonly #number = ++opened;

  /** Errors: GpuError where no GPU is open, or the open one has failed. */
  constructor() {
    takes("new Scope()", arguments);
    this.runner = runner();
    this.runner.check?.();
    this.#outer = innermost() as Scope | undefined;
    this.remembers = this.isTape || (this.#outer?.remembers ?? false);
    if (this.#outer) this.#outer.#inner.add(this);
    enter(this);
  }

  protected get isTape(): boolean {
    return false;
  }

  /** Runs what is still to run and returns all memory. Errors: ShapeError where a scope inside it is still open. */
  [Symbol.dispose](): void {
    if (this.#ended) return;
    let isInOrder = true;
    const isKnown = this.runner.broken ?? false;
    try {
      this.#passOn();
      this.flush(true);
      for (const scope of this.#borrowers) if (!scope.ended) scope.flush(false);
    } catch (error) {
      if (!isKnown) throw error; // thrown again, it would hide the error that this scope ends for
    } finally {
      this.#handOut();
      this.#release();
      this.#ended = true;
      const { outer } = this;
      if (outer) outer.#inner.delete(this);
      isInOrder = leave(this);
    }
    if (!isInOrder)
      throw new ShapeError(
        "a scope ended while one inside it was still open: two asynchronous tasks record at once, which cannot be told " +
          "apart here; `await` one before the other begins",
      );
  }

  get outer(): Scope | undefined {
    let outer = this.#outer;
    while (outer?.ended) outer = outer.#outer;
    return outer;
  }

  /**
   * What records here while scopes inside are open belongs to another task than they: they were opened while this one
   * waited, and what encloses it encloses them.
   */
  dropStrangers(): void {
    if (this.#inner.size === 0) return;
    const outer = this.outer;
    for (const scope of this.#inner) {
      scope.#outer = outer;
      if (outer) outer.#inner.add(scope);
    }
    this.#inner.clear();
  }

  get title(): string {
    return `${this.isTape ? "tape" : "scope"} ${this.#number}`;
  }

  /** Its tensors are gone. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Number of launches recorded since the last flush. */
  get pending(): number {
    return this.#calls.length;
  }

  [inspected](): string {
    const kind = this.isTape ? "Tape" : "Scope";
    return `${kind} ${this.#number}, ${this.#ended ? "ended" : `open, ${this.pending} launches pending`}`;
  }

  /** Sends what was recorded to the device; `ends` says that no recorded value is needed afterwards. */
  flush(ends: boolean): void {
    const kept = ends ? [...this.#kept].filter((value) => value.segment === this.#segment) : [];
    if (this.#calls.length === 0 && this.#uploads.length === 0 && this.#reads.length === 0 && kept.length === 0) return;
    const wanted = [...this.#reads.map(({ value }) => value), ...kept];
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
    const structure = this.#structure.integers;
    const numbers = this.#numbers;
    this.#startSegment();
    const results = runOrRefuse(this.runner, segment, structure, numbers, {
      reads: reads.map(({ value }) => value),
      keeps: kept,
    });
    for (const [i, { settle }] of reads.entries()) settle(results.reads[i]);
    if (results.error) throw results.error;
    if (!ends) for (const value of segment.values) if (value.storage) this.#held.push(value);
  }

  #startSegment(): void {
    this.#calls = [];
    this.#values = [];
    this.#uploads = [];
    this.#reads = [];
    this.#structure = new Structure();
    this.#numbers = [];
    this.#began = 0;
    this.#segment++;
  }

  /** Kept values go to the enclosing scope. */
  #handOut(): void {
    const { outer } = this;
    for (const value of this.#kept) {
      value.scope = outer;
      if (outer) outer.#held.push(value);
      else value.lives = "kept";
    }
  }

  #release(): void {
    for (const value of this.#held) {
      if (this.#kept.has(value)) continue;
      value.released = true;
      if (value.storage) this.runner.giveBack(value.storage);
      value.storage = undefined;
    }
    this.#held = [];
    this.#kept = new Set();
    this.#entries = [];
    this.#changes = [];
  }

  /** The enclosing scope remembers how kept values were computed, and what their gradients read is kept as well. */
  #passOn(): void {
    const { outer } = this;
    if (!outer?.remembers || this.#kept.size === 0) return;
    const passed = leadingTo(this.#kept, this.#entries);
    for (const value of readBy(passed, openBlock(), this.#kept)) this.keep(value);
    if (passed.length === 0) return;
    outer.#entries.push(...passed.map(({ entry }) => entry));
    outer.#entries.sort((a, b) => a.at - b.at);
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

  #madeBy(op: string, numel: number, dtype: Dtype): Value {
    const value = this.make(numel, dtype);
    value.madeBy = op;
    return value;
  }

  /** Host data that reaches the device when the scope runs; `data` must not change until then. */
  upload(data: TypedArray | Uint16Array, numel: number, dtype: Dtype): Value {
    const value = this.make(numel, dtype);
    this.#uploads.push({ value, data });
    if (data instanceof Uint32Array) value.host = data;
    this.#structure.push(-numel);
    this.#structure.push(dtype === "f16" ? 2 : 4);
    return value;
  }

  /** Position in the segment, or minus the identity of what lives outside it. */
  #reference(value: Value): number {
    if (value.scope === this && value.segment === this.#segment) return value.index;
    return -(value.storage?.id ?? value.id);
  }

  #checkAlive(value: Value, name: string, what: string): void {
    if (value.released && !value.scope) throw new ShapeError(`${what}: the memory of ${name} was freed`);
    if (value.released || value.scope?.ended)
      throw new ShapeError(
        `${what}: ${name} ${whereGone(value)}; write keep(${name}) in it, which moves the tensor to the scope around it`,
      );
    checkHome(value, this.runner, `${what}: ${name}`);
    if (value.scope && value.scope !== this) {
      if (!value.storage) value.scope.flush(false);
      (value.scope as Scope).#borrowers.add(this);
    }
    if (value.scope === this && value.segment !== this.#segment && !value.storage)
      throw new ShapeError(`${what}: ${name} has no value: it was never computed`);
  }

  /** What passes find in place is alive, and what was recorded elsewhere about the same memory has run. */
  #meetAll({ op, values }: OpCall, passes: readonly CompiledPass[]): void {
    if (this.#ended) throw new ShapeError(`${op.name}: the scope or tape that would record it has ended`);
    for (const { slots, writes } of passes)
      for (let i = 0; i < slots.length; i++) {
        const value = values[slots[i]];
        if (value === undefined) continue;
        this.#checkAlive(value, op.names[slots[i]], op.name);
        if (value.scope !== this || value.segment !== this.#segment) meet(value, writes[i], this);
        if (!writes[i]) continue;
        noteChange();
        if (this.#reads.some((read) => overlaps(read.value, value))) this.flush(false);
        if (slots[i] < op.sig.inputs.length) noteWrite(value);
      }
  }

  /** Records passes of an op call; values that are missing are made. */
  run(call: OpCall, passes: readonly CompiledPass[]): void {
    const { values, dims, attrs, T } = call;
    this.#meetAll(call, passes);
    const firstNumber = this.#begin(call);
    const fresh = openBlock() && new Set<number>(); // only a block asks what is made
    for (const pass of passes) {
      for (let i = 0; i < pass.slots.length; i++) {
        const slot = pass.slots[i];
        if (values[slot] !== undefined) continue;
        values[slot] = this.#madeBy(call.op.name, numelOf(pass.terms[i], dims), resolve(pass.terms[i], T));
        fresh?.add(slot);
      }
      this.emit({ pass, values, dims, attrs, T, firstNumber });
    }
    if (fresh) noteRecorded({ call, passes, fresh, at: ++clock });
  }

  /** Opens an op call in the structure; returns the position of its first number. */
  #begin({ op, way, dims, attrs, T }: OpCall): number {
    const s = this.#structure;
    s.push(op.id);
    s.push(anyType.indexOf(T));
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

  /** Remembers an op call for the gradient, if a tape is open. */
  remember(entry: Entry): void {
    if (!this.remembers) return;
    entry.at = ++clock;
    entry.block = openBlock();
    this.#entries.push(entry);
  }

  /** What it remembers, and the memory that changed meanwhile, in order. */
  get history(): { readonly entries: readonly Entry[]; readonly changes: readonly Change[] } {
    return { entries: this.#entries, changes: this.#changes };
  }

  note(value: Value): void {
    if (this.remembers) this.#changes.push({ value, at: ++clock });
  }

  touches(value: Value, isWritten: boolean): boolean {
    if (isWritten && this.#reads.some((read) => overlaps(read.value, value))) return true;
    return this.#calls.some(({ pass: { slots, writes }, values }) =>
      slots.some((slot, i) => (isWritten || writes[i]) && overlaps(values[slot], value)),
    );
  }

  /** Asks for the elements of a value when the scope runs. */
  read(value: Value): Promise<TypedArray> {
    takes("read(value: value)", arguments);
    this.#checkAlive(value, "the tensor", "later");
    if (value.scope !== this) meet(value, false, this);
    const data = new Promise<TypedArray>((settle) => this.#reads.push({ value, settle }));
    noteRead(value, data); // catches as well: a fault reaches every later call as well; a read nobody waits for must not end the process
    return data;
  }

  starve(): void {
    const reads = this.#reads;
    this.#reads = [];
    const why =
      `later: this read comes when ${this.title} runs, which is still open, and nothing else is left to do: it would never come; ` +
      "await it behind the brace of the scope, or read with `await x.data()` inside";
    for (const { settle } of reads) settle(Promise.reject(new ShapeError(why)));
  }

  /** Moves a value to the enclosing scope when this one ends (or makes it persistent if there is none). */
  keep(value: Value): void {
    takes("keep(value: value)", arguments);
    if (value.scope === this) this.#kept.add(value);
  }
}

/** As the runner's `run`; where it refuses, every read is rejected with the reason. */
function runOrRefuse(by: Runner, ...of: Parameters<Runner["run"]>): { reads: Promise<TypedArray>[]; error?: unknown } {
  try {
    return by.run(...of);
  } catch (error) {
    return { reads: of[3].reads.map(() => Promise.reject(error)), error };
  }
}

const resolve = (term: Term, T: Dtype): Dtype => (term.dtype === "T" ? T : term.dtype);
