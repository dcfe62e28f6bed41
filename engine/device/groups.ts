// Flat groups: declared tensors side by side in one array, so that an optimiser updates all of them in one dispatch.
import { ShapeError } from "../errors.ts";
import { runner } from "../record/runner.ts";
import { meet } from "../record/tasks.ts";
import { takes } from "../takes.ts";
import { Tensor } from "../record/tensor.ts";
import { bytesPer, type Float } from "../declare/signature.ts";
import { nextId, type Purpose, type Storage, Value } from "../record/value.ts";

/** Part of a shard, or all of it, as an optimiser updates it at once. */
export interface Piece {
  readonly parameters: Tensor;
  readonly gradients: Tensor;
  readonly moments: readonly Tensor[];
}

/** Parameters once more in half precision, in the same layout: what a model computes with whose masters are f32. */
export interface Halves {
  readonly parameters: Tensor;
  /** The members' halves, in the members' order; a tape writes their gradients. */
  readonly members: readonly Tensor[];
}

/** One shard of a flat group: the same layout in every array, each in a buffer of its own. */
export interface Shard extends Piece {
  /** Values in it, padding between members included. */
  readonly numel: number;
  /** Bytes of all its arrays, by what they are for. */
  readonly bytes: Readonly<Record<"parameters" | "gradients" | "optimizer", number>>;
  readonly parameters: Tensor;
  /** Of f32; of f16 where there are halves, whose gradients they are. */
  readonly gradients: Tensor;
  readonly halves?: Halves;
  /** Optimiser moments, zero at first. */
  readonly moments: readonly Tensor[];
  /** The tensors that lie in it, in their order. */
  readonly members: readonly Tensor[];
  /** Where each of them begins in the flat arrays. */
  readonly starts: readonly number[];
  /** The part of a flat array that belongs to member i, in its shape. */
  part(of: Tensor, i: number): Tensor;
  /** Elements `from` to `to` of a flat array. Bytes in front of `from` are a multiple of 256. */
  cut(of: Tensor, from: number, to: number): Tensor;
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
 * dispatch per shard; a shard is as large as one binding allows. Each member gets its place for the gradient. With `halves` each has
 * a second tensor of f16, and the gradient is that one's.
 */
export function allocateGroup(members: readonly Tensor[], moments: number, halves = false): Shard[] {
  takes("allocateGroup(members: tensor[], moments: natural, halves?: flag)", arguments);
  checkDeclared("allocateGroup", members);
  return shardsOf(members, halves).map((shard) => makeShard(shard, moments, halves));
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
  /** Its flat arrays, with their halves where there are any. */
  readonly parts: readonly Pick<Shard, "parameters" | "members" | "halves">[];
  /** Destroys it; the tensors must not be used afterwards. */
  free(): void;
}

/** As `allocateGroup`, for tensors that are used but not trained: no gradients, no moments, and a tape passes them by. */
export function allocateFrozen(members: readonly Tensor[], halves = false): Frozen {
  takes("allocateFrozen(members: tensor[], halves?: flag)", arguments);
  checkDeclared("allocateFrozen", members);
  const layouts = shardsOf(members, halves);
  const each = halves ? 6 : 4;
  runner().store?.demand(
    layouts.map(({ numel }) => each * numel),
    "parameters",
  );
  const parts = layouts.map((layout) => {
    const parameters = flatOf(layout.numel, "parameters");
    place(layout.members, layout, parameters.value);
    return { parameters, members: layout.members, halves: halves ? halvesOf(layout) : undefined };
  });
  const copies = parts.flatMap(({ halves }) => halves?.members ?? []);
  for (const { value } of [...members, ...copies]) value.needsGrad = false;
  const flats = parts.flatMap(({ parameters, halves }) => [parameters, ...(halves ? [halves.parameters] : [])]);
  const bytes = flats.reduce((sum, { value }) => sum + value.bytes, 0);
  return { bytes, parts, free: freeing({ parameters: flats }, [...members, ...copies]) };
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

/** Members side by side: where each begins, and how many values there are with the padding between them. */
interface Layout {
  readonly members: Tensor[];
  readonly starts: number[];
  numel: number;
}

/** Members that one binding holds together, in order. Each begins at a multiple of 256 bytes in every array, of halves too. */
function shardsOf(members: readonly Tensor[], halves: boolean): Layout[] {
  const limit = runner().store?.maxBinding ?? Number.POSITIVE_INFINITY;
  const grain = 256 / bytesPer(halves ? "f16" : "f32");
  const layouts: Layout[] = [];
  for (const member of members) {
    const numel = Math.ceil(member.numel / grain) * grain;
    if (layouts.length === 0 || 4 * (layouts.at(-1)!.numel + numel) > limit)
      layouts.push({ members: [], starts: [], numel: 0 });
    const last = layouts.at(-1)!;
    last.members.push(member);
    last.starts.push(last.numel);
    last.numel += numel;
  }
  return layouts;
}

/** Puts members side by side into a flat array. */
function place(members: readonly Tensor[], { starts }: Layout, flat: Value): void {
  for (const [i, { value }] of members.entries()) {
    value.storage = slice(flat, starts[i], value);
    value.released = false; // it may have been given back and come again
  }
}

/** A flat array of its own; without memory where the runner has none. */
function flatOf(numel: number, purpose: Purpose, dtype: Float = "f32"): Tensor {
  const value = new Value(numel, dtype);
  value.storage = runner().store?.allocate(value.bytes, purpose);
  return new Tensor(value, [numel]);
}

/** The members once more in half precision. */
function halvesOf(layout: Layout): Halves {
  const parameters = flatOf(layout.numel, "parameters", "f16");
  const members = layout.members.map(({ numel, shape }) => {
    const value = new Value(numel, "f16");
    value.needsGrad = true;
    return new Tensor(value, shape);
  });
  place(members, layout, parameters.value);
  return { parameters, members };
}

function makeShard(layout: Layout, count: number, withHalves: boolean): Shard {
  const { members, starts, numel } = layout;
  const parameters = flatOf(numel, "parameters");
  const halves = withHalves ? halvesOf(layout) : undefined;
  const gradients = flatOf(numel, "gradients", halves ? "f16" : "f32");
  place(members, layout, parameters.value);
  const places = members.map(({ value, numel }, i) => {
    const grad = new Value(numel, gradients.dtype);
    grad.storage = slice(gradients.value, starts[i], grad);
    if (halves) value.needsGrad = false; // its half has the gradient
    (halves ? halves.members[i].value : value).grad = grad;
    return grad;
  });
  const part = (of: Tensor, i: number): Tensor => {
    const { value, shape } = members[i];
    if (of === gradients) return new Tensor(places[i], shape);
    const view = new Value(value.numel, of.dtype);
    view.storage = slice(of.value, starts[i], view);
    return new Tensor(view, shape);
  };
  const state = Array.from({ length: count }, () => flatOf(numel, "optimizer"));
  const flats = {
    parameters: [parameters, ...(halves ? [halves.parameters] : [])],
    gradients: [gradients],
    optimizer: state,
  };
  const free = freeing(flats, [...members, ...(halves?.members ?? [])]);
  const sum = (tensors: readonly Tensor[]) => tensors.reduce((bytes, { value }) => bytes + value.bytes, 0);
  const bytes = { parameters: sum(flats.parameters), gradients: sum(flats.gradients), optimizer: sum(state) };
  const whole = { parameters, gradients, moments: state };
  const ends = [...starts.slice(1), numel];
  const pieces = new Map<string, Piece>();
  /** Members `from` to `to`, the same tensors each time: plans are known by them. */
  const piece = (from: number, to: number): Piece => {
    const key = `${from} ${to}`;
    const cut = (of: Tensor) => cutOf(of, starts[from], ends[to]);
    const made = pieces.get(key) ?? { parameters: cut(parameters), gradients: cut(gradients), moments: state.map(cut) };
    pieces.set(key, made);
    return made;
  };
  const freshness = () => places.map(({ fresh }) => fresh || gradients.value.fresh);
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
    for (const value of [gradients.value, ...places]) value.fresh = false;
  };
  return { numel, bytes, ...whole, halves, members, starts, part, cut: cutOf, fresh, freshMembers, spend, free };
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

/** Elements `from` to `to` of a flat array. */
function cutOf({ value, dtype }: Tensor, from: number, to: number): Tensor {
  const cut = new Value(to - from, dtype);
  cut.storage = slice(value, from, cut);
  return new Tensor(cut, [cut.numel]);
}

/** Where `part` lies in a flat array, from an element on. */
function slice(whole: Value, start: number, { bytes }: Value): Storage | undefined {
  if (!whole.storage) return undefined;
  return { ...whole.storage, id: nextId(), offset: whole.storage.offset + start * bytesPer(whole.dtype), bytes };
}
