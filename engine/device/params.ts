// Tensors that outlive scopes: parameters, optimiser state. Declared first, allocated together: flat groups.
import type { Gpu } from "./gpu.ts";
import { toHalf } from "../half.ts";
import { ShapeError } from "../errors.ts";
import { align256, type Purpose } from "./memory.ts";
import { currentScope } from "../record/scope.ts";
import { runner } from "../record/runner.ts";
import type { Dtype } from "../declare/signature.ts";
import { nextId, type Storage, Tensor, type TypedArray, Value } from "../record/tensor.ts";

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
  const device = onDevice();
  const value = new Value(product(shape), dtype);
  value.storage = device.memory.allocate(value.bytes, purpose);
  device.write(value.storage, toTyped(data, dtype));
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

/** Replaces the contents of a tensor that has memory. */
export function assign(target: Tensor, data: ArrayLike<number>): void {
  checkSize("assign", data, target.shape);
  if (!target.value.storage) throw new ShapeError("assign: the tensor has no memory yet");
  onDevice().write(target.value.storage, toTyped(data, target.dtype));
}

/** Replaces elements of a float32 tensor from element `first` on: a large one is filled piece by piece. */
export function assignPart(target: Tensor, first: number, data: Float32Array): void {
  if (target.dtype !== "f32" || !(first >= 0 && first + data.length <= target.numel))
    throw new ShapeError(
      `assignPart: elements ${first} to ${first + data.length} of ${target.dtype} [${target.shape}]`,
    );
  if (!target.value.storage) throw new ShapeError("assignPart: the tensor has no memory yet");
  onDevice().write(target.value.storage, data, 4 * first);
}

/** Resolves when all data assigned so far is on the device, and what the driver held for the transfer is free again. */
export async function arrived(): Promise<void> {
  await onDevice().idle();
}

function onDevice(): Gpu {
  const current = runner();
  if (!("memory" in current)) throw new ShapeError("this needs a device; the planner only measures");
  return current as Gpu;
}

/** One shard of a flat group: the same layout in every array, each in a buffer of its own. */
export interface Shard {
  readonly numel: number;
  readonly parameters: Tensor;
  readonly gradients: Tensor;
  /** Optimiser moments, zero at first. */
  readonly moments: readonly Tensor[];
  readonly members: readonly Tensor[];
  /** The part of a flat array that belongs to member i, in its shape. */
  part(of: Tensor, i: number): Tensor;
}

/**
 * Gives declared tensors memory, side by side in flat arrays, so that an optimiser updates all of them in one
 * dispatch per shard; a shard is as large as one binding allows. Each member gets its place for the gradient.
 */
export function allocateGroup(members: readonly Tensor[], moments: number): Shard[] {
  return shardsOf(members).map((shard) => makeShard(shard, moments));
}

/** The memory of a frozen group. */
export interface Frozen {
  readonly bytes: number;
  /** Destroys it; the tensors must not be used afterwards. */
  free(): void;
}

/** As `allocateGroup`, for tensors that are used but not trained: no gradients, no moments, and a tape passes them by. */
export function allocateFrozen(members: readonly Tensor[]): Frozen {
  const memory = "memory" in runner() ? onDevice().memory : undefined;
  const shards = shardsOf(members);
  memory?.demand(shards.map(bytesOf), "parameters");
  const buffers = shards.map((shard) => {
    const flat = new Value(bytesOf(shard) / 4, "f32");
    flat.storage = memory?.allocate(bytesOf(shard), "parameters");
    place(shard, flat);
    return flat.storage;
  });
  for (const { value } of members) value.needsGrad = false;
  const free = () => {
    for (const storage of buffers) if (storage) memory!.free(storage, "parameters");
  };
  return { bytes: bytesOf(members), free };
}

/** Members that one binding holds together, in order. */
function shardsOf(members: readonly Tensor[]): Tensor[][] {
  const limit = "memory" in runner() ? onDevice().memory.maxBinding : Number.POSITIVE_INFINITY;
  const shards: Tensor[][] = [];
  let room = 0;
  for (const member of members) {
    const bytes = align256(member.value.bytes);
    if (bytes > room || shards.length === 0) {
      shards.push([]);
      room = limit;
    }
    shards.at(-1)!.push(member);
    room -= bytes;
  }
  return shards;
}

const bytesOf = (members: readonly Tensor[]): number =>
  members.reduce((sum, member) => sum + align256(member.value.bytes), 0);

/** Puts members side by side into a flat array; returns where each begins, in bytes. */
function place(members: readonly Tensor[], flat: Value): number[] {
  let next = 0;
  return members.map(({ value }) => {
    const offset = next;
    value.storage = slice(flat, offset, value.bytes);
    next += align256(value.bytes);
    return offset;
  });
}

function makeShard(members: readonly Tensor[], moments: number): Shard {
  const bytes = bytesOf(members);
  const numel = bytes / 4;
  const flat = (purpose: Purpose): Tensor => {
    const value = new Value(numel, "f32");
    if ("memory" in runner()) value.storage = onDevice().memory.allocate(bytes, purpose);
    return new Tensor(value, [numel]);
  };
  const parameters = flat("parameters");
  const gradients = flat("gradients");
  const offsets = place(members, parameters.value);
  for (const [i, { value }] of members.entries()) {
    value.grad = new Value(value.numel, "f32");
    value.grad.storage = slice(gradients.value, offsets[i], value.bytes);
  }
  const part = (of: Tensor, i: number): Tensor => {
    const { value, shape } = members[i];
    const view = new Value(value.numel, "f32");
    view.storage = slice(of.value, offsets[i], value.bytes);
    return new Tensor(view, shape);
  };
  const state = Array.from({ length: moments }, () => flat("optimizer"));
  return { numel, parameters, gradients, moments: state, members, part };
}

function slice(whole: Value, offset: number, bytes: number): Storage | undefined {
  if (!whole.storage) return undefined;
  return { id: nextId(), buffer: whole.storage.buffer, offset: whole.storage.offset + offset, bytes };
}
