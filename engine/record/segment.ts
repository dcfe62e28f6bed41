// What scopes record, as data: calls of ops, their launches, and the segment of them that runs at once.
import type { CompiledPass, Op } from "../declare/op.ts";
import type { Attrs } from "../declare/pass.ts";
import type { Dtype, Sizes } from "../declare/signature.ts";
import type { TypedArray, Value } from "./value.ts";

/** One call of an op: values by position in op.names, those of passes that have not run yet missing. */
export interface OpCall {
  readonly op: Op;
  readonly way: string;
  readonly values: Value[];
  readonly dims: Sizes;
  readonly attrs: Attrs;
  readonly T: Dtype;
}

/** A call that a gradient may flow back through. */
export interface Entry extends OpCall {
  /** When, among such calls and changes of memory; set by the scope that remembers it. */
  at: number;
  /** The stretch it belongs to, where its results are not kept for the gradient. */
  block?: Stretch;
}

/** Passes of a call as they were recorded, and which of its values they made. */
export interface Launched {
  readonly call: OpCall;
  readonly passes: readonly CompiledPass[];
  readonly fresh: ReadonlySet<number>;
  /** When, as of entries. */
  readonly at: number;
}

/** A stretch of the program whose results are recorded again when a gradient reads them (recompute.ts). */
export interface Stretch {
  /** The one it stands in, if any: whatever is recorded here is part of that as well. */
  readonly outer: Stretch | undefined;
  readonly recorded: Launched[];
  /** What was made in it. */
  readonly made: Set<Value>;
  /** What it returned, which is kept. */
  readonly outputs: Set<Value>;
}

/** One recorded launch. `values` are those of the whole op; the pass knows its own positions in them. */
export interface Call {
  readonly pass: CompiledPass;
  readonly values: readonly Value[];
  readonly dims: Sizes;
  readonly attrs: Attrs;
  readonly T: Dtype;
  /** Position of the op call's first number in the segment's list of numbers. */
  readonly firstNumber: number;
}

/** What was recorded between two flushes of a scope. */
export interface Segment {
  readonly calls: readonly Call[];
  readonly values: readonly Value[];
  readonly uploads: readonly { value: Value; data: TypedArray | Uint16Array }[];
  /** Values that are read or kept when the segment has run. */
  readonly wanted: readonly Value[];
  /** The scope goes on: every value stays alive and none share memory. */
  readonly pinned: boolean;
  /** When its first launch was recorded: `performance.now()`. */
  readonly began: number;
}

/** What is asked of a segment when it has run: elements to read, values to keep. */
export interface Wanted {
  readonly reads: readonly Value[];
  readonly keeps: readonly Value[];
}
