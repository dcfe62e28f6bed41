// Ops as functions: a call checks shapes, records the forward passes in the open scope and returns the outputs.
import { declareOp, type Op, type OpDeclaration } from "../declare/op.ts";
import type { Attrs } from "../declare/pass.ts";
import {
  bindAxes,
  type Dtype,
  type Float,
  type FreshOutputs,
  type InputWords,
  shapeError,
  shapeOf,
  type Sizes,
  type TypeClass,
} from "../declare/signature.ts";
import { GpuError, nearest, ShapeError, UsageError } from "../errors.ts";
import { inWords, isPromise } from "../kinds.ts";
import { fits, takes } from "../takes.ts";
import { checkChoices } from "./choices.ts";
import type { Runner } from "./runner.ts";
import { currentScope } from "./scope.ts";
import type { Entry } from "./segment.ts";
import { Tensor } from "./tensor.ts";
import type { Value } from "./value.ts";

/** The tensor of a word of a signature: of the type it names, or of the storage type. */
type TensorOf<W, T extends Dtype> = Tensor<W extends `${string}:${infer D extends Dtype}` ? TypeClass<D> : T>;
type Tensors<Ws extends string[], T extends Dtype> = Ws extends [infer W, ...infer R extends string[]]
  ? [TensorOf<W, T>, ...Tensors<R, T>]
  : [];
type OpArgs<S extends string, A extends Attrs, T extends Dtype> = [...Tensors<InputWords<S>, T>, attrs?: Partial<A>];
type OpResult<S extends string, T extends Dtype> =
  FreshOutputs<S> extends []
    ? undefined
    : FreshOutputs<S> extends [infer W]
      ? TensorOf<W, T>
      : Results<FreshOutputs<S>, T>;
type Results<Ws extends string[], T extends Dtype> = { [K in keyof Ws]: TensorOf<Ws[K], T> };
/** An op as a function; of floats, or of any of its storage types, which its results then have. */
type Callable<S extends string, A extends Attrs, T extends Dtype> = [T] extends [Float]
  ? (...args: OpArgs<S, A, Float>) => OpResult<S, Float>
  : <D extends T>(...args: OpArgs<S, A, D>) => OpResult<S, D>;

/**
 * Declares an op: its name, one sentence, its signature, its kernels, its gradient and a reference in float64 (OpDeclaration). The result
 * is called with tensors in the signature's order, then attributes. Errors: KernelError where the passes do not fit the signature or one
 * another, or where the name is taken.
 */
export function op<
  const S extends string,
  A extends Attrs = Record<never, never>,
  X extends string = never,
  T extends Dtype = Float,
>(declaration: OpDeclaration<S, A, X, T>): Callable<S, A, T> & Op {
  takes(
    "op(declaration: { name: text, about: text, sig: text, ref: function, flops: function, bench: object[], ... })",
    arguments,
  );
  const made = declareOp(declaration as unknown as OpDeclaration<string, Attrs, string>);
  const callable = (...args: (Tensor<Dtype> | Partial<Attrs>)[]) => call(made, args);
  Object.defineProperty(callable, "name", { value: made.name, writable: true });
  return Object.assign(callable, made) as never;
}

type Called = Tensor<Dtype> | Tensor<Dtype>[] | undefined;

/** Calls an op: checks shapes, records its forward passes, returns its outputs. */
export function call(op: Op, args: readonly (Tensor<Dtype> | Partial<Attrs> | undefined)[]): Called {
  const { inputs } = op.sig;
  const tensors = args.slice(0, inputs.length) as Tensor<Dtype>[];
  const values: Value[] = new Array(op.names.length);
  for (let i = 0; i < inputs.length; i++) {
    if (!(tensors[i] instanceof Tensor)) throw notATensor(op, args, i);
    values[i] = tensors[i].value;
  }
  if (args.length > inputs.length + 1) throw surplus(op, args);
  const given = args[inputs.length];
  const attrs = given === undefined ? op.attrs : withDefaults(op, given);
  const scope = currentScope(op.name);
  const bound = bindAxes(op, tensors);
  const dims = op.derive ? Object.assign(bound.dims, op.derive(bound.dims, attrs)) : bound.dims;
  checkChoices(op, values, dims, attrs);
  const T = bound.T ?? storageOf(op, attrs, scope.runner);
  const way = op.ways.size === 1 ? op.ways.keys().next().value! : chooseWay(op, scope.runner, dims, attrs);
  const recorded: Entry = { op, way, values, dims, attrs, T, at: 0 };
  scope.run(recorded, op.ways.get(way)!.forward);
  if (tensors.some((t, i) => t.value.needsGrad && op.differentiable.has(inputs[i].name))) {
    for (let i = inputs.length; i < inputs.length + op.sig.outputs.length; i++)
      if (values[i]) values[i].needsGrad = values[i].derived = true;
    scope.remember(recorded);
  }
  const results = op.sig.outputs
    .filter((term) => !inputs.some((input) => input.name === term.name))
    .map((term) => new Tensor<Dtype>(values[op.names.indexOf(term.name)], shapeOf(term, dims, bound.lead)));
  return results.length > 1 ? results : results[0];
}

/** The storage type that no input has: that of the attribute `dtype`. */
function storageOf({ name, storage }: Op, { dtype = storage[0] }: Attrs, { facts }: Runner): Dtype {
  if (dtype === "f16" && !facts.f16) throw new GpuError(`${name}: this adapter has no half precision (f16)`);
  return dtype as Dtype;
}

function notATensor(op: Op, args: readonly unknown[], at: number): ShapeError {
  const { inputs } = op.sig;
  const found = isPromise(args[at]) ? "is a promise; await it first" : `is ${inWords(args[at])}; expected a tensor`;
  const what = args[at] === undefined ? "is missing; expected a tensor" : found;
  const shapes = inputs.map((_, i) => (args[i] instanceof Tensor ? args[i].shape : [inWords(args[i])]));
  return shapeError(op, `argument ${at + 1} (${inputs[at].name}) ${what}`, shapes as unknown as number[][]);
}

function surplus(op: Op, args: readonly unknown[]): UsageError {
  const most = op.sig.inputs.length + 1;
  const rest = args.slice(most).map(inWords).join(", ");
  return new UsageError(
    `${op.name}: ${args.length} arguments, expected ${most} at most; ${rest} would be ignored\n` +
      `  it takes  ${op.sig.inputs.map(({ text }) => text).join(", ")}, { ${Object.keys(op.attrs).join(", ")} }`,
  );
}

function chooseWay(op: Op, { facts, forced }: Runner, dims: Sizes, attrs: Attrs): string {
  for (const name of op.ways.keys()) if (forced.has(name)) return name;
  return op.way(dims, facts, attrs);
}

function withDefaults(op: Op, given: unknown): Attrs {
  fits(`${op.name}: what follows the tensors`, "object", given);
  const attrs = { ...op.attrs };
  for (const [name, value] of Object.entries(given as Partial<Attrs>)) {
    if (!Object.hasOwn(op.attrs, name)) throw unknownAttribute(op, name);
    if (value === undefined) continue;
    fits(`${op.name}: ${name}`, op.takes[name], value);
    attrs[name] = value;
  }
  return attrs;
}

function unknownAttribute({ name: op, attrs }: Op, name: string): ShapeError {
  const known = Object.keys(attrs);
  const close = nearest(name, known);
  return new ShapeError(
    `${op}: unknown attribute ${name}; ${close ? `did you mean ${close}? ` : ""}it has ${known.join(", ") || "none"}`,
  );
}
