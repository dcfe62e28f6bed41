// The gradient tape: a scope that remembers op calls and walks them backwards.
import type { CompiledPass, Op } from "../declare/op.ts";
import type { Attrs } from "../declare/pass.ts";
import { ShapeError } from "../errors.ts";
import { accumulate, addTo, copy, fill } from "./builtin.ts";
import { Scope } from "./scope.ts";
import type { OpCall } from "./segment.ts";
import { Tensor } from "./tensor.ts";
import type { Value } from "./value.ts";

/** Gradients by tensor. */
export interface Gradients {
  /** The gradient of a tensor that `gradients` was asked for; zeros where the loss does not depend on it. */
  get(tensor: Tensor): Tensor;
}

/**
 * A scope for training: `gradients(loss)` gives the derivative of a scalar with respect to every trainable tensor
 * it was computed from.
 *
 *     using tape = new Tape();
 *     const loss = mean(square(model(x)));
 *     optimizer.step(tape.gradients(loss));
 */
export class Tape extends Scope {
  readonly #entries: OpCall[] = [];

  override remember(entry: OpCall): void {
    this.#entries.push(entry);
  }

  /** d loss / d t for every trainable t. Parameters in flat groups receive theirs in place (`Value.grad`). */
  gradients(loss: Tensor): Gradients {
    if (loss.numel !== 1) throw new ShapeError(`gradients: the loss has shape [${loss.shape}], expected a scalar`);
    if (!loss.value.needsGrad) throw new ShapeError("gradients: the loss does not depend on any trainable tensor");
    return this.vjp([loss]);
  }

  /** Σ ⟨upstream, output⟩ differentiated: the vector-Jacobian product. Without `upstream`, ones. */
  vjp(outputs: readonly Tensor[], upstream?: readonly Tensor[]): Gradients {
    const walk = this.#walk(outputs, upstream, false);
    return {
      get: (tensor) => new Tensor(walk.found.get(tensor.value) ?? walk.zero(tensor.value), tensor.shape),
    };
  }

  /** As `vjp`, but parameters in flat groups have theirs added to what their places hold: a batch in parts. */
  accumulate(outputs: readonly Tensor[], upstream: readonly Tensor[]): void {
    this.#walk(outputs, upstream, true);
  }

  #walk(outputs: readonly Tensor[], upstream: readonly Tensor[] | undefined, adds: boolean): Backward {
    const roots = outputs.map(({ value }) => value);
    const walk = new Backward(this, this.#entries, roots, adds);
    walk.run(upstream?.map(({ value }) => value));
    return walk;
  }
}

/** One walk over the entries, last to first. */
class Backward {
  readonly found = new Map<Value, Value>();
  readonly #uses = new Map<Value, number>();

  constructor(
    readonly scope: Scope,
    readonly entries: readonly OpCall[],
    readonly roots: readonly Value[],
    /** Places of gradients keep what they hold and have more added. */
    readonly adds: boolean,
  ) {
    const reached = new Set(roots);
    for (let i = entries.length - 1; i >= 0; i--) {
      const { op, values } = entries[i];
      if (!outputsOf(op, values).some((value) => reached.has(value))) continue;
      for (const value of differentiableInputs(op, values)) {
        reached.add(value);
        this.#uses.set(value, (this.#uses.get(value) ?? 0) + 1);
      }
    }
  }

  run(upstream: readonly Value[] | undefined): void {
    for (const [i, root] of this.roots.entries()) this.found.set(root, upstream?.[i] ?? this.#filled(root, 1));
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const entry = this.entries[i];
      if (outputsOf(entry.op, entry.values).some((value) => this.found.has(value))) this.#step(entry);
    }
  }

  zero(of: Value): Value {
    const value = this.#filled(of, 0, of.grad);
    this.found.set(of, value);
    return value;
  }

  #filled(like: Value, value: number, target?: Value): Value {
    const values = target ? [target] : [];
    return this.#launch(fill, like, values, { value, n: like.numel })[0];
  }

  /** Records one of the launches that gradients need, over as many elements as `like` has; returns its values. */
  #launch(op: Op, { numel, dtype }: Value, values: Value[], attrs: Attrs = {}): Value[] {
    const T = dtype === "f16" ? "f16" : "f32";
    this.scope.run({ op, way: "only", values, dims: { N: numel }, attrs, T }, op.ways.get("only")!.forward);
    return values;
  }

  /** Runs the backward passes of one entry that lead to a wanted gradient. */
  #step(call: OpCall): void {
    const { op, way, values } = call;
    const { backward } = op.ways.get(way)!;
    const all = values.slice();
    for (const { name } of op.sig.outputs) {
      const at = op.names.indexOf(`d${name}`);
      if (at < 0) continue;
      const output = values[op.names.indexOf(name)];
      all[at] = this.found.get(output) ?? this.#filled(output, 0);
    }
    const wanted = wantedSlots(op, values);
    const targets = new Map<number, Value>();
    for (const [input, slot] of wanted) {
      const value = values[input];
      const place = this.#uses.get(value) === 1 && !this.found.has(value) ? this.#placeOf(value) : undefined;
      if (place) all[slot] = place;
      targets.set(input, value);
    }
    this.scope.run({ ...call, values: all }, needed(backward, new Set(wanted.values())));
    for (const [input, slot] of wanted) this.#contribute(targets.get(input)!, all[slot]);
  }

  #contribute(value: Value, gradient: Value): void {
    const left = this.#uses.get(value)! - 1;
    this.#uses.set(value, left);
    const before = this.found.get(value);
    const last = left === 0;
    let sum = before ? this.#sum(before, gradient, last ? this.#placeOf(value) : undefined) : gradient;
    if (last && value.grad && sum !== value.grad) sum = this.#moved(this.adds ? addTo : copy, sum, value.grad);
    this.found.set(value, sum);
  }

  /** Where a whole gradient may be written at once. */
  #placeOf(value: Value): Value | undefined {
    return exact(value) && !this.adds ? value.grad : undefined;
  }

  #sum(a: Value, b: Value, target: Value | undefined): Value {
    return this.#launch(accumulate, a, target ? [a, b, target] : [a, b])[2];
  }

  /** Copied, or added, to where it belongs. */
  #moved(how: Op, from: Value, to: Value): Value {
    this.#launch(how, from, [from, to]);
    return to;
  }
}

/** Kernels may write the padding of their outputs; only whole vec4s may be written in place inside a flat group. */
const exact = (value: Value): boolean => value.numel % 4 === 0;

function outputsOf(op: Op, values: readonly Value[]): Value[] {
  return op.sig.outputs.map(({ name }) => values[op.names.indexOf(name)]);
}

function differentiableInputs(op: Op, values: readonly Value[]): Value[] {
  return [...wantedSlots(op, values).keys()].map((input) => values[input]);
}

/** Inputs that want a gradient -> position of their d-name. */
function wantedSlots(op: Op, values: readonly Value[]): Map<number, number> {
  const slots = new Map<number, number>();
  for (const [i, { name }] of op.sig.inputs.entries())
    if (values[i].needsGrad && op.differentiable.has(name)) slots.set(i, op.names.indexOf(`d${name}`));
  return slots;
}

/** The passes that write something wanted, or something a later needed pass reads. */
function needed(passes: readonly CompiledPass[], wanted: Set<number>): CompiledPass[] {
  const chosen: CompiledPass[] = [];
  for (let i = passes.length - 1; i >= 0; i--) {
    const pass = passes[i];
    if (!pass.slots.some((slot, k) => pass.writes[k] && wanted.has(slot))) continue;
    chosen.unshift(pass);
    for (const slot of pass.slots) wanted.add(slot);
  }
  return chosen;
}
