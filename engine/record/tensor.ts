// Tensors: a shape over a value; views of one value share it. Only reading is asynchronous; everything else is recorded
// (scope.ts).
import type { Dtype, Float } from "../declare/signature.ts";
import { ShapeError } from "../errors.ts";
import { addKind } from "../kinds.ts";
import { takes } from "../takes.ts";
import { checkHome, runner } from "./runner.ts";
import { inspected, noteRead, tensorLine } from "./shown.ts";
import { flushFor } from "./tasks.ts";
import { type ArrayOf, type Value, whereGone } from "./value.ts";

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/**
 * A value seen in a shape, row-major. `Tensor` is one of floats, f32 or f16; `Tensor<"u32">` and `Tensor<"i32">` are of integers, and
 * `Tensor<Dtype>` of whatever type.
 */
export class Tensor<D extends Dtype = Float> {
  constructor(
    readonly value: Value,
    readonly shape: readonly number[],
  ) {
    takes("new Tensor(value: value, shape: shape)", arguments);
    if (product(shape) !== value.numel) throw new ShapeError(`Tensor: ${value.numel} elements for shape [${shape}]`);
  }

  /** Type of the elements: f32, f16, u32 or i32. */
  get dtype(): D {
    return this.value.dtype as D;
  }

  /** Number of elements: the product of the sizes. */
  get numel(): number {
    return this.value.numel;
  }

  /** The same elements in another shape; free. One size may be -1: it follows from the others. */
  reshape(shape: readonly number[]): Tensor<D> {
    takes("reshape(shape: whole[])", arguments);
    const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
    const full = shape.map((size) => (size === -1 ? this.numel / known : size));
    const whole = full.every((size) => Number.isInteger(size) && size >= 1);
    if (!whole || product(full) !== this.numel || shape.filter((size) => size === -1).length > 1)
      throw new ShapeError(
        `reshape: [${this.shape}] has ${this.numel} elements, which [${shape}] cannot hold; sizes are whole and at least 1, ` +
          "and one may be -1, where the others divide the number of elements",
      );
    return new Tensor<D>(this.value, full);
  }

  /**
   * The elements, on the host (f16 comes as Float32Array). Runs what was recorded so far; everything recorded stays
   * alive until the scope ends. Where only results are wanted, `compute` or `later` use less memory.
   */
  async data(): Promise<ArrayOf<D>> {
    const { value } = this;
    if (value.released && !value.scope) throw new ShapeError("data: this tensor's memory was freed");
    if (value.released || value.scope?.ended)
      throw new ShapeError(`data: this tensor ${whereGone(value)}; write keep(x) in it, or read the tensor there`);
    flushFor(value);
    if (!value.storage) value.scope?.flush(false);
    if (!value.storage) throw new ShapeError("data: this tensor was declared but never computed");
    checkHome(value, runner(), "data: this tensor");
    const reading = runner().read(value, value.storage);
    noteRead(value, reading);
    return reading as Promise<ArrayOf<D>>;
  }

  /** The only element of a scalar. */
  async item(): Promise<number> {
    if (this.numel !== 1) throw new ShapeError(`item: expected one element, received shape [${this.shape}]`);
    return (await this.data())[0];
  }

  /** What a template or a log shows: shape and type. */
  toString(): string {
    return tensorLine(this.value, this.shape);
  }

  [inspected](): string {
    return this.toString();
  }

  /** Arithmetic on a tensor itself is a mistake. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new ShapeError(
      "a tensor is no number; write add(x, 1) and the like, or `await x.item()` for the number itself",
    );
  }
}

addKind("tensor", "a tensor", (value) => value instanceof Tensor, ShapeError);
