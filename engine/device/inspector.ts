// A runner around a runner that has an op look at every value of floats: what launches find, before the first one that reads it,
// and what they write, behind each. Memory is that of the segment, since a look only follows its launch, and 256 bytes a look.
import type { DeviceFacts } from "../declare/facts.ts";
import type { Op } from "../declare/op.ts";
import { isWholeType } from "../declare/signature.ts";
import { UsageError } from "../errors.ts";
import type { DeviceMemory, Runner, Unit } from "../record/runner.ts";
import type { Call, Segment, Wanted } from "../record/segment.ts";
import { nextId, type Purpose, type Storage, type TypedArray, Value } from "../record/value.ts";

/** What the op said of a value. */
export interface Look {
  readonly call: Call;
  /** Which of the call's tensors it is: a place in `call.pass.terms`. */
  readonly term: number;
  /** It was looked at before the launch. */
  readonly isFound: boolean;
  /** What the op wrote, in Looker's own layout. */
  readonly said: Uint32Array;
}

/** Bytes of a look: where a binding may begin. */
const each = 256;
/** Begins the structure of an inspected segment. */
const inspected = -0x10c5;

type Planned = Omit<Look, "said"> & { readonly value: Value };

export class Inspector implements Runner {
  readonly #looks: Promise<Look[]>[] = [];

  /** @param looker an op "x_N -> said_…:u32" that has no numbers for attributes and writes 256 bytes at most */
  constructor(
    readonly inner: Runner,
    readonly looker: Op,
  ) {}

  get facts(): DeviceFacts {
    return this.inner.facts;
  }

  get maxBinding(): number {
    return this.inner.maxBinding;
  }

  get forced(): Set<string> {
    return this.inner.forced;
  }

  get store(): DeviceMemory | undefined {
    return this.inner.store;
  }

  get broken(): boolean {
    return this.inner.broken ?? false;
  }

  get during(): Unit | undefined {
    return this.inner.during;
  }

  set during(unit: Unit | undefined) {
    this.inner.during = unit;
  }

  check(): void {
    this.inner.check?.();
  }

  run(segment: Segment, structure: Int32Array, numbers: readonly number[], wanted: Wanted) {
    const { store } = this.inner;
    if (!store) throw new UsageError("an inspector needs a device; the planner only measures");
    const planned = looksOf(segment);
    if (planned.length === 0) return this.inner.run(segment, structure, numbers, wanted);
    const memory = store.allocate(each * planned.length, "other");
    const said = planned.map(({ value }, i) => this.#saidOf(value, { ...memory, offset: each * i, bytes: each }));
    const calls = withLooks(segment, planned, said, this.looker);
    const known = Int32Array.from({ length: structure.length + 2 }, (_, i) => structure[i - 2]);
    known.set([inspected, memory.id]);
    const result = this.inner.run({ ...segment, calls }, known, numbers, wanted);
    this.#looks.push(this.#read(planned, said, memory));
    return result;
  }

  /** Where the looker writes what it says of a value, and the sizes of both. */
  #saidOf({ numel }: Value, place: Storage): Said {
    const dims = { N: numel, ...this.looker.derive?.({ N: numel }, this.looker.attrs) };
    const value = new Value(each / 4, "u32");
    value.storage = { ...place, id: nextId() };
    return { value, dims };
  }

  async #read(planned: readonly Planned[], said: readonly Said[], memory: Storage): Promise<Look[]> {
    const all = (await this.inner.read(new Value(memory.bytes / 4, "u32"), memory)) as Uint32Array;
    this.inner.free([memory], "other");
    const words = said.map(({ dims }) => 3 * (dims.C ?? 1));
    return planned.map(({ value: _, ...look }, i) => {
      const at = (each / 4) * i;
      return { ...look, said: all.slice(at, at + words[i]) };
    });
  }

  /** All looks so far, in the order of the launches. */
  async looks(): Promise<Look[]> {
    return (await Promise.all(this.#looks)).flat();
  }

  read(value: Value, storage: Storage): Promise<TypedArray> {
    return this.inner.read(value, storage);
  }

  giveBack(storage: Storage): void {
    this.inner.giveBack(storage);
  }

  free(storages: readonly Storage[], purpose: Purpose): void {
    this.inner.free(storages, purpose);
  }

  idle(): Promise<void> {
    return this.inner.idle();
  }
}

interface Said {
  readonly value: Value;
  readonly dims: Record<string, number>;
}

/** What is to be looked at, in order: inputs that were neither written nor looked at before, then what each launch writes. */
function looksOf({ calls }: Segment): Planned[] {
  const known = new Set<Value>();
  const planned: Planned[] = [];
  const look = (call: Call, term: number, isFound: boolean) => {
    const value = call.values[call.pass.slots[term]];
    if (isWholeType(value.dtype) || (isFound && known.has(value))) return;
    known.add(value);
    planned.push({ call, term, isFound, value });
  };
  for (const call of calls) {
    const { terms, writes, pass } = call.pass;
    for (const term of terms.keys()) if (term < pass.sig.inputs.length) look(call, term, true);
    for (const term of terms.keys()) if (writes[term]) look(call, term, false);
  }
  return planned;
}

/** The launches of a segment with the looks between them. */
function withLooks({ calls }: Segment, planned: readonly Planned[], said: readonly Said[], looker: Op): Call[] {
  const [way] = looker.ways.values();
  const around = new Map<Call, { before: Call[]; after: Call[] }>(
    calls.map((call) => [call, { before: [], after: [] }]),
  );
  for (const [i, { call, isFound, value }] of planned.entries()) {
    const { value: place, dims } = said[i];
    const launch = { pass: way.forward[0], values: [value, place], dims, attrs: looker.attrs, T: value.dtype };
    around.get(call)![isFound ? "before" : "after"].push({ ...launch, firstNumber: 0 });
  }
  return calls.flatMap((call) => [...around.get(call)!.before, call, ...around.get(call)!.after]);
}
