// What a buffer will hold, as data: elements of one type, and where they are once a plan or an allocation says so.
import { bytesPer, type Dtype } from "../declare/signature.ts";
import { addKind } from "../kinds.ts";
import { takes } from "../takes.ts";

/** A range of a GPU buffer. `id` is unique for the life of the process: plans and bind groups are keyed by it. */
export interface Storage {
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
  /** The memory it is part of: that of one device. */
  readonly owner?: object;
}

/** What a buffer is for; `emotionclip plan` and errors report by these. */
export type Purpose = "parameters" | "gradients" | "optimizer" | "activations" | "staging" | "other";

/** Elements on the host: f32 and f16 as Float32Array, u32 and i32 as their own. */
export type TypedArray = Float32Array | Uint32Array | Int32Array;

/** Elements of a tensor on the host, by its type: those of f16 come as Float32Array. */
export type ArrayOf<D extends Dtype> = D extends "u32" ? Uint32Array : D extends "i32" ? Int32Array : Float32Array;

let lastId = 0;
/** A number that nothing else has: storages and values draw from one sequence. */
export const nextId = (): number => ++lastId;

/** The scope of a value, as far as the value knows it. */
export interface Owner {
  /** Its values are gone. */
  readonly ended: boolean;
  /** As errors and the console name it: "scope 3", "tape 4". */
  readonly title: string;
  /** Runs what it has recorded. */
  flush(ends: boolean): void;
}

/** What a buffer will hold: elements of one type, somewhere on the device once a plan or an allocation says where. */
export class Value {
  readonly id = nextId();
  /** Where it lives; undefined while only recorded, or only declared. */
  storage: Storage | undefined = undefined;
  /** The scope it lives in; undefined for persistent values. */
  scope: Owner | undefined = undefined;
  /** The scope's segment (part between two flushes) it was recorded in, and its position there. */
  segment = 0;
  index = -1;
  /** Numbers that choose (u32), as the host sent them: what takes them can refuse them by name. */
  host: Uint32Array | undefined = undefined;
  /** A gradient flows to it. */
  needsGrad = false;
  /** An op computed it from something that needs a gradient: its gradient flows on, through that op. */
  derived = false;
  /** Where its gradient is to be written, if it has a fixed place (parameters in flat groups). */
  grad: Value | undefined = undefined;
  /** As the place of a gradient: written since the last update, and by which walk of which tape (tape.ts). */
  fresh = false;
  writtenBy = 0;
  /** Where it has memory of its own beyond scopes: what for, or that it was kept where no scope was around. */
  lives: Purpose | "kept" | undefined = undefined;
  /** The op that computes it, if one does. */
  madeBy: string | undefined = undefined;
  /** Its memory was given back: its scope has ended, or its owner freed it. */
  released = false;

  constructor(
    readonly numel: number,
    readonly dtype: Dtype,
  ) {
    takes('new Value(numel: size, dtype: "f32" | "f16" | "u32" | "i32")', arguments);
  }

  /** Bytes of storage: padded to 16, so that kernels may use vec4 on any flat range. */
  get bytes(): number {
    return Math.ceil((this.numel * bytesPer(this.dtype)) / 16) * 16;
  }
}

/** What became of a value whose scope has ended, as a sentence goes on. */
export const whereGone = ({ madeBy, scope }: Value): string =>
  `was made ${madeBy ? `by ${madeBy} ` : ""}in ${scope?.title ?? "a scope"}, which has ended`;

/** Whether two values share memory; those without memory yet share none. */
export function overlaps(a: Value, b: Value): boolean {
  if (a === b) return true;
  const [s, t] = [a.storage, b.storage];
  if (!s || !t || s.buffer !== t.buffer) return false;
  return s.offset < t.offset + t.bytes && t.offset < s.offset + s.bytes;
}

addKind("value", "a Value", (value) => value instanceof Value);
