// Tensors that outlive scopes: parameters, optimiser state. Declared first, allocated together: flat groups.
import type { Dtype } from "../declare/signature.ts";
import { ShapeError } from "../errors.ts";
import { toHalf } from "../half.ts";
import { type DeviceMemory, runner } from "../record/runner.ts";
import { currentScope } from "../record/scope.ts";
import { meet, noteWrite } from "../record/tasks.ts";
import { Tensor } from "../record/tensor.ts";
import { type Purpose, type TypedArray, Value } from "../record/value.ts";

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function toTyped(data: ArrayLike<number>, dtype: Dtype): TypedArray | Uint16Array {
  if (dtype === "f16") return Uint16Array.from(data, toHalf);
  const Kind = dtype === "f32" ? Float32Array : dtype === "u32" ? Uint32Array : Int32Array;
  return data instanceof Kind ? data : Kind.from(data);
}

function checkSize(what: string, data: ArrayLike<number>, shape: readonly number[]): void {
  if (shape.some((size) => !Number.isInteger(size) || size < 1))
    throw new ShapeError(`${what}: shape [${shape}]: sizes are whole and at least 1`);
  if (data.length !== product(shape)) throw new ShapeError(`${what}: ${data.length} elements for shape [${shape}]`);
}

/** Host data as a tensor of the current scope. The array must not change before the scope runs. */
export function tensor(
  data: ArrayLike<number>,
  shape: readonly number[] = [data.length],
  dtype: Dtype = "f32",
): Tensor {
  checkSize("tensor", data, shape);
  return new Tensor(currentScope("tensor").upload(toTyped(data, dtype), product(shape), dtype), shape);
}

/** A trainable tensor without memory yet; `allocateGroup` gives it some. Its shape is enough to plan. */
export function declare(shape: readonly number[]): Tensor {
  const value = new Value(product(shape), "f32");
  value.needsGrad = true;
  return new Tensor(value, shape);
}

/** A tensor outside all scopes, with memory of its own. */
export function persistent(
  data: ArrayLike<number>,
  shape: readonly number[] = [data.length],
  dtype: Dtype = "f32",
  purpose: Purpose = "other",
): Tensor {
  checkSize("persistent", data, shape);
  const memory = deviceMemory();
  const value = new Value(product(shape), dtype);
  value.storage = memory.allocate(value.bytes, purpose);
  value.lives = purpose;
  memory.write(value.storage, toTyped(data, dtype));
  return new Tensor(value, shape);
}

/** A trainable tensor outside all scopes, with memory of its own. */
export function parameter(
  data: ArrayLike<number>,
  shape: readonly number[] = [data.length],
  dtype: Dtype = "f32",
): Tensor {
  const made = persistent(data, shape, dtype, "parameters");
  made.value.needsGrad = true;
  return made;
}

/**
 * Gives back the memory of tensors that outlive scopes: made by `persistent` or `parameter`, or kept where no scope was around.
 * What was recorded with them runs before. Errors: ShapeError for a tensor that was freed before, that a scope frees, or that
 * lies in a group, which is freed as a whole; then none is freed.
 */
export function free(...tensors: readonly Tensor[]): void {
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

/** Replaces the contents of a tensor that has memory. */
export function assign(target: Tensor, data: ArrayLike<number>): void {
  checkSize("assign", data, target.shape);
  checkPlace("assign", target);
  replaced(target.value);
  deviceMemory().write(target.value.storage!, toTyped(data, target.dtype));
}

/** Replaces elements of a float32 tensor from element `first` on: a large one is filled piece by piece. */
export function assignPart(target: Tensor, first: number, data: Float32Array): void {
  if (target.dtype !== "f32" || !(first >= 0 && first + data.length <= target.numel))
    throw new ShapeError(
      `assignPart: elements ${first} to ${first + data.length} of ${target.dtype} [${target.shape}]`,
    );
  checkPlace("assignPart", target);
  replaced(target.value);
  deviceMemory().write(target.value.storage!, data, 4 * first);
}

function checkPlace(what: string, { value: { storage, released, scope } }: Tensor): void {
  if (released && !scope) throw new ShapeError(`${what}: the memory of this tensor was freed`);
  if (!storage) throw new ShapeError(`${what}: the tensor has no memory yet`);
}

/** Before memory changes at once: what was recorded with its old contents runs, and tapes know. */
function replaced(value: Value): void {
  meet(value, true, undefined);
  noteWrite(value);
  value.fresh = true;
}

/** Resolves when all data assigned so far is on the device, and what the driver held for the transfer is free again. */
export async function arrived(): Promise<void> {
  deviceMemory();
  await runner().idle();
}

function deviceMemory(): DeviceMemory {
  const { memory } = runner();
  if (!memory) throw new ShapeError("this needs a device; the planner only measures");
  return memory;
}
