// Tensors that outlive scopes: parameters, optimiser state. Declared first, allocated together: flat groups.
import type { Dtype, TypeClass } from "../declare/signature.ts";
import { ShapeError, UsageError } from "../errors.ts";
import { checkHome, type DeviceMemory, runner } from "../record/runner.ts";
import { currentScope } from "../record/scope.ts";
import { meet, noteWrite } from "../record/tasks.ts";
import { Tensor } from "../record/tensor.ts";
import { type Purpose, Value, whereGone } from "../record/value.ts";
import { fits, takes } from "../takes.ts";
import { type DtypeOf, dtypeOf, encoded, flat } from "./elements.ts";

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function checkSize(what: string, data: ArrayLike<number>, shape: readonly number[]): void {
  if (data.length === 0) throw new ShapeError(`${what}: no elements; a tensor has at least one`);
  if (data.length !== product(shape)) throw new ShapeError(`${what}: ${data.length} elements for shape [${shape}]`);
}

/**
 * Host data as a tensor of the current scope, by default in the data's own type: u32 of a Uint32Array, i32 of an
 * Int32Array, f16 of a Float16Array, f32 of a Float32Array, a Float64Array or an array. Arrays of bytes and of 16-bit integers
 * need `dtype`. The array must not change before the scope runs. Errors: ShapeError where sizes, type or numbers do not fit.
 */
export function tensor<A extends ArrayLike<number>>(data: A, shape?: readonly number[]): Tensor<DtypeOf<A>>;
export function tensor<D extends Dtype>(
  data: ArrayLike<number>,
  shape: readonly number[] | undefined,
  dtype: D,
): Tensor<TypeClass<D>>;
export function tensor(
  data: ArrayLike<number>,
  shape: readonly number[] = flat(data),
  dtype: Dtype = dtypeOf("tensor", data),
): Tensor<Dtype> {
  takes('tensor(data: numbers, shape?: shape, dtype?: "f32" | "f16" | "u32" | "i32")', arguments);
  checkSize("tensor", data, shape);
  const scope = currentScope("tensor");
  return new Tensor<Dtype>(scope.upload(encoded("tensor", data, dtype), product(shape), dtype), shape);
}

/** A trainable tensor without memory yet; `allocateGroup` gives it some. Its shape is enough to plan. */
export function declare(shape: readonly number[]): Tensor {
  takes("declare(shape: shape)", arguments);
  const value = new Value(product(shape), "f32");
  value.needsGrad = true;
  return new Tensor(value, shape);
}

/** A tensor outside all scopes, with memory of its own; types and errors as those of `tensor`. */
export function persistent<A extends ArrayLike<number>>(data: A, shape?: readonly number[]): Tensor<DtypeOf<A>>;
export function persistent<D extends Dtype>(
  data: ArrayLike<number>,
  shape: readonly number[] | undefined,
  dtype: D,
  purpose?: Purpose,
): Tensor<TypeClass<D>>;
export function persistent(
  data: ArrayLike<number>,
  shape: readonly number[] = flat(data),
  dtype: Dtype = dtypeOf("persistent", data),
  purpose: Purpose = "other",
): Tensor<Dtype> {
  takes(
    'persistent(data: numbers, shape?: shape, dtype?: "f32" | "f16" | "u32" | "i32", ' +
      'purpose?: "parameters" | "gradients" | "optimizer" | "activations" | "other")',
    arguments,
  );
  checkSize("persistent", data, shape);
  const memory = deviceMemory("persistent");
  const elements = encoded("persistent", data, dtype);
  const value = new Value(product(shape), dtype);
  value.storage = memory.allocate(value.bytes, purpose);
  value.lives = purpose;
  memory.write(value.storage, elements);
  return new Tensor<Dtype>(value, shape);
}

/** A trainable tensor outside all scopes, with memory of its own: f32, or f16 where `dtype` or the data say so. */
export function parameter(
  data: ArrayLike<number>,
  shape: readonly number[] = flat(data),
  dtype: Dtype = dtypeOf("parameter", data), // f32 or f16
): Tensor {
  takes('parameter(data: numbers, shape?: shape, dtype?: "f32" | "f16")', arguments);
  if (dtype !== "f32" && dtype !== "f16")
    throw new ShapeError(`parameter: ${dtype} has no gradient; f32 and f16 do, and persistent(data) is not trained`);
  const made = persistent(data, shape, dtype, "parameters");
  made.value.needsGrad = true;
  return made;
}

/**
 * Gives back the memory of tensors that outlive scopes: made by `persistent` or `parameter`, or kept where no scope was around.
 * What was recorded with them runs before. Errors: ShapeError for a tensor that was freed before, that a scope frees, or that
 * lies in a group, which is freed as a whole; then none is freed.
 */
export function free(...tensors: readonly Tensor<Dtype>[]): void {
  fits("free: tensors", "tensor[]", tensors);
  const values = new Set(tensors.map(({ value }) => value));
  for (const value of values) checkFreeable(value);
  for (const value of values) meet(value, true, undefined);
  const owned = [...values].filter(({ lives }) => lives !== "kept");
  for (const purpose of new Set(owned.map(({ lives }) => lives as Purpose)))
    runner().free(
      owned.filter(({ lives }) => lives === purpose).map(({ storage }) => storage!),
      purpose,
    );
  for (const value of values) {
    if (value.lives === "kept") runner().giveBack(value.storage!);
    value.storage = undefined;
    value.released = true;
  }
}

function checkFreeable(value: Value): void {
  const refuse = (why: string) => new ShapeError(`free: ${why}`);
  if (value.released && !value.scope) throw refuse("the memory of this tensor was freed before");
  if (value.scope) throw refuse("this tensor was made in a scope, which gives its memory back when it ends");
  if (!value.storage) throw refuse("this tensor has no memory");
  if (!value.lives)
    throw refuse("this tensor lies in a group; the `free()` of its shards, or of the model's owner, frees all");
}

/** Replaces the contents of a tensor that has memory; numbers of any type that its own can hold. */
export function assign(target: Tensor<Dtype>, data: ArrayLike<number>): void {
  takes("assign(target: tensor, data: numbers)", arguments);
  checkSize("assign", data, target.shape);
  const memory = memoryOf(target.value, "assign");
  const elements = encoded("assign", data, target.dtype);
  replaced(target.value);
  memory.write(target.value.storage!, elements);
}

/** Replaces elements of a float32 tensor from element `first` on: a large one is filled piece by piece. */
export function assignPart(target: Tensor, first: number, data: Float32Array): void {
  takes("assignPart(target: tensor, first: place, data: Float32Array)", arguments);
  if (target.dtype !== "f32" || first + data.length > target.numel)
    throw new ShapeError(
      `assignPart: elements ${first} to ${first + data.length} of ${target.dtype} [${target.shape}]`,
    );
  const memory = memoryOf(target.value, "assignPart");
  replaced(target.value);
  memory.write(target.value.storage!, data, 4 * first);
}

/** The memory that a tensor lies in, to be written at once. */
function memoryOf(value: Value, what: string): DeviceMemory {
  if (value.released || value.scope?.ended)
    throw new ShapeError(
      `${what}: ${value.scope ? `the tensor ${whereGone(value)}` : "the memory of this tensor was freed"}`,
    );
  const memory = deviceMemory(what);
  if (!value.storage)
    throw new ShapeError(`${what}: the tensor has no memory yet: it was only declared, or its scope has not run`);
  checkHome(value, runner(), `${what}: the tensor`);
  return memory;
}

/** Before memory changes at once: what was recorded with its old contents runs, and tapes know. */
function replaced(value: Value): void {
  meet(value, true, undefined);
  noteWrite(value);
  value.fresh = true;
}

/** Resolves when all data assigned so far is on the device, and what the driver held for the transfer is free again. */
export async function arrived(): Promise<void> {
  takes("arrived()", arguments);
  deviceMemory("arrived");
  await runner().idle();
}

function deviceMemory(what: string): DeviceMemory {
  const { store } = runner();
  runner().check?.();
  if (!store) throw new UsageError(`${what}: needs a device; the planner only measures`);
  return store;
}
