// What a tape remembers, read backwards: which calls lead to a value, and what their backward passes read.
import type { CompiledPass, Op } from "../declare/op.ts";
import type { Entry } from "./segment.ts";
import type { Value } from "./value.ts";

/** A change of memory, and when. */
export interface Change {
  readonly value: Value;
  readonly at: number;
}

/** A remembered call that leads to a value in question. */
export interface Step {
  readonly entry: Entry;
  /** Positions in op.names of inputs that want a gradient -> of their d-names. */
  readonly wanted: ReadonlyMap<number, number>;
  readonly outputs: readonly Value[];
}

/** The calls that these values were computed by, in their order. */
export function leadingTo(roots: Iterable<Value>, entries: readonly Entry[]): Step[] {
  const reached = new Set(roots);
  const found: Step[] = [];
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i];
    const outputs = outputsOf(entry.op, entry.values);
    if (!outputs.some((value) => reached.has(value))) continue;
    const wanted = wantedSlots(entry.op, entry.values);
    found.push({ entry, wanted, outputs });
    for (const input of wanted.keys()) reached.add(entry.values[input]);
  }
  return found.reverse();
}

/** The values of a call that its backward passes read, as far as they lead to a wanted gradient. */
export function savedBy({ entry: { op, way, values }, wanted }: Step): Value[] {
  const saved = new Set<Value>();
  for (const { slots } of needed(op.ways.get(way)!.backward, new Set(wanted.values())))
    for (const slot of slots) if (values[slot]) saved.add(values[slot]);
  return [...saved];
}

function outputsOf(op: Op, values: readonly Value[]): Value[] {
  return op.sig.outputs.map(({ name }) => values[op.names.indexOf(name)]);
}

function wantedSlots(op: Op, values: readonly Value[]): Map<number, number> {
  const slots = new Map<number, number>();
  for (const [i, { name }] of op.sig.inputs.entries())
    if (values[i].needsGrad && op.differentiable.has(name)) slots.set(i, op.names.indexOf(`d${name}`));
  return slots;
}

/** The passes that write something wanted, or something a later needed pass reads. */
export function needed(passes: readonly CompiledPass[], wanted: Set<number>): CompiledPass[] {
  const chosen: CompiledPass[] = [];
  for (let i = passes.length - 1; i >= 0; i--) {
    const pass = passes[i];
    if (!pass.slots.some((slot, k) => pass.writes[k] && wanted.has(slot))) continue;
    chosen.unshift(pass);
    for (const slot of pass.slots) wanted.add(slot);
  }
  return chosen;
}
