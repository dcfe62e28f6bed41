// Which stretch of the program is being recorded that keeps no results for its gradients. A stretch is recorded without a wait in
// between, so tasks cannot be in two at once.
import type { Stretch, Launched } from "./segment.ts";
import type { Value } from "./value.ts";

let open: Stretch | undefined;

/** The innermost stretch that is being recorded. */
export const openBlock = (): Stretch | undefined => open;

/** Runs `body`; what it records belongs to a block of its own. */
export function inBlock<R>(body: (block: Stretch) => R): R {
  const block: Stretch = { outer: open, recorded: [], made: new Set(), outputs: new Set() };
  open = block;
  try {
    return body(block);
  } finally {
    open = block.outer;
  }
}

/** Notes what was recorded in every stretch that it is part of. */
export function noteRecorded(recorded: Launched): void {
  for (let block = open; block; block = block.outer) {
    block.recorded.push(recorded);
    for (const slot of recorded.fresh) block.made.add(recorded.call.values[slot]);
  }
}

/** Whether a value is made again for the block's gradients, and not read where it was. */
export const isRemade = (value: Value, { made, outputs }: Stretch): boolean => made.has(value) && !outputs.has(value);
