// Reading at the end of a scope, and tensors that outlive theirs.
import { currentScope, Scope } from "./scope.ts";
import { copy } from "./builtin.ts";
import { Tensor } from "./tensor.ts";
import { fits, takes } from "../takes.ts";
import type { TypedArray, Value } from "./value.ts";

/** Elements of a tensor when its scope runs: does not interrupt recording, and memory is planned for the whole scope. */
export function later(tensor: Tensor): Promise<TypedArray> {
  takes("later(x: tensor, ...)", arguments);
  return currentScope("later").read(tensor.value);
}

/** Moves a tensor to the enclosing scope: it outlives the one it was made in. */
export function keep(tensor: Tensor): Tensor {
  takes("keep(x: tensor, ...)", arguments);
  currentScope("keep").keep(tensor.value);
  return tensor;
}

/** The same elements as a constant: no gradient flows through it. */
export function detach(tensor: Tensor): Tensor {
  takes("detach(x: tensor, ...)", arguments);
  const { dtype, numel, value } = tensor;
  if (dtype !== "f32" && dtype !== "f16") return tensor; // integers have no gradient
  const values: Value[] = [value];
  const call = { op: copy, way: "only", values, dims: { N: numel }, attrs: {}, T: dtype };
  currentScope("detach").run(call, copy.ways.get("only")!.forward);
  return new Tensor(values[1], tensor.shape);
}

/**
 * Runs `body` in a scope of its own and returns the elements of the tensors it returns. The whole computation is
 * planned at once: this is the way to use a model.
 */
export async function compute<R extends Tensor | readonly Tensor[]>(
  body: () => R,
): Promise<R extends Tensor ? TypedArray : TypedArray[]> {
  takes("compute(body: function)", arguments);
  let reads: Promise<TypedArray>[];
  let single: boolean;
  {
    using scope = new Scope();
    const result = body();
    fits("compute: what the function returns", "tensor | tensor[]", result);
    single = result instanceof Tensor;
    reads = (single ? [result as Tensor] : (result as readonly Tensor[])).map((t) => scope.read(t.value));
  }
  const all = await Promise.all(reads);
  return (single ? all[0] : all) as never;
}
