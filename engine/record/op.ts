// Ops as functions: a call checks shapes, records the forward passes in the open scope and returns the outputs.
import { declareOp, type Op, type OpDeclaration } from "../declare/op.ts";
import type { Attrs } from "../declare/pass.ts";
import { bindAxes, type FreshOutputs, type InputWords, shapeError, shapeOf, type Sizes } from "../declare/signature.ts";
import { ShapeError } from "../errors.ts";
import { checkChoices } from "./choices.ts";
import { runner } from "./runner.ts";
import { currentScope } from "./scope.ts";
import type { Entry } from "./segment.ts";
import { Tensor } from "./tensor.ts";
import type { Value } from "./value.ts";

type Tensors<Ws extends string[]> = Ws extends [string, ...infer R extends string[]] ? [Tensor, ...Tensors<R>] : [];
type OpArgs<S extends string, A extends Attrs> = [...Tensors<InputWords<S>>, attrs?: Partial<A>];
type OpResult<S extends string> =
  FreshOutputs<S> extends []
    ? undefined
    : FreshOutputs<S> extends [string]
      ? Tensor
      : { [K in keyof FreshOutputs<S>]: Tensor };

/** Declares an op; see `OpDeclaration`. The result is called with tensors in the signature's order, then attributes. */
export function op<const S extends string, A extends Attrs = Record<never, never>, X extends string = never>(
  declaration: OpDeclaration<S, A, X>,
): ((...args: OpArgs<S, A>) => OpResult<S>) & Op {
  const made = declareOp(declaration as unknown as OpDeclaration<string, Attrs, string>);
  const callable = (...args: (Tensor | Partial<Attrs>)[]) => call(made, args);
  Object.defineProperty(callable, "name", { value: made.name, writable: true });
  return Object.assign(callable, made) as never;
}

/** Calls an op: checks shapes, records its forward passes, returns its outputs. */
export function call(op: Op, args: readonly (Tensor | Partial<Attrs> | undefined)[]): Tensor | Tensor[] | undefined {
  const { inputs } = op.sig;
  const scope = currentScope(op.name);
  const tensors = args.slice(0, inputs.length) as Tensor[];
  const given = args[inputs.length] as Partial<Attrs> | undefined;
  const attrs = given ? withDefaults(op, given) : op.attrs;
  const values: Value[] = new Array(op.names.length);
  for (let i = 0; i < inputs.length; i++) {
    if (!(tensors[i] instanceof Tensor)) throw notATensor(op, tensors, i);
    values[i] = tensors[i].value;
  }
  const bound = bindAxes(op, tensors);
  const dims = op.derive ? Object.assign(bound.dims, op.derive(bound.dims, attrs)) : bound.dims;
  checkChoices(op, values, dims, attrs);
  const way = op.ways.size === 1 ? op.ways.keys().next().value! : chooseWay(op, dims, attrs);
  const recorded: Entry = { op, way, values, dims, attrs, T: bound.T, at: 0 };
  scope.run(recorded, op.ways.get(way)!.forward);
  if (tensors.some((t, i) => t.value.needsGrad && op.differentiable.has(inputs[i].name))) {
    for (let i = inputs.length; i < inputs.length + op.sig.outputs.length; i++)
      if (values[i]) values[i].needsGrad = values[i].derived = true;
    scope.remember(recorded);
  }
  const results = op.sig.outputs
    .filter((term) => !inputs.some((input) => input.name === term.name))
    .map((term) => new Tensor(values[op.names.indexOf(term.name)], shapeOf(term, dims, bound.lead)));
  return results.length > 1 ? results : results[0];
}

function notATensor(op: Op, tensors: readonly (Tensor | undefined)[], at: number): ShapeError {
  const what = `argument ${at + 1} (${op.sig.inputs[at].name}) is ${tensors[at] === undefined ? "missing" : "not a tensor"}`;
  return shapeError(
    op,
    what,
    tensors.map((t) => t?.shape as readonly number[]),
  );
}

function chooseWay(op: Op, dims: Sizes, attrs: Attrs): string {
  const { facts, forced } = runner();
  for (const name of op.ways.keys()) if (forced.has(name)) return name;
  return op.way(dims, facts, attrs);
}

function withDefaults(op: Op, given: Partial<Attrs>): Attrs {
  for (const name in given)
    if (!Object.hasOwn(op.attrs, name))
      throw new ShapeError(
        `${op.name}: unknown attribute ${name}; it has ${Object.keys(op.attrs).join(", ") || "none"}`,
      );
  return { ...op.attrs, ...given } as Attrs;
}
