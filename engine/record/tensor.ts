// Tensors: a shape over a value; views of one value share it. Only reading is asynchronous; everything else is recorded
// (scope.ts).
import type { Dtype } from "../declare/signature.ts";
import { ShapeError } from "../errors.ts";
import { runner } from "./runner.ts";
import { flushFor } from "./tasks.ts";
import type { TypedArray, Value } from "./value.ts";

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
    if (value.released && !value.scope) throw new ShapeError("data: this tensor's memory was freed");
    if (value.released) throw new ShapeError("data: this tensor's scope has ended; keep it, or read it inside");
    flushFor(value);
    if (!value.storage) value.scope?.flush(false);
    if (!value.storage) throw new ShapeError("data: this tensor was declared but never computed");
    return runner().read(value, value.storage);
  }

  /** The only element of a scalar. */
  async item(): Promise<number> {
    if (this.numel !== 1) throw new ShapeError(`item: expected one element, received shape [${this.shape}]`);
    return (await this.data())[0];
  }
}
