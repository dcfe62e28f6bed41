// Blocks whose results were not kept (recompute.ts): which of their calls gradients need again, and their second recording. A step
// of the tape stays what it was; only the values that its kernels read are others, with the same bits.
import { ShapeError } from "../errors.ts";
import { isRemade } from "./blocks.ts";
import { type Change, needed, savedBy, type Step } from "./history.ts";
import type { Stretch, OpCall, Launched } from "./segment.ts";
import { overlaps, type Value } from "./value.ts";

/** What of a block is recorded again, in its order, and what that and the gradients read from outside of it. */
export interface Replay {
  readonly recorded: readonly Launched[];
  readonly outside: readonly Value[];
}

/** What records: a scope. */
interface Recorder {
  run(call: OpCall, passes: Launched["passes"]): void;
}

/** For each block, and those around it, what these steps need of it; `more` are values that may be read in a block later. */
export function replaysOf(steps: Iterable<Step>, more?: readonly [Stretch, Iterable<Value>]): Map<Stretch, Replay> {
  const wanted = new Map<Stretch, Set<Value>>();
  const want = (block: Stretch, values: Iterable<Value>) => {
    const all = wanted.get(block) ?? new Set();
    for (const value of values) all.add(value);
    wanted.set(block, all);
    if (block.outer) want(block.outer, []);
  };
  for (const step of steps) if (step.entry.block) want(step.entry.block, savedBy(step));
  if (more) want(...more);
  const replays = new Map<Stretch, Replay>();
  for (const block of [...wanted.keys()].sort((a, b) => depth(b) - depth(a))) {
    const replay = replayOf(block, wanted.get(block)!);
    replays.set(block, replay);
    if (block.outer) want(block.outer, replay.outside);
  }
  return replays;
}

const depth = ({ outer }: Stretch): number => (outer ? depth(outer) + 1 : 0);

function replayOf(block: Stretch, wanted: ReadonlySet<Value>): Replay {
  const reached = new Set(wanted);
  const recorded: Launched[] = [];
  for (const each of block.recorded.toReversed()) {
    const { call, fresh } = each;
    const slots = [...fresh].filter((slot) => reached.has(call.values[slot]) && isRemade(call.values[slot], block));
    if (slots.length === 0) continue;
    const passes = needed(each.passes, new Set(slots));
    for (const pass of passes) for (const slot of pass.slots) if (!fresh.has(slot)) reached.add(call.values[slot]);
    recorded.push({ ...each, passes });
  }
  return { recorded: recorded.reverse(), outside: [...reached].filter((value) => !isRemade(value, block)) };
}

/**
 * What must outlive a scope for the gradients of these steps: what they saved, or what making it again reads. In a block that goes on
 * (`open`) what is kept may be read by steps to come.
 */
export function readBy(steps: readonly Step[], open: Stretch | undefined, kept: Iterable<Value>): Set<Value> {
  const read = new Set<Value>();
  for (const step of steps) if (!step.entry.block) for (const value of savedBy(step)) read.add(value);
  for (const [block, { outside }] of replaysOf(steps, open && [open, kept]))
    if (!block.outer) for (const value of outside) read.add(value);
  return read;
}

/** Refuses blocks that, recorded again, would read other memory than before. */
export function checkReplays(replays: ReadonlyMap<Stretch, Replay>, changes: readonly Change[]): void {
  for (const [block, { recorded }] of replays)
    for (const { call, passes, fresh, at } of recorded)
      for (const { slots, writes } of passes)
        for (const [i, slot] of slots.entries()) {
          const value = call.values[slot];
          const since = isRemade(value, block) ? 0 : at; // what is made again is so without the changes that followed
          const isChanged = changes.some((change) => change.at > since && overlaps(change.value, value));
          if (isChanged || (writes[i] && !fresh.has(slot))) throw changed(call, value);
        }
}

const changed = ({ op }: OpCall, { numel }: Value): ShapeError =>
  new ShapeError(
    `gradients: ${op.name} inside recompute read a tensor of ${numel} elements that was assigned or updated since, and would ` +
      "see the new values when it is recorded again; take gradients first, then assign or update",
  );

/** The second recording of blocks, each when a value of it is first asked for. */
export class Replays {
  readonly #made = new Map<Stretch, Map<Value, Value>>();

  constructor(
    readonly by: Recorder,
    readonly replays: ReadonlyMap<Stretch, Replay>,
  ) {}

  /** What stands for a value of a step in this block: itself, or its second self. */
  of(value: Value, block: Stretch | undefined): Value {
    for (let at = block; at; at = at.outer) if (isRemade(value, at)) return this.#again(at).get(value) ?? value;
    return value;
  }

  #again(block: Stretch): Map<Value, Value> {
    const before = this.#made.get(block);
    if (before) return before;
    const made = new Map<Value, Value>();
    this.#made.set(block, made);
    for (const { call, passes, fresh } of this.replays.get(block)?.recorded ?? []) {
      const values = call.values.slice();
      for (const slot of call.values.keys())
        if (fresh.has(slot)) delete values[slot];
        else if (values[slot]) values[slot] = this.of(values[slot], block);
      this.by.run({ ...call, values }, passes);
      for (const slot of fresh) if (values[slot]) made.set(call.values[slot], values[slot]);
    }
    return made;
  }
}
