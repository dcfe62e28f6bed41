// The gradient tape: a scope whose calls are remembered, and the walk over them backwards.
import type { Op } from "../declare/op.ts";
import type { Attrs } from "../declare/pass.ts";
import { isWholeType } from "../declare/signature.ts";
import { ShapeError } from "../errors.ts";
import { takes } from "../takes.ts";
import { accumulate, addTo, copy, fill } from "./builtin.ts";
import { type Change, leadingTo, needed, savedBy, type Step } from "./history.ts";
import { checkReplays, Replays, replaysOf } from "./replay.ts";
import { Scope } from "./scope.ts";
import { innermost, noteWrite } from "./tasks.ts";
import { Tensor } from "./tensor.ts";
import { overlaps, type Value } from "./value.ts";

/** Gradients by tensor. */
export interface Gradients {
  /**
   * The gradient of a tensor; zeros where the loss does not depend on it, or it needs none. Errors: ShapeError where the tape has ended, or
   * a later walk has written its own gradient of this parameter over it.
   */
  get(tensor: Tensor): Tensor;
}

/**
 * A scope for training: `gradients(loss)` gives the derivative of a scalar with respect to every trainable tensor
 * it was computed from, in this tape, in scopes inside it and in tapes around it.
 *
 *     using tape = new Tape();
 *     const loss = mean(square(model(x)));
 *     optimizer.step(tape.gradients(loss));
 */
export class Tape extends Scope {
  readonly #watched = new Set<Value>();

  constructor() {
    takes("new Tape()", arguments);
    super();
  }

  protected override get isTape(): boolean {
    return true;
  }

  /**
   * Takes a tensor that was computed outside of any tape as if it were a parameter: `gradients` may be asked for its
   * gradient, which does not flow on to what it was computed from. Errors: ShapeError for a tensor of integers.
   */
  watch(tensor: Tensor): void {
    takes("watch(tensor: tensor)", arguments);
    if (this.ended) throw new ShapeError(`watch: ${this.title} has ended`);
    if (isWholeType(tensor.dtype))
      throw new ShapeError(`watch: ${tensor.dtype} has no gradient; f32 and f16 do, and cast(x, "f32") converts`);
    tensor.value.needsGrad = true;
    this.#watched.add(tensor.value);
  }

  /**
   * d loss / d t for every trainable t. Parameters in flat groups receive theirs in place (`Value.grad`). Errors: ShapeError
   * where the loss is no scalar, depends on nothing trainable, on memory that has changed since it was read, or on a tensor
   * whose history no open tape has.
   */
  gradients(loss: Tensor): Gradients {
    takes("gradients(loss: tensor)", arguments);
    if (loss.numel !== 1) throw new ShapeError(`gradients: the loss has shape [${loss.shape}], expected a scalar`);
    if (!loss.value.needsGrad) throw new ShapeError("gradients: the loss does not depend on any trainable tensor");
    return this.vjp([loss]);
  }

  /** Σ ⟨upstream, output⟩ differentiated: the vector-Jacobian product. Without `upstream`, ones. Errors: as `gradients`. */
  vjp(outputs: readonly Tensor[], upstream?: readonly Tensor[]): Gradients {
    takes("vjp(outputs: tensor[], upstream?: tensor[])", arguments);
    const walk = this.#walk(outputs, upstream, false);
    const get = (...given: [Tensor]) => {
      takes("get(tensor: tensor)", given);
      return new Tensor(walk.get(given[0].value), given[0].shape);
    };
    return { get };
  }

  /** As `vjp`, but parameters in flat groups have theirs added to what their places hold: a batch in parts. */
  accumulate(outputs: readonly Tensor[], upstream: readonly Tensor[]): void {
    takes("accumulate(outputs: tensor[], upstream: tensor[])", arguments);
    this.#walk(outputs, upstream, true);
  }

  #walk(outputs: readonly Tensor[], upstream: readonly Tensor[] | undefined, adds: boolean): Backward {
    if (this.ended) throw new ShapeError(`gradients: ${this.title} has ended; ask for gradients inside it`);
    if (upstream) checkUpstream(outputs, upstream);
    const roots = outputs.map(({ value }) => value);
    const walk = new Backward(this, this.#historyOf(roots), roots, adds);
    walk.run(upstream?.map(({ value }) => value));
    return walk;
  }

  /** The calls that lead to `roots`, of all scopes that are open around this tape and inside it. */
  #historyOf(roots: readonly Value[]): History {
    const chain = this.#chain();
    const all = chain.map(({ history }) => history);
    const merged =
      all.length === 1 ? all[0].entries : all.flatMap(({ entries }) => entries).sort((a, b) => a.at - b.at);
    const steps = leadingTo(roots, merged);
    const watched = chain.flatMap((scope) => (scope instanceof Tape ? [...scope.#watched] : []));
    checkHistory(roots, steps, new Set(watched));
    const changes = all.flatMap(({ changes }) => changes);
    const replays = replaysOf(steps);
    checkReplays(replays, changes);
    if (changes.length > 0) checkUnchanged(steps, changes);
    return { steps, replays };
  }

  /** The open scopes of this task, or those around this tape where the task is another's. */
  #chain(): Tape[] {
    const around = (from: Scope | undefined): Tape[] => (from ? [...around(from.outer), from as Tape] : []);
    const here = around(innermost() as Scope | undefined);
    return here.includes(this) ? here : around(this);
  }
}

function checkUpstream(outputs: readonly Tensor[], upstream: readonly Tensor[]): void {
  if (outputs.length !== upstream.length)
    throw new ShapeError(`vjp: ${outputs.length} outputs, ${upstream.length} upstream tensors`);
  for (const [i, { shape, numel }] of outputs.entries())
    if (numel !== upstream[i].numel)
      throw new ShapeError(`vjp: output ${i} has shape [${shape}], its upstream [${upstream[i].shape}]`);
}

/** Refuses values that ops computed from trainable tensors where no open tape saw how. */
function checkHistory(roots: readonly Value[], steps: readonly Step[], watched: ReadonlySet<Value>): void {
  const known = new Set<Value>(watched);
  const isLost = (value: Value) => value.needsGrad && value.derived && !known.has(value);
  for (const { entry, wanted, outputs } of steps) {
    for (const input of wanted.keys())
      if (isLost(entry.values[input])) throw lost(`${entry.op.name}'s ${entry.op.names[input]}`);
    for (const value of outputs) known.add(value);
  }
  if (roots.some(isLost)) throw lost("an output");
}

const lost = (what: string): ShapeError =>
  new ShapeError(
    `gradients: ${what} was computed from trainable tensors outside this tape, which so cannot know how; compute it ` +
      "inside, say that it is a constant with detach(x), or ask for its own gradient with tape.watch(x)",
  );

/** Refuses calls whose backward would read memory that has changed since the call read it. */
function checkUnchanged(steps: readonly Step[], changes: readonly Change[]): void {
  for (const step of steps)
    for (const value of savedBy(step))
      if (changes.some((change) => change.at > step.entry.at && overlaps(change.value, value)))
        throw new ShapeError(
          `gradients: ${step.entry.op.name} read a tensor of ${value.numel} elements that was assigned or updated since, and ` +
            "its gradient would see the new values; take gradients first, then assign or update",
        );
}

/** What a walk goes back over: calls, and the blocks whose results are made again for them. */
interface History {
  readonly steps: readonly Step[];
  readonly replays: ReturnType<typeof replaysOf>;
}

let walks = 0;

/** One walk over remembered calls, last to first. */
class Backward {
  readonly #found = new Map<Value, Value>();
  readonly #uses = new Map<Value, number>();
  readonly #copies = new Map<Value, Value>();
  readonly #id = ++walks;
  readonly #again: Replays;
  readonly steps: readonly Step[];

  constructor(
    readonly scope: Scope,
    { steps, replays }: History,
    readonly roots: readonly Value[],
    /** Places of gradients keep what they hold and have more added. */
    readonly adds: boolean,
  ) {
    this.steps = steps;
    this.#again = new Replays(scope, replays);
    for (const { entry, wanted } of steps)
      for (const input of wanted.keys()) this.#uses.set(entry.values[input], this.#left(entry.values[input]) + 1);
  }

  /** Contributions to come. */
  #left(value: Value): number {
    return this.#uses.get(value) ?? 0;
  }

  run(upstream: readonly Value[] | undefined): void {
    for (const root of this.roots) this.#uses.set(root, this.#left(root) + 1);
    for (const [i, root] of this.roots.entries())
      if (root.needsGrad) this.#contribute(root, upstream?.[i] ?? this.#filled(root, 1));
    for (const step of this.steps.toReversed())
      if (step.outputs.some((value) => this.#found.has(value))) this.#step(step);
  }

  /** What the walk found; a parameter of a flat group has it copied out of its place, which the next walk writes again. */
  get(of: Value): Value {
    if (this.scope.ended)
      throw new ShapeError(`gradients: ${this.scope.title} has ended; keep what is needed afterwards`);
    const found = this.#found.get(of);
    if (found && found !== of.grad) return found;
    let copied = this.#copies.get(of);
    if (copied) return copied;
    if (found && found.writtenBy !== this.#id)
      throw new ShapeError("gradients: a later walk has written over this parameter's gradient; get it before");
    copied = found ? this.#launch(copy, of, [found])[1] : this.#filled(of, 0);
    this.#copies.set(of, copied);
    return copied;
  }

  #filled(like: Value, value: number): Value {
    return this.#launch(fill, like, [], { value, n: like.numel, dtype: like.dtype })[0];
  }

  /** Records one of the launches that gradients need, over as many elements as `like` has; returns its values. */
  #launch(op: Op, { numel, dtype }: Value, values: Value[], attrs: Attrs = {}): Value[] {
    const T = dtype === "f16" ? "f16" : "f32";
    this.scope.run({ op, way: "only", values, dims: { N: numel }, attrs, T }, op.ways.get("only")!.forward);
    return values;
  }

  /** Runs the backward passes of one call that lead to a wanted gradient. */
  #step({ entry, wanted }: Step): void {
    const { op, way, values, block } = entry;
    const { backward } = op.ways.get(way)!;
    const all = values.map((value) => value && this.#again.of(value, block));
    for (const { name } of op.sig.outputs) {
      const at = op.names.indexOf(`d${name}`);
      if (at < 0) continue;
      const output = values[op.names.indexOf(name)];
      all[at] = this.#found.get(output) ?? this.#filled(output, 0);
    }
    for (const [input, slot] of wanted) {
      const value = values[input];
      const place = this.#left(value) === 1 && !this.#found.has(value) ? this.#placeOf(value) : undefined;
      if (place) all[slot] = place;
    }
    this.scope.run({ ...entry, values: all }, needed(backward, new Set(wanted.values())));
    for (const [input, slot] of wanted) this.#contribute(values[input], all[slot]);
  }

  #contribute(value: Value, gradient: Value): void {
    const left = this.#left(value) - 1;
    this.#uses.set(value, left);
    const before = this.#found.get(value);
    const last = left === 0;
    let sum = before ? this.#sum(before, gradient, last ? this.#placeOf(value) : undefined) : gradient;
    if (last && value.grad) {
      if (sum !== value.grad) sum = this.#moved(this.adds && value.grad.fresh ? addTo : copy, sum, value.grad);
      value.grad.fresh = true;
      value.grad.writtenBy = this.#id;
      noteWrite(value.grad);
    }
    this.#found.set(value, sum);
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
