// Planning a recorded segment: when each value is alive, and which values share memory. Pure: needs no device.
import type { CompiledPass } from "../declare/op.ts";
import { LimitError } from "../errors.ts";
import type { Segment } from "../record/segment.ts";
import type { Value } from "../record/value.ts";

export interface Layout {
  /** Bytes of each slot; a slot becomes one GPU buffer. */
  readonly slots: readonly number[];
  /** Slot of each value, by its index; -1 where nothing was written. */
  readonly slotOf: Int32Array;
  /** Bytes alive when the first backward launch runs: what forward keeps for backward. */
  readonly activations: number;
  /** Largest sum of bytes alive during one launch: no layout can need less. */
  readonly peak: number;
}

/** Bytes of the buffers that a layout's slots become. */
export const slotBytes = (layout: Layout): number =>
  layout.slots.reduce((sum, bytes) => sum + Math.ceil(bytes / 256) * 256, 0);

/** Whether a buffer of `has` bytes serves for `bytes`: it is large enough, and little of it would lie idle. */
export const serves = (has: number, bytes: number): boolean => has >= bytes && has <= 1.25 * bytes + 4096;

/** Assigns values to slots: largest first, into the tightest slot that is free for the value's whole life. */
export function layOut(segment: Segment, maxBinding: number): Layout {
  const { values, pinned } = segment;
  const { first, last } = livesOf(segment, maxBinding);
  const order = [...values.keys()].filter((i) => first[i] >= 0);
  order.sort((a, b) => values[b].bytes - values[a].bytes || first[a] - first[b]);
  const slots: { bytes: number; lives: number[] }[] = [];
  const slotOf = new Int32Array(values.length).fill(-1);
  for (const i of order) {
    let chosen = pinned ? -1 : findSlot(slots, values[i].bytes, first[i], last[i]);
    if (chosen < 0) chosen = slots.push({ bytes: values[i].bytes, lives: [] }) - 1;
    slots[chosen].lives.push(first[i], last[i]);
    slotOf[i] = chosen;
  }
  return { slots: slots.map(({ bytes }) => bytes), slotOf, ...measure(segment, first, last) };
}

/** The launches between which each value is alive; -1 for those that nothing writes. */
function livesOf(segment: Segment, maxBinding: number): { first: Int32Array; last: Int32Array } {
  const { values, calls } = segment;
  const first = new Int32Array(values.length).fill(-1);
  const last = new Int32Array(values.length).fill(-1);
  for (const { value } of segment.uploads) first[value.index] = last[value.index] = 0;
  for (const [at, { pass, values: used }] of calls.entries())
    for (const slot of pass.slots) {
      const value = used[slot];
      if (values[value.index] !== value) continue;
      if (first[value.index] < 0) first[value.index] = at;
      last[value.index] = at;
      if (value.bytes > maxBinding) throw tooLarge(value, pass, slot, maxBinding);
    }
  for (const value of segment.wanted) if (values[value.index] === value) last[value.index] = calls.length;
  if (segment.pinned) last.fill(calls.length);
  return { first, last };
}

/** Slots are sorted by falling size, so the last that fits is the tightest. */
function findSlot(
  slots: readonly { bytes: number; lives: number[] }[],
  bytes: number,
  from: number,
  to: number,
): number {
  for (let s = slots.length - 1; s >= 0; s--) {
    const { lives } = slots[s];
    if (slots[s].bytes < bytes) continue;
    let free = true;
    for (let k = 0; k < lives.length && free; k += 2) free = to < lives[k] || from > lives[k + 1];
    if (free) return s;
  }
  return -1;
}

function measure(
  { values, calls }: Segment,
  first: Int32Array,
  last: Int32Array,
): { activations: number; peak: number } {
  const change = new Float64Array(calls.length + 2);
  for (const [i, value] of values.entries()) {
    if (first[i] < 0) continue;
    change[first[i]] += value.bytes;
    change[last[i] + 1] -= value.bytes;
  }
  const turn = calls.findIndex(({ pass }) => pass.backward);
  let [live, peak, activations] = [0, 0, 0];
  for (let at = 0; at <= calls.length; at++) {
    live += change[at];
    peak = Math.max(peak, live);
    if (at === turn) activations = live;
  }
  return { activations, peak };
}

function tooLarge(value: Value, pass: CompiledPass, slot: number, maxBinding: number): LimitError {
  const mb = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MB`;
  const term = pass.terms[pass.slots.indexOf(slot)];
  const share = Math.floor((maxBinding / value.bytes) * 100);
  return new LimitError(
    `${pass.op.name}: ${term.text} needs a binding of ${mb(value.bytes)}; this adapter allows ${mb(maxBinding)}\n` +
      `  a batch of at most ${share} % of this one fits; make it smaller`,
  );
}
