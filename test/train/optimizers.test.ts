// Every optimiser over twelve steps against the same rule in float64: random groups, rates, decays and limits, gradients that are
// clipped, members that a step leaves out, and steps that are not finite and so change nothing.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { assign, compute, declare, Scope, type Shard, type Tensor, tensor, UsageError } from "../../engine/index.ts";
import { newtonSchulz } from "../../kernels/index.ts";
import { allocate, type Group } from "../../model/params.ts";
import { Adam, AdamW, Lion, Muon, type Optimizer, SGD } from "../../train/index.ts";
import { gaussian, sharedGpu, uniform } from "../kernels/derive.ts";

await sharedGpu();

/** What the rule of one member is told at a step. */
interface At {
  readonly step: number;
  readonly lr: number;
  readonly decay: number;
  /** [rows, columns], or [length]. */
  readonly shape: readonly number[];
}

/** Moves p along the clipped gradient g; `s` are the moments, zero at first. */
type Rule = (p: Float64Array, g: Float64Array, s: Float64Array[], at: At) => void;

const adamRule =
  (beta1: number, beta2: number, eps: number, coupled: boolean): Rule =>
  (p, g, [m, v], at) => {
    for (let i = 0; i < p.length; i++) {
      const grad = coupled ? g[i] + at.decay * p[i] : g[i];
      m[i] = beta1 * m[i] + (1 - beta1) * grad;
      v[i] = beta2 * v[i] + (1 - beta2) * grad * grad;
      const by = m[i] / (1 - beta1 ** at.step) / (Math.sqrt(v[i] / (1 - beta2 ** at.step)) + eps);
      p[i] -= at.lr * (by + (coupled ? 0 : at.decay * p[i]));
    }
  };

const sgdRule =
  (momentum: number, nesterov: boolean): Rule =>
  (p, g, [b], { lr, decay }) => {
    for (let i = 0; i < p.length; i++) {
      const grad = g[i] + decay * p[i];
      b[i] = momentum * b[i] + grad;
      p[i] -= lr * (nesterov ? grad + momentum * b[i] : b[i]);
    }
  };

const lionRule =
  (beta1: number, beta2: number): Rule =>
  (p, g, [m], { lr, decay }) => {
    for (let i = 0; i < p.length; i++) {
      const by = Math.sign(beta1 * m[i] + (1 - beta1) * g[i]);
      m[i] = beta2 * m[i] + (1 - beta2) * g[i];
      p[i] -= lr * (by + decay * p[i]);
    }
  };

/** Jordan's zeropower_via_newtonschulz5, transposing where he does. */
function orthogonal(x: Float64Array, rows: number, columns: number): Float64Array {
  if (rows > columns) return turned(orthogonal(turned(x, rows, columns), columns, rows), columns, rows);
  const norm = Math.hypot(...x) + 1e-7;
  let X = x.map((value) => value / norm);
  for (let step = 0; step < 5; step++) {
    const A = times(X, turned(X, rows, columns), rows, columns, rows);
    const AA = times(A, A, rows, rows, rows);
    const BX = times(
      A.map((v, i) => -4.775 * v + 2.0315 * AA[i]),
      X,
      rows,
      rows,
      columns,
    );
    X = X.map((v, i) => 3.4445 * v + BX[i]);
  }
  return X;
}

const turned = (x: Float64Array, rows: number, columns: number) =>
  Float64Array.from(x, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]);

function times(a: Float64Array, b: Float64Array, rows: number, inner: number, columns: number): Float64Array {
  const y = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++)
    for (let k = 0; k < inner; k++)
      for (let c = 0; c < columns; c++) y[r * columns + c] += a[r * inner + k] * b[k * columns + c];
  return y;
}

const muonRule = (beta: number, nesterov: boolean, adjust: "original" | "match_rms_adamw"): Rule => {
  const others = adamRule(0.9, 0.95, 1e-10, false);
  return (p, g, s, at) => {
    if (at.shape.length !== 2) return others(p, g, s, at);
    const [m] = s;
    const [rows, columns] = at.shape;
    for (let i = 0; i < m.length; i++) m[i] += (1 - beta) * (g[i] - m[i]);
    const o = orthogonal(nesterov ? m.map((v, i) => g[i] + beta * (v - g[i])) : m, rows, columns);
    const by = adjust === "original" ? Math.max(1, rows / columns) ** 0.5 : 0.2 * Math.max(rows, columns) ** 0.5;
    for (let i = 0; i < p.length; i++) p[i] = p[i] * (1 - at.lr * at.decay) - at.lr * by * o[i];
  };
};

/** An optimiser, how it is made, its rule, and the error of one step in float32, in rates. */
interface Kind {
  readonly name: string;
  readonly moments: number | ((group: Group) => number);
  readonly make: (
    groups: Group[],
    shards: Map<string, Shard[]>,
    of: { decay: number | Record<string, number>; clip: number },
  ) => Optimizer;
  readonly rule: Rule;
}

const kinds: Kind[] = [
  {
    name: "AdamW",
    moments: AdamW.moments,
    make: (g, s, of) => new AdamW(g, s, { beta1: 0.8, beta2: 0.9, eps: 1e-6, ...of }),
    rule: adamRule(0.8, 0.9, 1e-6, false),
  },
  {
    name: "Adam",
    moments: Adam.moments,
    make: (g, s, of) => new Adam(g, s, of),
    rule: adamRule(0.9, 0.999, 1e-8, true),
  },
  { name: "SGD", moments: SGD.moments, make: (g, s, of) => new SGD(g, s, of), rule: sgdRule(0, false) },
  {
    name: "SGD with momentum",
    moments: SGD.moments,
    make: (g, s, of) => new SGD(g, s, { momentum: 0.9, ...of }),
    rule: sgdRule(0.9, false),
  },
  {
    name: "SGD after Nesterov",
    moments: SGD.moments,
    make: (g, s, of) => new SGD(g, s, { momentum: 0.8, nesterov: true, ...of }),
    rule: sgdRule(0.8, true),
  },
  { name: "Lion", moments: Lion.moments, make: (g, s, of) => new Lion(g, s, of), rule: lionRule(0.9, 0.99) },
  {
    name: "Muon",
    moments: Muon.moments,
    make: (g, s, of) => new Muon(g, s, of),
    rule: muonRule(0.95, true, "original"),
  },
  {
    name: "Muon, scaled to AdamW, without Nesterov",
    moments: Muon.moments,
    make: (g, s, of) => new Muon(g, s, { momentum: 0.8, nesterov: false, adjustLr: "match_rms_adamw", ...of }),
    rule: muonRule(0.8, false, "match_rms_adamw"),
  },
];

const steps = 12;

/** A run of an optimiser: what is drawn. */
interface Run {
  readonly seed: number;
  readonly matrices: readonly (readonly number[])[];
  readonly vectors: readonly number[];
  readonly clip: number;
  readonly decay: "all alike" | "by group";
  /** Steps that have a NaN or an infinity somewhere. */
  readonly bad: readonly number[];
}

const runs: fc.Arbitrary<Run> = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 30 }),
  matrices: fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })), {
    minLength: 1,
    maxLength: 3,
  }),
  vectors: fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 3 }),
  clip: fc.constantFrom(0.5, 5, Infinity),
  decay: fc.constantFrom("all alike" as const, "by group" as const),
  bad: fc.uniqueArray(fc.integer({ min: 1, max: steps }), { maxLength: 2 }),
});

/** A parameter on the device and in float64. */
interface Member {
  readonly name: string;
  readonly group: string;
  readonly device: Tensor;
  readonly p: Float64Array;
  readonly s: Float64Array[];
}

async function follow(kind: Kind, { seed, matrices, vectors, clip, decay, bad }: Run): Promise<void> {
  const random = uniform(seed);
  const draw = (n: number, size = 1) => Float32Array.from({ length: n }, () => size * gaussian(random));
  const declared = (group: string, shape: readonly number[], i: number) =>
    [`${group}.${i}`, declare(shape)] as [string, Tensor];
  const groups: Group[] = [
    { name: "matrices", members: matrices.map((shape, i) => declared("matrices", shape, i)), decay: true },
    { name: "vectors", members: vectors.map((size, i) => declared("vectors", [size], i)), decay: false },
    { name: "bounded", members: [declared("bounded", [], 0)], decay: false, range: { least: -0.01, most: 0.02 } },
  ];
  const rates: Record<string, number> = { matrices: 0.02, vectors: 0.005, bounded: 0.01 };
  const decays: Record<string, number> =
    decay === "by group" ? { matrices: 0.3, vectors: 1, bounded: 0 } : { matrices: 0.5, vectors: 0, bounded: 0 };
  const shards = allocate(groups, kind.moments);
  const optimizer = kind.make(groups, shards, { decay: decay === "by group" ? decays : 0.5, clip });
  const members = groups.flatMap(({ name: group, members }) =>
    members.map(([name, device]): Member => {
      const start = group === "bounded" ? new Float32Array(1) : draw(device.numel);
      assign(device, start);
      const p = Float64Array.from(start);
      return { name, group, device, p, s: [p.map(() => 0), p.map(() => 0)] };
    }),
  );
  for (let step = 1; step <= steps; step++) {
    const used = members.filter(() => random() < 0.8);
    if (used.length === 0) used.push(members[0]);
    const gradients = used.map(({ device }) => draw(device.numel, 2));
    const isBad = bad.includes(step);
    const norm = Math.hypot(...gradients.flatMap((g) => [...g]));
    if (isBad) gradients[0][0] = step % 2 ? Number.NaN : Number.POSITIVE_INFINITY;
    for (const [i, { device }] of used.entries()) give(shards, device, gradients[i]);
    const health = await stepped(optimizer, step, rates);
    assert.is(health.bad, isBad ? 1 : 0, `bad of step ${step}`);
    if (!isBad) {
      assert.ok(Math.abs(health.norm - norm) <= 1e-5 * norm, `norm of step ${step}: ${health.norm}, expected ${norm}`);
      const factor = Math.min(1, clip / norm);
      for (const [i, { group, device, p, s }] of used.entries()) {
        kind.rule(
          p,
          Float64Array.from(gradients[i], (g) => factor * g),
          s,
          { step, lr: rates[group], decay: decays[group], shape: device.shape },
        );
        if (group === "bounded") p[0] = Math.min(Math.max(p[0], -0.01), 0.02);
      }
    }
    for (const { name, group, device, p } of members) await compare(`${name} at step ${step}`, device, p, rates[group]);
  }
  await compareState(optimizer, members);
  for (const shard of [...shards.values()].flat()) shard.free();
}

/** Puts a gradient where a tape would. */
function give(shards: Map<string, Shard[]>, member: Tensor, gradient: Float32Array): void {
  for (const shard of [...shards.values()].flat()) {
    const at = shard.members.indexOf(member);
    if (at >= 0) assign(shard.part(shard.gradients, at), gradient);
  }
}

async function stepped(optimizer: Optimizer, step: number, lr: Record<string, number>) {
  using scope = new Scope();
  const { norm, bad } = optimizer.step(step, lr);
  const health = { norm: await norm.item(), bad: await bad.item() };
  void scope;
  return health;
}

/** Within the rounding of twelve steps, and a ten-thousandth of a rate. */
async function compare(what: string, device: Tensor, want: Float64Array, rate: number): Promise<void> {
  const got = await device.data();
  for (let i = 0; i < want.length; i++) {
    const room = 5e-7 * (1 + Math.abs(want[i])) + 1e-4 * rate;
    assert.ok(Math.abs(got[i] - want[i]) <= room, `${what}: [${i}] is ${got[i]}, expected ${want[i]}`);
  }
}

async function compareState(optimizer: Optimizer, members: readonly Member[]): Promise<void> {
  const counts = new Map<string, number>();
  for (const [key, moment] of optimizer.state()) {
    const { name, s } = members.find(({ name }) => key.startsWith(`${name}.`))!;
    const k = key.endsWith(".exp_avg_sq") ? 1 : 0;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const got = await moment.data();
    for (let i = 0; i < got.length; i++)
      assert.ok(
        Math.abs(got[i] - s[k][i]) <= 2e-5 * (1 + Math.abs(s[k][i])),
        `${key}: [${i}] is ${got[i]}, expected ${s[k][i]}`,
      );
  }
  assert.is(counts.size, members.length);
}

for (const kind of kinds)
  test(`${kind.name}: twelve steps are those of its rule in float64`, () =>
    fc.assert(
      fc.asyncProperty(runs, (run) => follow(kind, run)),
      { seed: 2022, numRuns: 6 },
    ));

/** Singular values of a [rows, columns], by Jacobi rotations of its columns. */
function singularValues(x: ArrayLike<number>, rows: number, columns: number): number[] {
  const a = Array.from({ length: columns }, (_, c) => Array.from({ length: rows }, (_, r) => x[r * columns + c]));
  const dot = (u: number[], v: number[]) => u.reduce((sum, value, i) => sum + value * v[i], 0);
  for (let sweep = 0; sweep < 40; sweep++)
    for (let i = 0; i < columns; i++)
      for (let j = i + 1; j < columns; j++) {
        const angle = Math.atan2(2 * dot(a[i], a[j]), dot(a[i], a[i]) - dot(a[j], a[j])) / 2;
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        const [u, v] = [a[i], a[j]];
        a[i] = u.map((value, r) => cos * value + sin * v[r]);
        a[j] = v.map((value, r) => cos * value - sin * u[r]);
      }
  return a
    .map((column) => Math.sqrt(dot(column, column)))
    .sort((p, q) => q - p)
    .slice(0, Math.min(rows, columns));
}

for (const [rows, columns] of [
  [5, 5],
  [7, 3],
  [3, 20],
])
  test(`newtonSchulz brings the singular values of a [${rows}, ${columns}] near 1`, async () => {
    const random = uniform(rows);
    const x = Float32Array.from({ length: rows * columns }, () => 1e-3 * gaussian(random));
    const y = await compute(() => newtonSchulz(tensor(x, [rows, columns])));
    const before = singularValues(x, rows, columns);
    const after = singularValues(y, rows, columns);
    for (const [i, value] of after.entries())
      if (before[i] > 0.1 * before[0]) assert.ok(value > 0.65 && value < 1.25, `${after}`);
    const zero = await compute(() => newtonSchulz(tensor([0, 0, 0, 0], [2, 2])));
    assert.equal(Array.from(zero), [0, 0, 0, 0]);
  });

/** A matrix and a vector, in groups of their own or in one. */
const some = (apart: boolean): Group[] => {
  const [w, b] = [declare([4, 4]), declare([4])];
  if (!apart)
    return [
      {
        name: "all",
        members: [
          ["w", w],
          ["b", b],
        ],
        decay: true,
      },
    ];
  return [
    { name: "w", members: [["w", w]], decay: true },
    { name: "b", members: [["b", b]], decay: false },
  ];
};

test("each optimiser says how many moments it needs, and refuses fewer", () => {
  const needed = [AdamW, Adam, SGD, Lion].map(({ name, moments }) => `${name} ${moments}`);
  assert.equal(needed, ["AdamW 2", "Adam 2", "SGD 1", "Lion 1"]);
  assert.equal(
    some(true).map((group) => Muon.moments(group)),
    [1, 2],
  );
  for (const kind of [AdamW, Adam, SGD, Lion, Muon]) {
    const groups = some(true);
    const refused = (error: Error) =>
      error instanceof UsageError && /memory for 0 moments.*allocate\(groups, \w+\.moments\)/.test(error.message);
    assert.throws(() => new kind(groups, allocate(groups, 0)), refused);
    assert.throws(() => new kind(groups, new Map()), /the group w has no memory/);
  }
});

test("Muon takes groups of matrices, and AdamW those that are named; one of both kinds is refused", () => {
  const mixed = some(false);
  assert.throws(() => allocate(mixed, Muon.moments), /the group all has matrices, and 1 of other than two axes \(b\)/);
  const settings = { adamwGroups: ["all"] };
  const optimizer = new Muon(
    mixed,
    allocate(mixed, (group) => Muon.moments(group, settings)),
    settings,
  );
  const keys = [...optimizer.state()].map(([key]) => key);
  assert.equal(keys, ["w.exp_avg", "w.exp_avg_sq", "b.exp_avg", "b.exp_avg_sq"]);
  const apart = some(true);
  const shards = allocate(apart, Muon.moments);
  assert.equal(
    [...new Muon(apart, shards).state()].map(([key]) => key),
    ["w.momentum_buffer", "b.exp_avg", "b.exp_avg_sq"],
  );
  assert.throws(() => new Muon(apart, shards, { adamwGroups: ["c"] }), /adamwGroups names c, which is no group/);
});

test("settings that cannot be are refused, and undefined is as not given", () => {
  const groups = some(true);
  const shards = allocate(groups, 2);
  assert.throws(() => new SGD(groups, shards, { nesterov: true }), /nesterov without momentum/);
  assert.throws(() => new Lion(groups, shards, { beta1: 1 }), /beta1 is 1; expected a number from 0 to below 1/);
  assert.throws(() => new Muon(groups, shards, { adjustLr: "none" as never }), /adjustLr is "none"/);
  assert.throws(() => newtonSchulz(groups[1].members[0][1]), /x has shape \[4\]; expected/);
  assert.is(new AdamW(groups, shards, { eps: undefined }).settings.eps, 1e-8);
});

test.run();
