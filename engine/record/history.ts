// What a tape remembers, read backwards: which calls lead to a value, and what their backward passes read.
import type { CompiledPass, Op } from "../declare/op.ts";
import type { Entry, OpCall } from "./segment.ts";
import type { Value } from "./value.ts";

/** The calls that these values were computed by, in their order. */
export function leadingTo(roots: Iterable<Value>, entries: readonly Entry[]): Entry[] {
  const reached = new Set(roots);
  const found: Entry[] = [];
  for (let i = entries.length - 1; i >= 0; i--) {
    const { op, values } = entries[i];
    if (!outputsOf(op, values).some((value) => reached.has(value))) continue;
    found.push(entries[i]);
    for (const value of differentiableInputs(op, values)) reached.add(value);
  }
  return found.reverse();
}

/** The values of a call that its backward passes read, as far as they lead to a wanted gradient. */
export function savedBy({ op, way, values }: OpCall): Value[] {
  const passes = needed(op.ways.get(way)!.backward, new Set(wantedSlots(op, values).values()));
  const saved = new Set<Value>();
  for (const { slots } of passes) for (const slot of slots) if (values[slot]) saved.add(values[slot]);
  return [...saved];
}

export function outputsOf(op: Op, values: readonly Value[]): Value[] {
  return op.sig.outputs.map(({ name }) => values[op.names.indexOf(name)]);
}

export function differentiableInputs(op: Op, values: readonly Value[]): Value[] {
  return [...wantedSlots(op, values).keys()].map((input) => values[input]);
}

/** Inputs that want a gradient -> position of their d-name. */
export function wantedSlots(op: Op, values: readonly Value[]): Map<number, number> {
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
