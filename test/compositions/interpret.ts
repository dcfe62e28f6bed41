// Runs a program twice in one walk: on the engine, and in float64 beside it (test/reference/autograd.ts). Every value and
// gradient that the engine gives is compared, or the engine refuses the program with one of the sentences below.
import {
  allocateFrozen,
  allocateGroup,
  assign,
  assignPart,
  compute,
  declare,
  detach,
  keep,
  later,
  parameter,
  persistent,
  recompute,
  Scope,
  ShapeError,
  type Shard,
  Tape,
  type Tensor,
  tensor,
} from "../../engine/index.ts";
import * as k from "../../kernels/index.ts";
import { gaussian, uniform } from "../kernels/derive.ts";
import * as ref from "../reference/autograd.ts";
import type { Statement } from "./program.ts";

/** A value of the program on both sides. */
interface Pair {
  readonly t: Tensor;
  readonly n: ref.Node;
  /** A trainable tensor with a name; its node changes when it is assigned. */
  readonly parameter?: Parameter;
}

interface Parameter {
  readonly name: string;
  readonly t: Tensor;
  /** One node for every content it has had in this program; the last is the current one. */
  nodes: ref.Node[];
}

/** An open scope as the program knows it. */
interface Level {
  readonly scope: Scope;
  values: Pair[];
  kept: Pair[];
}

/** The sentences with which the engine may refuse a program, and when they are right. */
const refusals: readonly [RegExp, (facts: Facts) => boolean][] = [
  [/that was assigned or updated since/, ({ changed }) => changed],
  [/was computed from trainable tensors outside this tape/, ({ outside }) => outside],
  [/does not depend on any trainable tensor/, () => true],
  // What a task keeps while another task's scope, opened before it, has yet to go on, goes to that scope (docs/adr/5).
  [/was made (by \w+ )?in (scope|tape) \d+, which has ended/, ({ together }) => together],
];

/** What a program has done that refusals follow from. */
interface Facts {
  changed: boolean;
  outside: boolean;
  readonly together: boolean;
}

/** A tensor to look at, and what it should hold. */
interface Found {
  readonly get: () => Tensor;
  readonly want: Float64Array;
  readonly what: string;
}

export interface Outcome {
  /** Values and gradients compared. */
  readonly compared: number;
  readonly refused: boolean;
}

const numel = ref.numel;
const shapes = [[3, 4], [4, 4], [4], [1, 4], [2, 6]];

/** The trainable tensors of one task, the same ones for every program: plain, in a flat group, frozen. */
export class Parameters {
  readonly plain = [parameter(zeros([3, 4]), [3, 4]), parameter(zeros([4, 4]), [4, 4]), parameter(zeros([4]), [4])];
  readonly grouped = [declare([3, 4]), declare([3]), declare([4, 4])];
  readonly shard: Shard;
  readonly frozen = declare([4]);
  readonly momentum = persistent([0]);

  constructor() {
    [this.shard] = allocateGroup(this.grouped, 0);
    allocateFrozen([this.frozen]);
  }
}

function zeros(shape: readonly number[]): Float32Array {
  return new Float32Array(numel(shape));
}

/** A pair as it is now: a view of a parameter shows its latest content. */
const now = ({ t, n, parameter }: Pair): Pair => {
  if (!parameter) return { t, n };
  return { t, n: parameter.nodes.at(-1)!.reshape(...t.shape), parameter };
};

const draw = (seed: number, n: number): Float32Array => {
  const random = uniform(seed * 7919 + 13);
  return Float32Array.from({ length: n }, () => Math.max(-2, Math.min(2, gaussian(random))));
};

const constant = (shape: readonly number[], data: ArrayLike<number>): ref.Node =>
  new ref.Node(shape, Float64Array.from(data));

const most = (data: Float64Array): number => data.reduce((top, v) => Math.max(top, Math.abs(v)), 0);

/** Runs a program; throws where the engine is wrong, or refuses without a reason. */
export async function interpret(program: Statement, parameters: Parameters, together: boolean): Promise<Outcome> {
  const run = new Run(parameters, together);
  return run.all(program);
}

class Run {
  readonly #levels: Level[] = [];
  readonly #parameters: Parameter[];
  readonly #facts: Facts;
  readonly #reads: Promise<void>[] = [];
  /** Comparisons so far. */
  #compared = 0;

  constructor(
    readonly of: Parameters,
    together: boolean,
  ) {
    this.#facts = { changed: false, outside: false, together };
    const named = [...of.plain, ...of.grouped, of.frozen];
    this.#parameters = named.map((t, i) => {
      const data = draw(i, t.numel);
      assign(t, data);
      return { name: `p${i}`, t, nodes: [constant(t.shape, data)] };
    });
    of.shard.spend?.();
  }

  async all(program: Statement): Promise<Outcome> {
    let refused = false;
    try {
      await this.#statement(program);
    } catch (error) {
      refused = true;
      if (!(error instanceof ShapeError)) throw error;
      const { message } = error;
      if (!refusals.some(([sentence, isRight]) => sentence.test(message) && isRight(this.#facts))) throw error;
    }
    await Promise.all(this.#reads);
    return { compared: this.#compared, refused };
  }

  // ---- what there is ----------------------------------------------------------------------------------------------

  get #values(): Pair[] {
    const made = this.#levels.flatMap(({ values }) => values).map(now);
    return [...made.reverse(), ...this.#parameters.map((p) => ({ t: p.t, n: p.nodes.at(-1)!, parameter: p }))];
  }

  /** The newest values come first and are chosen more often. */
  #value(choice: number): Pair {
    const all = this.#values;
    return all[choice % 3 === 0 ? Math.floor(choice / 3) % Math.min(all.length, 3) : choice % all.length];
  }

  #trainable(choice: number): Parameter {
    return this.#parameters[choice % this.#parameters.length];
  }

  #push(t: Tensor, n: ref.Node): void {
    if (numel(t.shape) !== n.data.length) throw new Error(`reference: [${n.shape}] for [${t.shape}]`);
    this.#levels.at(-1)!.values.push({ t, n });
    if (!this.#levels.some(({ scope }) => scope instanceof Tape)) this.#facts.outside = true;
  }

  // ---- comparing --------------------------------------------------------------------------------------------------

  #same(got: ArrayLike<number>, want: ArrayLike<number>, what: string): void {
    this.#compared++;
    const far = 2e-3 * (1 + most(Float64Array.from(want)));
    const at = Array.from(want).findIndex((v, i) => !(Math.abs(got[i] - v) <= far));
    if (at >= 0 || got.length !== want.length)
      throw new Error(`${what}: [${Array.from(got).join(" ")}], expected [${Array.from(want).join(" ")}]`);
  }

  #later(read: Promise<ArrayLike<number>>, want: Float64Array, what: string): void {
    const expected = want.slice();
    const compared = read.then((got) => this.#same(got, expected, what));
    compared.catch(() => {}); // the end of the program throws it; an earlier fault may come first
    this.#reads.push(compared);
  }

  // ---- statements -------------------------------------------------------------------------------------------------

  async #statement(statement: Statement): Promise<void> {
    const { kind, a, b, c, body = [] } = statement;
    switch (kind) {
      case "scope":
      case "tape":
        return this.#inside(kind === "tape" ? new Tape() : new Scope(), body);
      case "compute":
        return this.#compute(body);
      case "computeThis": {
        const { t, n } = this.#value(a);
        this.#same(await compute(() => t), n.data, "compute of what there is");
        return;
      }
      case "read": {
        const { t, n } = this.#value(a);
        this.#same(await t.data(), n.data, "data");
        return;
      }
      case "gradients":
      case "vjp":
        for (const { get, want, what } of this.#gradients(kind, a, b, c)) this.#same(await get().data(), want, what);
        return;
      case "accumulate":
        for (const { get, want, what } of this.#accumulate(a, b, c)) this.#same(await get().data(), want, what);
        return this.of.shard.spend();
      default:
        return this.#atOnce(statement);
    }
  }

  /** What can be recorded without a wait, as everything inside `recompute` is; what has to wait elsewhere reads later, or not at all. */
  #atOnce({ kind, a, b, c, body = [] }: Statement): void {
    const { t, n, parameter } = this.#value(a);
    switch (kind) {
      case "scope":
      case "tape": {
        this.#insideAtOnce(kind === "tape" ? new Tape() : new Scope(), body);
        return;
      }
      case "recompute": {
        this.#recompute(body, b);
        return;
      }
      case "op": {
        this.#op(a, b, c);
        return;
      }
      case "upload": {
        const shape = shapes[b % shapes.length];
        const data = draw(c, numel(shape));
        this.#push(tensor(data, shape), constant(shape, data));
        return;
      }
      case "reshape": {
        const shape = b % 2 ? [-1] : [t.numel % 2 ? 1 : 2, -1];
        const view = t.reshape(shape);
        if (!parameter) {
          this.#push(view, n.reshape(...view.shape));
          return;
        }
        this.#levels.at(-1)!.values.push({ t: view, n, parameter }); // shows what the parameter holds, then as now
        return;
      }
      case "detach": {
        this.#push(detach(t), constant(n.shape, n.data));
        return;
      }
      case "keep":
        keep(t);
        for (const level of this.#levels)
          if (level === this.#levels.at(-1))
            level.kept.push(...level.values.filter((each) => each.t.value === t.value));
        return;
      case "read":
      case "later": {
        this.#later(later(t), n.data, "later");
        return;
      }
      case "assign":
      case "assignPart":
      case "update": {
        this.#change(kind, this.#trainable(a), b);
        return;
      }
      case "gradients":
      case "vjp":
        for (const { get, want, what } of this.#gradients(kind, a, b, c)) this.#later(later(get()), want, what);
        return;
      case "accumulate":
        for (const { get, want, what } of this.#accumulate(a, b, c)) this.#later(later(get()), want, what);
        this.of.shard.spend();
    }
  }

  /** Nothing but a body around some statements: their values can be used afterwards, whether they are returned or not. */
  #recompute(body: readonly Statement[], choice: number): void {
    const { values } = this.#levels.at(-1)!;
    recompute(() => {
      const before = values.length;
      for (const statement of body) this.#atOnce(statement);
      return values
        .slice(before)
        .filter((_, i) => (choice >> i) % 2 === 0)
        .map(({ t }) => t);
    });
  }

  #insideAtOnce(scope: Scope, body: readonly Statement[]): void {
    const level: Level = { scope, values: [], kept: [] };
    this.#levels.push(level);
    try {
      for (const statement of body) this.#atOnce(statement);
    } finally {
      this.#leave(level);
    }
    this.#handOn(level);
  }

  async #inside(scope: Scope, body: readonly Statement[]): Promise<void> {
    const level: Level = { scope, values: [], kept: [] };
    this.#levels.push(level);
    try {
      for (const statement of body) await this.#statement(statement);
    } finally {
      this.#leave(level);
    }
    this.#handOn(level);
  }

  #leave({ scope }: Level): void {
    this.#levels.pop();
    scope[Symbol.dispose]();
  }

  #handOn({ kept }: Level): void {
    if (!this.#levels.some((each) => each.scope instanceof Tape)) this.#facts.outside = true;
    this.#levels.at(-1)?.values.push(...new Set(kept));
  }

  /** Only what is recorded at once can stand in `compute`. */
  async #compute(body: readonly Statement[]): Promise<void> {
    let want: Pair[] = [];
    const read = compute(() => {
      const level: Level = { scope: new Scope(), values: [], kept: [] };
      this.#levels.push(level);
      try {
        for (const { kind, a, b, c } of body) if (kind === "op") this.#op(a, b, c);
        want = level.values.slice(-2);
        for (const { t } of want) keep(t);
      } finally {
        this.#levels.pop();
        level.scope[Symbol.dispose]();
      }
      return want.map(({ t }) => t);
    });
    const expected = want.map(({ n }) => n.data);
    for (const [i, got] of (await read).entries()) this.#same(got, expected[i], "compute");
  }

  #change(kind: "assign" | "assignPart" | "update", { t, nodes }: Parameter, seed: number): void {
    this.#facts.changed = true;
    const data = Float32Array.from(nodes.at(-1)!.data);
    const fresh = draw(seed, t.numel);
    if (kind === "assign") {
      data.set(fresh);
      assign(t, data);
    } else if (kind === "assignPart") {
      const from = seed % t.numel;
      data.set(fresh.subarray(from), from);
      assignPart(t, from, fresh.slice(from));
    } else {
      for (let i = 0; i < data.length; i++) data[i] -= 0.25 * fresh[i];
      k.sgd(t.reshape([-1]), tensor(fresh), tensor(zeros([t.numel])), tensor([1], []), { lr: 0.25, momentum: 0 });
    }
    nodes.push(constant(t.shape, data));
  }

  // ---- gradients --------------------------------------------------------------------------------------------------

  #tape(choice: number): Tape | undefined {
    const tapes = this.#levels.map(({ scope }) => scope).filter((scope) => scope instanceof Tape);
    return tapes[choice % Math.max(tapes.length, 1)] as Tape | undefined;
  }

  /** The reference's Σ ⟨upstream, output⟩, differentiated. */
  #backward(outputs: readonly Pair[], upstream: readonly ArrayLike<number>[]): void {
    for (const { nodes } of this.#parameters) for (const node of nodes) node.grad.fill(0);
    for (const { n } of this.#values) n.grad.fill(0);
    outputs
      .map(({ n }, i) => ref.dot(n, upstream[i]))
      .reduce((x, y) => ref.add(x, y))
      .backward();
  }

  /** The gradient of a parameter by all its contents; nothing flows to frozen ones. */
  #gradientOf({ t, nodes }: Parameter): Float64Array {
    const sum = new Float64Array(t.numel);
    if (t !== this.of.frozen) for (const { grad } of nodes) for (let i = 0; i < sum.length; i++) sum[i] += grad[i];
    return sum;
  }

  /** What a program differentiates: some of its values, one of them perhaps twice or in another shape. */
  #outputs(a: number, b: number): Pair[] {
    const first = this.#value(a);
    const again = [first, { t: first.t.reshape([-1]), n: first.n.reshape(first.t.numel) }, this.#value(b)];
    return b % 4 === 3 ? [first] : [first, again[b % 4]];
  }

  #gradients(kind: "gradients" | "vjp", a: number, b: number, c: number): Found[] {
    const tape = this.#tape(c);
    if (!tape) return [];
    const outputs = kind === "vjp" ? this.#outputs(a, b) : [this.#value(a)];
    const upstream = outputs.map(({ t }, i) => (c % 2 ? draw(c + i, t.numel) : new Float32Array(t.numel).fill(1)));
    this.#backward(outputs, upstream);
    const want = this.#parameters.map((each) => this.#gradientOf(each));
    const middle = this.#value(c);
    const along = middle.parameter ? undefined : this.#alike(middle);
    const found =
      kind === "vjp"
        ? tape.vjp(
            outputs.map(({ t }) => t),
            c % 2 ? upstream.map((data, i) => tensor(data, outputs[i].t.shape)) : undefined,
          )
        : tape.gradients(k.sum(c % 2 ? k.mul(outputs[0].t, tensor(upstream[0], outputs[0].t.shape)) : outputs[0].t));
    const all = this.#parameters.map(({ t, name }, i): Found => {
      return { get: () => found.get(t), want: want[i], what: `gradient of ${name}` };
    });
    if (along) all.push({ get: () => found.get(middle.t), want: along, what: "gradient of a value on the way" });
    return all;
  }

  /** The gradient of a value: that of all views of it. Constants have none. */
  #alike({ t }: Pair): Float64Array | undefined {
    if (!t.value.needsGrad) return undefined;
    const nodes = new Set(this.#values.filter((each) => each.t.value === t.value).map(({ n }) => n));
    return nodes.size === 1 ? [...nodes][0].grad.slice() : undefined;
  }

  /** Adds to the places of the group, twice, and looks at them. */
  #accumulate(a: number, b: number, c: number): Found[] {
    const tape = this.#tape(c);
    if (!tape) return [];
    const outputs = this.#outputs(a, b);
    const upstream = outputs.map(({ t }, i) => draw(c + i, t.numel));
    this.#backward(outputs, upstream);
    const tensors = upstream.map((data, i) => tensor(data, outputs[i].t.shape));
    const { shard, grouped } = this.of;
    shard.spend();
    for (let part = 0; part < 2; part++)
      tape.accumulate(
        outputs.map(({ t }) => t),
        tensors,
      );
    return grouped.flatMap((t, i): Found[] => {
      if (!t.value.grad!.fresh) return [];
      const want = this.#gradientOf(this.#parameters.find((each) => each.t === t)!).map((v) => 2 * v);
      return [{ get: () => shard.part(shard.gradients, i), want, what: "accumulated gradient" }];
    });
  }

  // ---- ops --------------------------------------------------------------------------------------------------------

  /** Records an op on values whose shapes fit; where numbers grow, tanh brings them back. */
  #op(a: number, b: number, c: number): void {
    const x = this.#value(a);
    const made = this.#apply(x, b, c);
    if (!made) return;
    const [t, n] = made;
    const grows = most(n.data) >= 6;
    this.#push(grows ? k.tanh(t) : t, grows ? tanh(n) : n);
  }

  #apply(x: Pair, b: number, c: number): [Tensor, ref.Node] | undefined {
    const ops = [
      () => [k.tanh(x.t), tanh(x.n)],
      () => [k.square(x.t), ref.mul(x.n, x.n)],
      () => [k.gelu(x.t), ref.gelu(x.n)],
      () => [k.sigmoid(x.t), ref.sigmoid(x.n)],
      () => [k.scale(x.t, { factor: -0.5 }), ref.times(x.n, -0.5)],
      () => this.#twoSided(x, c, k.add, ref.add),
      () => this.#twoSided(x, c, k.mul, ref.mul),
      () => this.#twoSided(x, c, k.sub, (p, q) => ref.add(p, ref.times(q, -1))),
      () => this.#twoSided(x, c, k.mul, ref.mul),
      () => this.#matmul(x, c),
      () => this.#rows(x, ({ t, n }) => [k.transpose(t), ref.transpose(n)]),
      () => this.#rows(x, ({ t, n }) => [k.softmax(t), ref.softmax(n)]),
      () => this.#layernorm(x, c),
      () => this.#slice(x, c),
      () => this.#concat(x, c),
      () => this.#reduce(x, c),
    ] as (() => [Tensor, ref.Node] | undefined)[];
    return ops[b % ops.length]();
  }

  #rows(x: Pair, f: (x: Pair) => [Tensor, ref.Node]): [Tensor, ref.Node] | undefined {
    return x.t.shape.length === 2 ? f({ t: x.t, n: x.n.reshape(...x.t.shape) }) : undefined;
  }

  /** With a value of the same shape, or one whose shape is the last axis. */
  #twoSided(
    x: Pair,
    choice: number,
    f: (a: Tensor, b: Tensor) => Tensor,
    g: (a: ref.Node, b: ref.Node) => ref.Node,
  ): [Tensor, ref.Node] {
    const fits = this.#values.filter(
      ({ t: { shape } }) =>
        `${shape}` === `${x.t.shape}` || (shape.length === 1 && x.t.shape.length === 2 && shape[0] === x.t.shape[1]),
    );
    const y = fits[choice % fits.length];
    return [f(x.t, y.t), g(x.n, y.n)];
  }

  #matmul(x: Pair, choice: number): [Tensor, ref.Node] | undefined {
    if (x.t.shape.length !== 2) return undefined;
    const fits = this.#values.filter(({ t: { shape } }) => shape.length === 2 && shape[1] === x.t.shape[1]);
    const y = fits[choice % fits.length];
    const [[R, I], [C]] = [x.t.shape, y.t.shape];
    const product = ref.products(x.n.reshape(1, R, I), y.n.reshape(1, C, I)).reshape(R, C);
    return [k.matmulNT(x.t, y.t), product];
  }

  #layernorm(x: Pair, choice: number): [Tensor, ref.Node] | undefined {
    const D = x.t.shape.at(-1);
    if (D !== 4 || minDeviation(x.n.data, D) < 0.1) return undefined;
    const fours = this.#values.filter(({ t: { shape } }) => shape.length === 1 && shape[0] === 4);
    const [gain, bias] = [fours[choice % fours.length], fours[(choice >> 3) % fours.length]];
    return [k.layernorm(x.t, gain.t, bias.t), ref.layerNorm(x.n.reshape(...x.t.shape), gain.n, bias.n)];
  }

  #slice(x: Pair, choice: number): [Tensor, ref.Node] {
    const [rows] = x.t.shape.length ? x.t.shape : [1];
    const start = choice % rows;
    const end = start + 1 + ((choice >> 4) % (rows - start));
    const t = x.t.shape.length ? x.t : x.t.reshape([1]);
    const width = t.numel / rows;
    const places = Array.from({ length: end - start }, (_, i) => start + i);
    return [k.slice(t, start, end), ref.take(x.n, places, width, [end - start, ...t.shape.slice(1)])];
  }

  #concat(x: Pair, choice: number): [Tensor, ref.Node] | undefined {
    const fits = this.#values.filter(
      ({ t: { shape } }) => shape.length === x.t.shape.length && `${shape.slice(1)}` === `${x.t.shape.slice(1)}`,
    );
    const y = fits[choice % fits.length];
    if (x.t.shape.length === 0 || x.t.numel + y.t.numel > 48) return undefined;
    const width = x.t.numel / x.t.shape[0];
    const joined = ref.append(x.n.reshape(1, x.t.shape[0], width), y.n.reshape(1, y.t.shape[0], width));
    return [k.concat([x.t, y.t]), joined.reshape(x.t.shape[0] + y.t.shape[0], ...x.t.shape.slice(1))];
  }

  #reduce(x: Pair, choice: number): [Tensor, ref.Node] {
    const n = x.t.numel;
    const all = (factor: number) => ref.dot(x.n, new Float64Array(n).fill(factor));
    if (x.t.shape.length !== 2 || choice % 3 === 0) return [k.mean(x.t), all(1 / n)];
    const [R, C] = x.t.shape;
    if (choice % 3 === 1) return [k.mean(x.t, 0), ref.mean(x.n.reshape(1, R, C)).reshape(C)];
    return [k.sum(x.t, 1), ref.times(ref.mean(x.n.reshape(R, C, 1)), C).reshape(R)];
  }
}

const tanh = (x: ref.Node): ref.Node => ref.map(x, Math.tanh, (v) => 1 - Math.tanh(v) ** 2);

/** The smallest standard deviation among rows of D. */
function minDeviation(data: Float64Array, D: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let at = 0; at < data.length; at += D) {
    const row = data.subarray(at, at + D);
    const mean = row.reduce((sum, v) => sum + v, 0) / D;
    least = Math.min(least, Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / D));
  }
  return least;
}
