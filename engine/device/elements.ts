// Numbers of the host as elements of a tensor: which type an array is of, and whether a type can hold its numbers.
import { checkHeld } from "../declare/bits.ts";
import type { Dtype, Float } from "../declare/signature.ts";
import { GpuError, ShapeError } from "../errors.ts";
import { toHalf } from "../half.ts";
import { runner } from "../record/runner.ts";
import type { TypedArray } from "../record/value.ts";

/** The shape of host data where none is given; what is no array is refused later, by name. */
export const flat = (data: ArrayLike<number>): number[] =>
  Array.isArray(data) || ArrayBuffer.isView(data) ? [data.length] : [];

/**
 * The type of elements that a tensor of such data has. What is not known (`ArrayLike<number>`) may be any, and so may bytes and 16-bit
 * integers, which need one to be named.
 */
export type DtypeOf<A> = A extends Uint32Array
  ? "u32"
  : A extends Int32Array
    ? "i32"
    : A extends readonly number[] | Float32Array | Float64Array | { readonly [Symbol.toStringTag]: "Float16Array" }
      ? Float
      : Dtype;

/** The element types of typed arrays, by the names of their classes. */
const own: Readonly<Record<string, Dtype>> = {
  Array: "f32",
  Float32Array: "f32",
  Float64Array: "f32",
  Float16Array: "f16",
  Uint32Array: "u32",
  Int32Array: "i32",
};

/** The element type of host data; what is no array is refused later, by name. Errors: ShapeError where it has none. */
export function dtypeOf(what: string, data: ArrayLike<number>): Dtype {
  const name = Array.isArray(data) ? "Array" : Object.prototype.toString.call(data).slice(8, -1);
  if (Object.hasOwn(own, name)) return own[name];
  if (!ArrayBuffer.isView(data) || name.startsWith("Big")) return "f32";
  throw new ShapeError(
    `${what}: tensors have no type for the elements of a ${name}; say which to convert to: ${what}(data, shape, "f32")`,
  );
}

/**
 * Host data as the bytes of a tensor's elements; f16 comes as its bits. A negative number as u32 is its two's complement
 * (-100, the class that losses ignore). Errors: ShapeError for a number that the type cannot hold, GpuError where the adapter has no f16.
 */
export function encoded(what: string, data: ArrayLike<number>, dtype: Dtype): TypedArray | Uint16Array {
  if (dtype === "f16") {
    if (!runner().facts.f16) throw new GpuError(`${what}: this adapter has no half precision (f16)`);
    return Uint16Array.from(data, toHalf);
  }
  const View = { f32: Float32Array, u32: Uint32Array, i32: Int32Array }[dtype];
  if (data instanceof View) return data;
  checkHeld((i) => `${what}: element ${i}`, data, dtype);
  return View.from(data);
}
