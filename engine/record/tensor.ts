// Tensors: a shape over a value. A value is what a buffer will hold; views of one value share it.
// Only reading is asynchronous; everything else is recorded (record.ts).
import { ShapeError } from "../errors.ts";
import type { Scope } from "./scope.ts";
import { openScopes, runner } from "./runner.ts";
import type { Dtype } from "../declare/signature.ts";

/** A range of a GPU buffer. `id` is unique for the life of the process: plans and bind groups are keyed by it. */
export interface Storage {
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

let lastId = 0;
/** A number that nothing else has: storages and values draw from one sequence. */
export const nextId = (): number => ++lastId;

export const bytesPer = (dtype: Dtype): number => (dtype === "f16" ? 2 : 4);

/** What a buffer will hold: elements of one type, somewhere on the device once a plan or an allocation says where. */
export class Value {
  readonly id = nextId();
  /** Where it lives; undefined while only recorded, or only declared. */
  storage: Storage | undefined = undefined;
  /** The scope it lives in; undefined for persistent values. */
  scope: Scope | undefined = undefined;
  /** The scope's segment (part between two flushes) it was recorded in, and its position there. */
  segment = 0;
  index = -1;
  /** A gradient flows to it. */
  needsGrad = false;
  /** Where its gradient is to be written, if it has a fixed place (parameters in flat groups). */
  grad: Value | undefined = undefined;
  released = false;

  constructor(
    readonly numel: number,
    readonly dtype: Dtype,
  ) {}

  /** Bytes of storage: padded to 16, so that kernels may use vec4 on any flat range. */
  get bytes(): number {
    return Math.ceil((this.numel * bytesPer(this.dtype)) / 16) * 16;
  }
}

export type TypedArray = Float32Array | Uint32Array | Int32Array;

/** A value seen in a shape, row-major. */
export class Tensor {
  constructor(
    readonly value: Value,
    readonly shape: readonly number[],
  ) {}

  get dtype(): Dtype {
    return this.value.dtype;
  }

  get numel(): number {
    return this.value.numel;
  }

  /** The same elements in another shape; free. One size may be -1: it follows from the others. */
  reshape(shape: readonly number[]): Tensor {
    const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
    const full = shape.map((size) => (size === -1 ? this.numel / known : size));
    if (full.reduce((a, b) => a * b, 1) !== this.numel)
      throw new ShapeError(`reshape: [${this.shape}] has ${this.numel} elements, [${shape}] does not`);
    return new Tensor(this.value, full);
  }

  /**
   * The elements, on the host (f16 comes as Float32Array). Runs what was recorded so far; everything recorded stays
   * alive until the scope ends. Where only results are wanted, `compute` or `later` use less memory.
   */
  async data(): Promise<TypedArray> {
    const { value } = this;
    if (value.released) throw new ShapeError("data: this tensor's scope has ended; keep it, or read it inside");
    for (const scope of openScopes.toReversed()) scope.flush(false);
    if (!value.storage) throw new ShapeError("data: this tensor was declared but never computed");
    return runner().read(value, value.storage);
  }

  /** The only element of a scalar. */
  async item(): Promise<number> {
    if (this.numel !== 1) throw new ShapeError(`item: expected one element, received shape [${this.shape}]`);
    return (await this.data())[0];
  }
}
