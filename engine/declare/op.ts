// Ops are declared once. From the declaration come shape errors, the tape's record, the property and gradient tests,
// benchmark rows, profiler labels and the table in docs/ops.md. This file knows declarations, not how they run.
import { KernelError } from "../errors.ts";
import { call } from "../record/scope.ts";
import {
  type AxesIn,
  type Dims,
  type FreshOutputs,
  type InputWords,
  type NamesIn,
  lettersOf,
  parseSignature,
  type Signature,
  type Sizes,
  type Term,
} from "./signature.ts";
import type { Tensor } from "../record/tensor.ts";

/** What kernels and their choice may depend on: the device as the engine uses it. */
export interface DeviceFacts {
  /** Name, driver and architecture in one line. */
  readonly adapter: string;
  /** A rasteriser on the CPU (lavapipe, SwiftShader): other kernels win there (docs/DESIGN.md). */
  readonly software: boolean;
  /** Lanes of one subgroup, `SG` in kernels. */
  readonly subgroup: number;
  readonly f16: boolean;
  /** Bytes of workgroup memory and invocations of one workgroup. */
  readonly workgroupBytes: number;
  readonly workgroupSize: number;
  /** Tuned choices: shape class -> variant name (`emotionclip tune`). */
  readonly tuned: ReadonlyMap<string, string>;
}

/** Attributes: numbers are data (rewritten in a replayed plan), strings and booleans are structure (part of its key). */
export type Attrs = Record<string, number | string | boolean>;

/** What the emitter of a kernel's text receives. */
export interface SourceContext {
  readonly dims: Sizes;
  readonly attrs: Attrs;
  readonly device: DeviceFacts;
}

/** WGSL: one text, several joined in order, or an emitter for texts that need unrolling. */
export type Source = string | readonly string[] | ((context: SourceContext) => string);

/** Values of the kernel's overrides (WG, tile sizes) and SG. */
export type Consts = Readonly<Record<string, number>>;

/** Workgroups: one number (folded into two dimensions beyond 65535) or [x, y, z]. */
export type Grid = (dims: never, consts: Consts, attrs: never) => number | readonly number[];

/** One way to compute a pass. */
export interface Variant {
  readonly source: Source;
  readonly grid: (dims: Sizes, consts: Consts, attrs: Attrs) => number | readonly number[];
  /** Further fields of `Dims`, beside axes and attributes of the same name. */
  readonly uniforms?: (dims: Sizes, attrs: Attrs) => Record<string, number>;
  /** Pipeline constants that replace the kernel's defaults. */
  readonly constants?: Record<string, number>;
  /** Names of bindings in the kernel that stand for other tensors of the pass: { kernelName: tensorName }. */
  readonly rename?: Record<string, string>;
  /** Whether the device can run it; default: always. */
  readonly available?: (device: DeviceFacts, dims: Sizes, attrs: Attrs) => boolean;
}

/** One launch of one kernel. */
export interface Pass {
  readonly sig: Signature;
  readonly label: string;
  readonly variants: ReadonlyMap<string, Variant>;
  readonly pick: (dims: Sizes, device: DeviceFacts, attrs: Attrs) => string;
  /** What it moves and computes, where its tensors and the op's flops do not say it (`counted`). */
  readonly work?: (dims: Sizes, attrs: Attrs) => { bytes?: number; flops?: number };
}

type More<S extends string> = {
  label?: string;
  uniforms?: (dims: Dims<S> & Sizes, attrs: Attrs) => Record<string, number>;
  constants?: Record<string, number>;
  rename?: Record<string, string>;
};

/**
 * One launch: its tensors, its kernel, its number of workgroups. Inputs are bound read, outputs read_write, a name on
 * both sides is updated in place. The grid receives the sizes of the axes and the kernel's overrides:
 * `({ N }, { WG, SG }) => ceilDiv(N, WG / SG)`.
 */
export function pass<const S extends string>(
  sig: S,
  source: Source,
  grid: (dims: Dims<S> & Sizes, consts: Consts, attrs: Attrs) => number | readonly number[],
  more: More<S> = {},
): Pass {
  const { label, ...rest } = more;
  const variant = { source, grid, ...rest } as Variant;
  return { sig: parseSignature(sig), label: label ?? "", variants: new Map([["only", variant]]), pick: () => "only" };
}

/** One launch with several kernels that compute the same; `pick` names the one for these sizes on this device. */
export function passOf<const S extends string>(
  sig: S,
  variants: Record<string, Variant>,
  pick: (dims: Sizes, device: DeviceFacts, attrs: Attrs) => string,
  label = "",
): Pass {
  return { sig: parseSignature(sig), label, variants: new Map(Object.entries(variants)), pick };
}

/**
 * A pass whose bytes or flops do not follow from its tensors: a gather reads some rows of a table, a matrix product among
 * other passes has nearly all of the op's flops. For rates in the profiler and the benchmark.
 */
export const counted = (pass: Pass, work: Pass["work"]): Pass => ({ ...pass, work });

/** One complete way to compute an op and its gradient. */
export interface Way {
  readonly forward: readonly Pass[];
  readonly backward?: readonly Pass[];
}

/** How the tests draw an input: a named distribution or a function of the sizes and uniform numbers in [0, 1). */
export type Draw = "gaussian" | "positive" | ((random: () => number, dims: Sizes, numel: number) => ArrayLike<number>);

type F64 = Float64Array;

/** The declaration of an op; see docs/DESIGN.md, "The life of an op". */
export interface OpDeclaration<S extends string, A extends Attrs, X extends string> {
  name: string;
  about: string;
  sig: S;
  attrs?: A;
  /** Axes that inputs do not have, and checks of those they have: returns the further sizes or throws ShapeError. */
  derive?: (dims: Dims<S> & Sizes, attrs: A) => { [K in X]: number };
  forward?: readonly Pass[];
  backward?: readonly Pass[];
  /** Several complete ways (fused, composed), and the choice among them. */
  ways?: Record<string, Way>;
  way?: (dims: Sizes, device: DeviceFacts, attrs: A) => string;
  /** The same in f64, plainly. Arrays are row-major; returns every output by name. */
  ref: (
    inputs: { [K in NamesIn<S>]: F64 },
    dims: Dims<S> & { [K in X]: number } & Sizes,
    attrs: A,
  ) => { [name: string]: ArrayLike<number> };
  flops: (dims: Dims<S> & { [K in X]: number } & Sizes, attrs: A) => number;
  /** Sizes of the benchmark rows (model sizes); attributes may be given as well. */
  bench: readonly { [axis: string]: number | Partial<A> | undefined; attrs?: Partial<A> }[];
  /** How the derived tests draw cases. */
  test?: {
    /** Candidate sizes per axis; default: 1, tile edges and primes up to 33. */
    sizes?: Partial<Record<AxesIn<S> | (string & {}), readonly number[]>>;
    /** Cases must satisfy this. */
    where?: (dims: Sizes, attrs: A) => boolean;
    draw?: { [name: string]: Draw };
    /** Attribute settings to test; default: the defaults. */
    attrs?: readonly Partial<A>[];
    /** Accepted |got − want| <= tolerance · (1 + max|want|) of the tensor, with its reason in a comment; default 2e-5. */
    tolerance?: number;
    /** The same for gradients; default 1e-4. */
    gradient?: number;
  };
}

/** An op ready to be recorded. Call it like a function; its fields describe it. */
export interface Op {
  readonly id: number;
  readonly name: string;
  readonly about: string;
  readonly sig: Signature;
  readonly attrs: Attrs;
  readonly axes: readonly string[];
  readonly derive?: (dims: Sizes, attrs: Attrs) => Sizes;
  readonly ways: ReadonlyMap<string, CompiledWay>;
  readonly way: (dims: Sizes, device: DeviceFacts, attrs: Attrs) => string;
  readonly ref: (inputs: Record<string, F64>, dims: Sizes, attrs: Attrs) => Record<string, ArrayLike<number>>;
  readonly flops: (dims: Sizes, attrs: Attrs) => number;
  readonly bench: readonly Record<string, unknown>[];
  readonly test: NonNullable<OpDeclaration<string, Attrs, string>["test"]>;
  /** Position of every tensor name of the op and its passes. */
  readonly names: readonly string[];
  /** Inputs with a gradient: those whose d-name some backward pass writes. */
  readonly differentiable: ReadonlySet<string>;
}

/** A pass inside its op: tensors as positions in `op.names`. */
export interface CompiledPass {
  readonly op: Op;
  readonly pass: Pass;
  readonly label: string;
  readonly backward: boolean;
  readonly terms: readonly Term[];
  /** Position in op.names of each term; inputs first. */
  readonly slots: readonly number[];
  /** terms[i] is written (outputs and updates in place). */
  readonly writes: readonly boolean[];
}

export interface CompiledWay {
  readonly forward: readonly CompiledPass[];
  readonly backward: readonly CompiledPass[];
}

type Tensors<Ws extends string[]> = Ws extends [string, ...infer R extends string[]] ? [Tensor, ...Tensors<R>] : [];
type OpArgs<S extends string, A extends Attrs> = [...Tensors<InputWords<S>>, attrs?: Partial<A>];
type OpResult<S extends string> =
  FreshOutputs<S> extends []
    ? undefined
    : FreshOutputs<S> extends [string]
      ? Tensor
      : { [K in keyof FreshOutputs<S>]: Tensor };

const registry: Op[] = [];

/** Every op declared so far, in order of declaration. */
export const ops: readonly Op[] = registry;

/** Declares an op; see `OpDeclaration`. The result is called with tensors in the signature's order, then attributes. */
export function op<const S extends string, A extends Attrs = Record<never, never>, X extends string = never>(
  declaration: OpDeclaration<S, A, X>,
): ((...args: OpArgs<S, A>) => OpResult<S>) & Op {
  const made = compile(declaration as unknown as OpDeclaration<string, Attrs, string>);
  if (registry.some((other) => other.name === made.name))
    throw new KernelError(`op ${made.name} is declared twice; names of ops are unique`);
  registry.push(made);
  const callable = (...args: (Tensor | Partial<Attrs>)[]) => call(made, args);
  Object.defineProperty(callable, "name", { value: made.name, writable: true });
  return Object.assign(callable, made) as never;
}

function compile(d: OpDeclaration<string, Attrs, string>): Op {
  const sig = parseSignature(d.sig);
  const ways = d.ways ?? { only: { forward: d.forward ?? [], backward: d.backward } };
  const names: string[] = [];
  const terms = new Map<string, Term>();
  const note = (term: Term) => {
    const known = terms.get(term.name);
    if (known && (known.axes.join() !== term.axes.join() || known.dtype !== term.dtype))
      throw new KernelError(`op ${d.name}: ${term.name} is ${known.text} in one place and ${term.text} in another`);
    if (!known) {
      names.push(term.name);
      terms.set(term.name, term);
    }
  };
  for (const term of [...sig.inputs, ...sig.outputs]) note(term);
  for (const { forward, backward } of Object.values(ways))
    for (const { sig } of [...forward, ...(backward ?? [])])
      for (const term of [...sig.inputs, ...sig.outputs]) note(term);

  const differentiable = new Set<string>();
  const made: { -readonly [K in keyof Op]: Op[K] } = {
    id: registry.length,
    name: d.name,
    about: d.about,
    sig,
    attrs: d.attrs ?? {},
    axes: axesOf(sig),
    derive: d.derive as Op["derive"],
    ways: new Map(),
    way: (d.way ?? (() => Object.keys(ways)[0])) as Op["way"],
    ref: d.ref as Op["ref"],
    flops: d.flops as Op["flops"],
    bench: d.bench,
    test: d.test ?? {},
    names,
    differentiable,
  };
  const compiled = new Map<string, CompiledWay>();
  for (const [name, { forward, backward = [] }] of Object.entries(ways)) {
    const link = (pass: Pass, back: boolean): CompiledPass => linkPass(made, pass, back, names);
    compiled.set(name, { forward: forward.map((p) => link(p, false)), backward: backward.map((p) => link(p, true)) });
    checkFlow(made, compiled.get(name)!);
    for (const { sig: s } of backward)
      for (const { name: out } of s.outputs)
        if (out[0] === "d" && sig.inputs.some((term) => `d${term.name}` === out)) differentiable.add(out.slice(1));
  }
  made.ways = compiled;
  return made;
}

function axesOf(sig: Signature): string[] {
  return [...new Set([...sig.inputs, ...sig.outputs].flatMap(lettersOf))];
}

function linkPass(op: Op, pass: Pass, backward: boolean, names: string[]): CompiledPass {
  const fresh = pass.sig.outputs.filter((out) => !pass.sig.inputs.some((term) => term.name === out.name));
  const terms = [...pass.sig.inputs, ...fresh];
  const written = new Set(pass.sig.outputs.map((term) => term.name));
  const what = pass.label || (backward ? pass.sig.outputs.map((term) => term.name).join(" ") : "forward");
  return {
    op,
    pass,
    label: `${op.name} ${what}`,
    backward,
    terms,
    slots: terms.map((term) => names.indexOf(term.name)),
    writes: terms.map((term) => written.has(term.name)),
  };
}

/** Every tensor a pass reads exists by then, and every output is written. */
function checkFlow(op: Op, way: CompiledWay): void {
  const known = new Set(op.sig.inputs.map((term) => term.name));
  const step = ({ pass }: CompiledPass) => {
    for (const { name } of pass.sig.inputs)
      if (!known.has(name))
        throw new KernelError(`op ${op.name}: pass "${pass.sig.text}" reads ${name}, which nothing wrote`);
    for (const { name } of pass.sig.outputs) known.add(name);
  };
  way.forward.forEach(step);
  for (const { name } of op.sig.outputs)
    if (!known.has(name)) throw new KernelError(`op ${op.name}: no forward pass writes ${name}`);
  for (const { name } of op.sig.outputs) known.add(`d${name}`);
  way.backward.forEach(step);
}

/** ⌈a / b⌉ for grids. */
export const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);
