// What the derived tests share: drawing cases from an op's declaration, running them, comparing with the f64 reference.
import * as assert from "uvu/assert";
import fc from "fast-check";
import { type Gpu, parameter, Scope, ShapeError, Tape, Tensor, tensor } from "../../engine/index.ts";
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import type { CompiledPass, Op } from "../../engine/declare/op.ts";
import type { Attrs } from "../../engine/declare/pass.ts";
import { gaussian, uniform } from "../../engine/device/draws.ts";
import { innerProduct as dot } from "../../engine/device/slope.ts";
import { fromHalf, toHalf } from "../../engine/half.ts";
import { later } from "../../engine/record/compute.ts";
import { call } from "../../engine/record/op.ts";
import { type Dtype, isWholeType, numelOf, type Sizes, type Term } from "../../engine/declare/signature.ts";
import { openTestGpu } from "../kit/gpu.ts";

export type { Op };

/** One case: sizes, attributes, and the seed of the data. */
export interface Case {
  readonly sizes: Sizes;
  readonly attrs: Attrs;
  readonly seed: number;
}

/** Small sizes, tile edges and primes; beyond 64 and 128 columns or rows a launch has several workgroups. */
const edges = [1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33, 67, 132];
/** For ops over flat arrays, whose workgroups take 8192 elements. */
const flatEdges = [...edges, 8191, 8193, 20_011];
const mostElements = 30_000;

/** The GPU all tests of this process share. */
let opened: Promise<Gpu> | undefined;
export const sharedGpu = (): Promise<Gpu> => (opened ??= openTestGpu());

/** Axes that inputs have; the others follow. */
export const inputAxes = (op: Op): string[] => [
  ...new Set(op.sig.inputs.flatMap((t) => t.axes.filter((a) => a >= "A"))),
];

/** Cases of an op, as its declaration allows. */
export function casesOf(op: Op, limit = mostElements): fc.Arbitrary<Case> {
  const sizes: Record<string, fc.Arbitrary<number>> = {};
  const axes = inputAxes(op);
  const usual = axes.length === 1 && op.axes.length === 1 ? flatEdges : edges;
  for (const axis of axes) sizes[axis] = oneOf(op.test.sizes?.[axis] ?? usual);
  const settings = (op.test.attrs ?? [{}]).map((given) => ({ ...op.attrs, ...given }) as Attrs);
  const most = Math.max(limit, leastElements(op, axes, settings));
  return fc
    .record({
      sizes: fc.record(sizes),
      attrs: fc.constantFrom(...settings),
      seed: fc.integer({ min: 1, max: 2 ** 30 }),
    })
    .filter(({ sizes, attrs }) => {
      if (op.test.where && !op.test.where(sizes, attrs as never)) return false;
      const full = fullSizes(op, { sizes, attrs, seed: 0 });
      return full !== undefined && [...op.sig.inputs, ...op.sig.outputs].every((term) => numelOf(term, full) <= most);
    });
}

/** One of a list, made smaller towards its beginning step by step; `constantFrom` only tries the first. */
const oneOf = <V>(list: readonly V[]): fc.Arbitrary<V> => fc.noBias(fc.nat(list.length - 1)).map((i) => list[i]);

/** Elements of the largest tensor at the smallest sizes that a declaration allows: with fewer no case could be drawn. */
function leastElements(op: Op, axes: readonly string[], settings: readonly Attrs[]): number {
  const sizes = Object.fromEntries(axes.map((axis) => [axis, Math.min(...(op.test.sizes?.[axis] ?? edges))]));
  const full = fullSizes(op, { sizes, attrs: settings[0], seed: 0 });
  return full ? Math.max(...[...op.sig.inputs, ...op.sig.outputs].map((term) => numelOf(term, full))) : 0;
}

/** Sizes with the derived axes; undefined where the op refuses them. */
export function fullSizes(op: Op, { sizes, attrs }: Case): Sizes | undefined {
  try {
    return { ...sizes, ...op.derive?.(sizes, attrs) };
  } catch (error) {
    if (error instanceof ShapeError) return undefined;
    throw error;
  }
}

/** A number as f16 holds it. */
export const halved = (x: number): number => fromHalf(toHalf(x));

/** Whether this device can run the op: f16 in its signature needs the feature. */
export const runsOn = (op: Op, { f16 }: DeviceFacts): boolean =>
  f16 || [...op.sig.inputs, ...op.sig.outputs].every(({ dtype }) => dtype !== "f16");

/** The type of a term's elements where `T` is the one that tests use, or another. */
export const typeOf = (op: Op, term: Term, T: Dtype = op.storage[0]): Dtype => (term.dtype === "T" ? T : term.dtype);

/** A number as an element of a type holds it: integers modulo 2^32. */
export const held: Record<Dtype, (x: number) => number> = {
  f32: Math.fround,
  f16: halved,
  u32: (x) => x >>> 0,
  i32: (x) => x | 0,
};

/** Whole numbers of all sizes, and those at the edges of both types. */
function wholeNumber(random: () => number): number {
  const kind = random();
  if (kind < 0.4) return Math.floor(20 * random()) - 8;
  if (kind < 0.5) return [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 24 + 1][Math.floor(6 * random())];
  return Math.floor(2 ** 32 * random());
}

/** The inputs of a case as f64: what f32 holds (or `round` leaves), or integers where `T` is of these. */
export function drawInputs(
  op: Op,
  { sizes, seed }: Case,
  round: (x: number) => number = Math.fround,
  T: Dtype = op.storage[0],
): Record<string, Float64Array> {
  const random = uniform(seed);
  const inputs: Record<string, Float64Array> = {};
  for (const term of op.sig.inputs) {
    const numel = numelOf(term, sizes);
    const draw = op.test.draw?.[term.name] ?? "gaussian";
    const dtype = typeOf(op, term, T);
    const exact = term.dtype === "T" && !isWholeType(dtype) ? round : held[dtype];
    // an op of floats that takes integers too is drawn those of all sizes
    const any = isWholeType(dtype) && (typeof draw !== "function" || !isWholeType(typeOf(op, term)));
    const one = any ? wholeNumber : draw === "positive" ? () => 0.1 + 2 * random() : gaussian;
    const raw =
      any || typeof draw !== "function" ? Array.from({ length: numel }, () => one(random)) : draw(random, sizes, numel);
    inputs[term.name] = Float64Array.from(raw, exact);
    assert.is(inputs[term.name].length, numel, `${op.name}: draw.${term.name} gave ${raw.length} of ${numel} numbers`);
  }
  return inputs;
}

/** The reference of a case, as elements of integer types hold it. */
export function wanted(
  op: Op,
  c: Case,
  inputs: Record<string, Float64Array>,
  T: Dtype = op.storage[0],
): Record<string, ArrayLike<number>> {
  const want = op.ref(inputs, fullSizes(op, c)!, attrsOf(op, c.attrs, T), T);
  for (const term of op.sig.outputs)
    if (isWholeType(typeOf(op, term, T)))
      want[term.name] = Float64Array.from(want[term.name], held[typeOf(op, term, T)]);
  return want;
}

/** A shape for a term; N becomes two axes where it is even, so that folding is exercised. */
export function shapeFor(term: Term, sizes: Sizes): number[] {
  const shape = term.axes.map((axis) => (axis >= "A" ? sizes[axis] : Number(axis)));
  return term.folds && shape[0] % 2 === 0 ? [2, shape[0] / 2, ...shape.slice(1)] : shape;
}

export interface Outcome {
  outputs: Record<string, Float64Array>;
  gradients: Record<string, Float64Array>;
  /** Inputs that are not updated in place, read back. */
  untouched: Record<string, Float64Array>;
}

const asF64 = (data: ArrayLike<number>): Float64Array => Float64Array.from(data);

export interface RunOptions {
  /** By output name; with it the gradient is computed as well. */
  upstream?: Record<string, Float64Array>;
  /** Inputs whose gradient is wanted; default: all that have one. */
  wanted?: Iterable<string>;
  T?: Dtype;
}

/** The attributes of a case, with the storage type where an attribute says it. */
export const attrsOf = (op: Op, attrs: Attrs, T: Dtype): Attrs =>
  "dtype" in op.attrs ? { ...attrs, dtype: T } : attrs;

/** Runs an op on the device, and its gradient where there is an upstream one. */
export async function runOp(
  op: Op,
  { sizes, attrs }: Case,
  inputs: Record<string, Float64Array>,
  { upstream, wanted: named = op.differentiable, T = op.storage[0] }: RunOptions = {},
): Promise<Outcome> {
  const names = new Set(named);
  const outputs: Record<string, Promise<ArrayLike<number>>> = {};
  const gradients: Record<string, Promise<ArrayLike<number>>> = {};
  const untouched: Record<string, Promise<ArrayLike<number>>> = {};
  {
    using tape = new Tape();
    const args = op.sig.inputs.map((term) => {
      const made = tensor(inputs[term.name], shapeFor(term, sizes), typeOf(op, term, T));
      made.value.host = undefined; // as if computed: the kernel sees what the host would refuse
      if (upstream && names.has(term.name)) made.value.needsGrad = true;
      return made;
    });
    const result = call(op, [...args, attrsOf(op, attrs, T)]);
    const fresh = (result === undefined ? [] : result instanceof Tensor ? [result] : result) as Tensor[]; // of floats for vjp
    let at = 0;
    for (const [i, term] of op.sig.inputs.entries()) untouched[term.name] = later(args[i]);
    for (const term of op.sig.outputs) {
      const same = op.sig.inputs.findIndex(({ name }) => name === term.name);
      outputs[term.name] = later(same >= 0 ? args[same] : fresh[at++]);
    }
    if (upstream) {
      const found = tape.vjp(
        fresh,
        fresh.map((t, i) => tensor(upstream[op.sig.outputs[i].name], t.shape, t.dtype)),
      );
      for (const [i, term] of op.sig.inputs.entries())
        if (names.has(term.name)) gradients[term.name] = later(found.get(args[i] as Tensor));
    }
  }
  const settle = async (all: Record<string, Promise<ArrayLike<number>>>) => {
    const entries = await Promise.all(
      Object.entries(all).map(async ([name, data]) => [name, asF64(await data)] as const),
    );
    return Object.fromEntries(entries);
  };
  for (const { name } of op.sig.outputs) delete untouched[name];
  return {
    outputs: await settle(outputs),
    gradients: await settle(gradients),
    untouched: await settle(untouched),
  };
}

/** |got − want| <= tolerance · (1 + max|want|), element by element; NaN passes where NaN is wanted, and nothing else does. */
export function near(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, what: string): void {
  assert.is(got.length, want.length, `${what}: ${got.length} elements, expected ${want.length}`);
  let most = 0;
  for (let i = 0; i < want.length; i++) if (!Number.isNaN(want[i])) most = Math.max(most, Math.abs(want[i]));
  const allowed = tolerance * (1 + most);
  for (let i = 0; i < want.length; i++) {
    if (Math.abs(got[i] - want[i]) <= allowed || (Number.isNaN(got[i]) && Number.isNaN(want[i]))) continue;
    assert.unreachable(`${what}[${i}]: got ${got[i]}, expected ${want[i]} (allowed ${allowed.toExponential(2)})`);
  }
}

/** Without what is NaN by intent (ids beyond a table): no slope leads through it. */
const numbers = (all: ArrayLike<number>): number[] => Array.from(all, (x) => (Number.isNaN(x) ? 0 : x));

/** What flows into an op's outputs from behind, by output name. */
export function drawUpstream(
  op: Op,
  c: Case,
  round: (x: number) => number = Math.fround,
): Record<string, Float64Array> {
  const random = uniform(c.seed + 1);
  const want = wanted(op, c, drawInputs(op, c));
  return Object.fromEntries(
    op.sig.outputs.map(({ name }) => [name, Float64Array.from(want[name], () => round(gaussian(random)))]),
  );
}

/** ⟨dx, v⟩ against the slope of ⟨dy, ref⟩ along a random v, by central differences in f64, for every input with a gradient. */
export function slopesAgree(
  op: Op,
  c: Case,
  inputs: Record<string, Float64Array>,
  upstream: Record<string, Float64Array>,
  gradients: Record<string, ArrayLike<number>>,
  tolerance = op.test.gradient ?? 1e-4,
): void {
  const random = uniform(c.seed + 2);
  const full = fullSizes(op, c)!;
  for (const name of op.differentiable) {
    const v = inputs[name].map(() => gaussian(random));
    const phi = (h: number) => {
      const moved = op.ref({ ...inputs, [name]: inputs[name].map((x, i) => x + h * v[i]) }, full, c.attrs);
      return op.sig.outputs.reduce((sum, term) => sum + dot(upstream[term.name], numbers(moved[term.name])), 0);
    };
    const want = (phi(1e-5) - phi(-1e-5)) / 2e-5;
    const got = dot(gradients[name], v);
    // f32 rounding of each product, and of the sums inside the kernel, relative to their size
    const size = Math.sqrt(dot(gradients[name], gradients[name]));
    const allowed = tolerance * (1 + Math.abs(want) + size);
    assert.ok(
      Math.abs(got - want) <= allowed,
      `⟨d${name}, v⟩: got ${got}, the slope is ${want} (allowed ${allowed.toExponential(2)})`,
    );
  }
}

/** Names that can be forced: ways, and variants of passes, where there is a choice. */
export function alternatives(op: Op): string[] {
  const names = new Set<string>();
  if (op.ways.size > 1) for (const name of op.ways.keys()) names.add(name);
  for (const { forward, backward } of op.ways.values())
    for (const { pass } of [...forward, ...backward])
      if (pass.variants.size > 1) for (const name of pass.variants.keys()) names.add(name);
  return [...names];
}

/** Whether this device offers an alternative for a case of tensors stored as T, in at least one pass. */
export function offered(op: Op, name: string, facts: DeviceFacts, c: Case, T: Dtype = "f32"): boolean {
  const full = fullSizes(op, c)!;
  const { attrs } = c;
  const has = ({ pass }: CompiledPass) => {
    const variant = pass.variants.get(name);
    return variant !== undefined && (variant.available?.(facts, full, attrs, T) ?? true);
  };
  return (
    op.ways.has(name) || [...op.ways.values()].some(({ forward, backward }) => [...forward, ...backward].some(has))
  );
}

export { dot, gaussian, parameter, Scope, uniform };
