// Reading at the end of a scope, and tensors that outlive theirs.
import { currentScope, Scope } from "./scope.ts";
import { copy } from "./builtin.ts";
import { Tensor } from "./tensor.ts";
import { type Dtype, isWholeType } from "../declare/signature.ts";
import { isPlain } from "../kinds.ts";
import { fits, takes } from "../takes.ts";
import type { ArrayOf, TypedArray, Value } from "./value.ts";

/** Elements of a tensor when its scope runs: does not interrupt recording, and memory is planned for the whole scope. */
export function later<D extends Dtype>(tensor: Tensor<D>): Promise<ArrayOf<D>> {
  takes("later(x: tensor, ...)", arguments);
  return currentScope("later").read(tensor.value) as Promise<ArrayOf<D>>;
}

/** Moves a tensor to the enclosing scope: it outlives the one it was made in. */
export function keep<D extends Dtype>(tensor: Tensor<D>): Tensor<D> {
  takes("keep(x: tensor, ...)", arguments);
  currentScope("keep").keep(tensor.value);
  return tensor;
}

/** The same elements as a constant: no gradient flows through it. */
export function detach<D extends Dtype>(tensor: Tensor<D>): Tensor<D> {
  takes("detach(x: tensor, ...)", arguments);
  const { dtype, numel, value } = tensor;
  if (isWholeType(dtype)) return tensor; // integers have no gradient
  const values: Value[] = [value];
  const call = { op: copy, way: "only", values, dims: { N: numel }, attrs: {}, T: dtype };
  currentScope("detach").run(call, copy.ways.get("only")!.forward);
  return new Tensor<D>(values[1], tensor.shape);
}

/** What a computation may return: a tensor, several in a list, or several by name. */
export type Returned = Tensor<Dtype> | readonly Tensor<Dtype>[] | { readonly [name: string]: Tensor<Dtype> };

/** The elements of what was asked for, in the same form. */
type Elements<R> =
  R extends Tensor<infer D extends Dtype>
    ? ArrayOf<D>
    : { -readonly [K in keyof R]: R[K] extends Tensor<infer D extends Dtype> ? ArrayOf<D> : never };

/**
 * Runs `body` in a scope of its own and returns the elements of the tensors it returns: of one, of a list of them, or of an object of
 * them, as `const { loss, y } = await compute(() => ({ loss, y }))`. The whole computation is planned at once: this is the way to use
 * a model.
 */
export async function compute<const R extends Returned>(body: () => R): Promise<Elements<R>> {
  takes("compute(body: function)", arguments);
  let result: Returned;
  let reads: Promise<TypedArray>[];
  {
    using scope = new Scope();
    result = body();
    reads = tensorsOf("compute", result).map(({ value }) => scope.read(value));
  }
  const all = await Promise.all(reads);
  if (result instanceof Tensor) return all[0] as never;
  if (Array.isArray(result)) return all as never;
  return Object.fromEntries(Object.keys(result).map((name, i) => [name, all[i]])) as never;
}

/** The tensors that the function of `caller` returned. Errors: what is none is refused by its place or name. */
export function tensorsOf(caller: string, result: Returned): readonly Tensor<Dtype>[] {
  const what = `${caller}: what the function returns`;
  const isNamed = isPlain(result) && !(result instanceof Tensor);
  if (isNamed) for (const [name, each] of Object.entries(result)) fits(`${what} as ${name}`, "tensor", each);
  else fits(what, "tensor | tensor[]", result);
  return result instanceof Tensor ? [result] : Object.values(result);
}
