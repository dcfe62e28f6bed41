// Flat groups: declared tensors side by side in one array, so that an optimiser updates all of them in one dispatch.
import { ShapeError } from "../errors.ts";
import { runner } from "../record/runner.ts";
import { meet } from "../record/tasks.ts";
import { takes } from "../takes.ts";
import { Tensor } from "../record/tensor.ts";
import { nextId, type Purpose, type Storage, Value } from "../record/value.ts";
import { align256 } from "./memory.ts";

/** Part of a shard, or all of it, as an optimiser updates it at once. */
export interface Piece {
  readonly parameters: Tensor;
  readonly gradients: Tensor;
  readonly moments: readonly Tensor[];
}

/** One shard of a flat group: the same layout in every array, each in a buffer of its own. */
export interface Shard extends Piece {
  /** Values in it, padding between members included. */
  readonly numel: number;
  readonly parameters: Tensor;
  readonly gradients: Tensor;
  /** Optimiser moments, zero at first. */
  readonly moments: readonly Tensor[];
  /** The tensors that lie in it, in their order. */
  readonly members: readonly Tensor[];
  /** The part of a flat array that belongs to member i, in its shape. */
  part(of: Tensor, i: number): Tensor;
  /**
   * What has a gradient that was computed, or assigned, since the last `spend`: the shard itself where all members have,
   * otherwise runs of members that lie side by side.
   */
  fresh(): readonly Piece[];
  /** The same member by member, each in its shape: for an optimiser that must see matrices. */
  freshMembers(): readonly Piece[];
  /** Its gradients have been used: until the next walk of a tape they are stale, and no part of `fresh`. */
  spend(): void;
  /** Destroys all its memory; its tensors must not be used afterwards. */
  free(): void;
}

/**
 * Gives declared tensors memory, side by side in flat arrays, so that an optimiser updates all of them in one
 * dispatch per shard; a shard is as large as one binding allows. Each member gets its place for the gradient.
 */
export function allocateGroup(members: readonly Tensor[], moments: number): Shard[] {
  takes("allocateGroup(members: tensor[], moments: natural)", arguments);
  checkDeclared("allocateGroup", members);
  return shardsOf(members).map((shard) => makeShard(shard, moments));
}

/** Only what has no place yet can be given one. */
function checkDeclared(what: string, members: readonly Tensor[]): void {
  runner().check?.();
  if (new Set(members).size < members.length) throw new ShapeError(`${what}: a tensor is named twice`);
  for (const [i, { value, dtype, shape }] of members.entries()) {
    if (value.scope || value.storage)
      throw new ShapeError(
        `${what}: members[${i}], [${shape}], ${value.scope ? "belongs to a scope" : "has memory already"}; declare(shape) makes a tensor that has none`,
      );
    if (dtype !== "f32") throw new ShapeError(`${what}: members[${i}] is ${dtype}, expected f32`);
  }
}

/** The memory of a frozen group. */
export interface Frozen {
  readonly bytes: number;
  /** Destroys it; the tensors must not be used afterwards. */
  free(): void;
}

/** As `allocateGroup`, for tensors that are used but not trained: no gradients, no moments, and a tape passes them by. */
export function allocateFrozen(members: readonly Tensor[]): Frozen {
  takes("allocateFrozen(members: tensor[])", arguments);
  checkDeclared("allocateFrozen", members);
  const shards = shardsOf(members);
  runner().store?.demand(shards.map(bytesOf), "parameters");
  const flats = shards.map((shard) => {
    const flat = flatOf(bytesOf(shard), "parameters");
    place(shard, flat.value);
    return flat;
  });
  for (const { value } of members) value.needsGrad = false;
  return { bytes: bytesOf(members), free: freeing({ parameters: flats }, members) };
}

/** What gives back flat arrays by purpose, on the device they were made on; members and gradients have no place then. */
function freeing(flats: Partial<Record<Purpose, readonly Tensor[]>>, members: readonly Tensor[]): () => void {
  const owner = runner();
  return () => {
    for (const { value } of [...members, ...Object.values(flats).flat()]) meet(value, true, undefined);
    for (const [purpose, tensors = []] of Object.entries(flats)) {
      const storages = tensors.map(({ value }) => value.storage).filter((storage) => storage !== undefined);
      owner.free(storages, purpose as Purpose);
    }
    const gone = [...members, ...Object.values(flats).flat()].flatMap(({ value }) => [value, value.grad]);
    for (const value of gone) {
      if (!value) continue;
      value.storage = undefined;
      value.released = true;
    }
  };
}

/** Members that one binding holds together, in order. */
function shardsOf(members: readonly Tensor[]): Tensor[][] {
  const limit = runner().store?.maxBinding ?? Number.POSITIVE_INFINITY;
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
    value.released = false; // it may have been given back and come again
    next += align256(value.bytes);
    return offset;
  });
}

/** A flat array of its own; without memory where the runner has none. */
function flatOf(bytes: number, purpose: Purpose): Tensor {
  const value = new Value(bytes / 4, "f32");
  value.storage = runner().store?.allocate(bytes, purpose);
  return new Tensor(value, [bytes / 4]);
}

function makeShard(members: readonly Tensor[], moments: number): Shard {
  const bytes = bytesOf(members);
  const parameters = flatOf(bytes, "parameters");
  const gradients = flatOf(bytes, "gradients");
  const offsets = place(members, parameters.value);
  for (const [i, { value }] of members.entries()) {
    value.grad = new Value(value.numel, "f32");
    value.grad.storage = slice(gradients.value, offsets[i], value.bytes);
  }
  const part = (of: Tensor, i: number): Tensor => {
    const { value, shape } = members[i];
    if (of === gradients) return new Tensor(value.grad!, shape);
    const view = new Value(value.numel, "f32");
    view.storage = slice(of.value, offsets[i], value.bytes);
    return new Tensor(view, shape);
  };
  const state = Array.from({ length: moments }, () => flatOf(bytes, "optimizer"));
  const free = freeing({ parameters: [parameters], gradients: [gradients], optimizer: state }, members);
  const whole = { parameters, gradients, moments: state };
  const ends = members.map(({ value }, i) => offsets[i] + align256(value.bytes));
  const pieces = new Map<string, Piece>();
  /** Members `from` to `to`, the same tensors each time: plans are known by them. */
  const piece = (from: number, to: number): Piece => {
    const key = `${from} ${to}`;
    const cut = (of: Tensor) => cutOf(of, offsets[from], ends[to]);
    const made = pieces.get(key) ?? { parameters: cut(parameters), gradients: cut(gradients), moments: state.map(cut) };
    pieces.set(key, made);
    return made;
  };
  const freshness = () => members.map(({ value }) => value.grad!.fresh || gradients.value.fresh);
  const fresh = (): readonly Piece[] => {
    const isFresh = freshness();
    if (isFresh.every(Boolean)) return [whole];
    return runsOf(isFresh).map(([from, to]) => piece(from, to));
  };
  let each: readonly Piece[] | undefined;
  const freshMembers = (): readonly Piece[] => {
    const isFresh = freshness();
    each ??= members.map((parameters, i) => {
      return { parameters, gradients: part(gradients, i), moments: state.map((of) => part(of, i)) };
    });
    return each.filter((_, i) => isFresh[i]);
  };
  const spend = (): void => {
    for (const { value } of [gradients, ...members.map(({ value }) => ({ value: value.grad! }))]) value.fresh = false;
  };
  return { numel: bytes / 4, ...whole, members, part, fresh, freshMembers, spend, free };
}

/** The longest runs of true, as first and last place. */
function runsOf(flags: readonly boolean[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const [i, flag] of flags.entries()) {
    if (!flag) continue;
    if (i > 0 && flags[i - 1]) runs.at(-1)![1] = i;
    else runs.push([i, i]);
  }
  return runs;
}

/** Bytes `from` to `to` of a flat array. */
function cutOf({ value }: Tensor, from: number, to: number): Tensor {
  const cut = new Value((to - from) / 4, "f32");
  cut.storage = slice(value, from, to - from);
  return new Tensor(cut, [cut.numel]);
}

function slice(whole: Value, offset: number, bytes: number): Storage | undefined {
  if (!whole.storage) return undefined;
  return { ...whole.storage, id: nextId(), offset: whole.storage.offset + offset, bytes };
}
