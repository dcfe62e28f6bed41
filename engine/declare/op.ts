// Ops are declared once. From the declaration come shape errors, the tape's record, the property and gradient tests,
// benchmark rows, profiler labels and the table in docs/ops.md. This file knows declarations, not how they run.
import { KernelError } from "../errors.ts";
import type { DeviceFacts } from "./facts.ts";
import type { Attrs, Pass } from "./pass.ts";
import {
  type AxesIn,
  type Dims,
  type Dtype,
  floats,
  type NamesIn,
  lettersOf,
  parseSignature,
  type Signature,
  type Sizes,
  type Term,
} from "./signature.ts";

/** One complete way to compute an op and its gradient. */
export interface Way {
  readonly forward: readonly Pass[];
  readonly backward?: readonly Pass[];
}

/** How the tests draw an input: a named distribution or a function of the sizes and uniform numbers in [0, 1). */
export type Draw = "gaussian" | "positive" | ((random: () => number, dims: Sizes, numel: number) => ArrayLike<number>);

type F64 = Float64Array;

/** The axis that an input's numbers choose along, what such a number is called, and one more number that is allowed. */
export interface Chooser {
  readonly along: string;
  readonly called: string;
  readonly besides?: (attrs: Attrs) => number | undefined;
}

/** The declaration of an op; see docs/DESIGN.md, "The life of an op". */
export interface OpDeclaration<S extends string, A extends Attrs, X extends string, T extends Dtype = Dtype> {
  /** Its name in the registry, in messages and in the profiler; no two are the same. */
  name: string;
  /** One sentence, with the equation and its source. */
  about: string;
  /** Inputs and outputs with their axes: "x_ND gain_D:f32 -> y_ND"; a name on both sides is updated in place. */
  sig: S;
  /** Attributes and their defaults. Numbers are data; another text or flag makes another plan. */
  attrs?: A;
  /**
   * What the storage type `T` may be; default f32 and f16. Kernels compute in `Num`: f32 for those two, else T itself.
   * An op without inputs of type T may have an attribute `dtype` that says it; without one it is the first.
   */
  storage?: readonly T[];
  /** What attributes must be, in the words of engine/kinds.ts; by default of the same type as the default, and not NaN. */
  takes?: { [K in keyof A]?: string };
  /** Axes that inputs do not have, and checks of those they have: returns the further sizes or throws ShapeError. */
  derive?: (dims: Dims<S> & Sizes, attrs: A) => { [K in X]: number };
  /** Inputs whose numbers choose along an axis. Those that come from the host are refused where they are out of range. */
  chooses?: { [name: string]: Chooser };
  /** Launches, in order; what one writes a later one may read. */
  forward?: readonly Pass[];
  /** Launches that write `d…` of inputs from `d…` of outputs and from what forward had. */
  backward?: readonly Pass[];
  /** Several complete ways (fused, composed), and the choice among them. */
  ways?: Record<string, Way>;
  way?: (dims: Sizes, device: DeviceFacts, attrs: A) => string;
  /** The same in f64, plainly; of integers modulo 2^32, with `T` where that makes a difference. Arrays are row-major; returns every output by name. */
  ref: (
    inputs: { [K in NamesIn<S>]: F64 },
    dims: Dims<S> & { [K in X]: number } & Sizes,
    attrs: A,
    T: Dtype,
  ) => { [name: string]: ArrayLike<number> };
  /** Arithmetic of the forward pass, for the roofline. */
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
    /** Inputs that must be finite, and why; the others may hold NaN and infinities, which reach the outputs. */
    finite?: (attrs: A) => { [name: string]: string };
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
  /** Its place in the registry. */
  readonly id: number;
  readonly name: string;
  readonly about: string;
  readonly sig: Signature;
  readonly attrs: Attrs;
  /** What `T` may be; tests and benchmarks use the first where they need one. */
  readonly storage: readonly Dtype[];
  /** What each attribute must be (takes.ts). */
  readonly takes: Readonly<Record<string, string>>;
  /** Letters of the axes that its inputs and outputs have. */
  readonly axes: readonly string[];
  readonly derive?: (dims: Sizes, attrs: Attrs) => Sizes;
  readonly chooses: Readonly<Record<string, Chooser>>;
  /** Complete ways to compute it, by name; mostly one. */
  readonly ways: ReadonlyMap<string, CompiledWay>;
  readonly way: (dims: Sizes, device: DeviceFacts, attrs: Attrs) => string;
  /** The same in float64, plainly. */
  readonly ref: (
    inputs: Record<string, F64>,
    dims: Sizes,
    attrs: Attrs,
    T?: Dtype,
  ) => Record<string, ArrayLike<number>>;
  /** Arithmetic of the forward pass, for the roofline. */
  readonly flops: (dims: Sizes, attrs: Attrs) => number;
  /** Sizes of the benchmark rows. */
  readonly bench: readonly Record<string, unknown>[];
  /** How the derived tests draw cases. */
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

const registry: Op[] = [];

/** Every op declared so far, in order of declaration. */
export const ops: readonly Op[] = registry;

/** Checks a declaration and enters it among `ops`. Errors: KernelError where its passes do not fit together. */
export function declareOp(declaration: OpDeclaration<string, Attrs, string>): Op {
  const made = compile(declaration, registry.length);
  if (registry.some((other) => other.name === made.name))
    throw new KernelError(`op ${made.name} is declared twice; names of ops are unique`);
  registry.push(made);
  return made;
}

function compile(d: OpDeclaration<string, Attrs, string>, id: number): Op {
  const sig = parseSignature(d.sig);
  const ways = d.ways ?? { only: { forward: d.forward ?? [], backward: d.backward } };
  const made: { -readonly [K in keyof Op]: Op[K] } = {
    id,
    name: d.name,
    about: d.about,
    sig,
    attrs: d.attrs ?? {},
    storage: d.storage ?? floats,
    takes: { ...typesOf(d.attrs ?? {}), ...(d.takes as Record<string, string>) },
    axes: axesOf(sig),
    derive: d.derive as Op["derive"],
    chooses: d.chooses ?? {},
    ways: new Map(),
    way: (d.way ?? (() => Object.keys(ways)[0])) as Op["way"],
    ref: d.ref as Op["ref"],
    flops: d.flops as Op["flops"],
    bench: d.bench,
    test: d.test ?? {},
    names: namesOf(d.name, sig, Object.values(ways)),
    differentiable: differentiableOf(sig, Object.values(ways)),
  };
  made.ways = new Map(Object.entries(ways).map(([name, way]) => [name, compileWay(made, way)]));
  return made;
}

const kindsOfTypes = { number: "real", string: "text", boolean: "flag" } as const;

const typesOf = (attrs: Attrs): Record<string, string> =>
  Object.fromEntries(
    Object.entries(attrs).map(([name, value]) => [name, kindsOfTypes[typeof value as keyof typeof kindsOfTypes]]),
  );

/** Every tensor name of an op and its passes, those of its signature first; a name has one shape everywhere. */
function namesOf(op: string, sig: Signature, ways: readonly Way[]): string[] {
  const passes = ways.flatMap(({ forward, backward = [] }) => [...forward, ...backward]);
  const terms = new Map<string, Term>();
  for (const { inputs, outputs } of [sig, ...passes.map((pass) => pass.sig)])
    for (const term of [...inputs, ...outputs]) {
      const known = terms.get(term.name);
      if (known && (known.axes.join() !== term.axes.join() || known.dtype !== term.dtype))
        throw new KernelError(`op ${op}: ${term.name} is ${known.text} in one place and ${term.text} in another`);
      if (!known) terms.set(term.name, term);
    }
  return [...terms.keys()];
}

/** The inputs whose gradient some backward pass writes. */
function differentiableOf(sig: Signature, ways: readonly Way[]): Set<string> {
  const written = new Set(
    ways.flatMap(({ backward = [] }) => backward).flatMap((pass) => pass.sig.outputs.map((term) => term.name)),
  );
  return new Set(sig.inputs.map(({ name }) => name).filter((name) => written.has(`d${name}`)));
}

function compileWay(op: Op, { forward, backward = [] }: Way): CompiledWay {
  const way = {
    forward: forward.map((pass) => linkPass(op, pass, false)),
    backward: backward.map((pass) => linkPass(op, pass, true)),
  };
  checkFlow(op, way);
  return way;
}

function axesOf(sig: Signature): string[] {
  return [...new Set([...sig.inputs, ...sig.outputs].flatMap(lettersOf))];
}

function linkPass(op: Op, pass: Pass, backward: boolean): CompiledPass {
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
    slots: terms.map((term) => op.names.indexOf(term.name)),
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
