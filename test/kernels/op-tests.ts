// The tests that follow from an op's declaration. test/kernels/ops.test.ts runs them for every op of the registry; `checkOp` for one.
import fc from "fast-check";
import * as assert from "uvu/assert";
import { type Gpu, Scope, ShapeError, tensor } from "../../engine/index.ts";
import { Guard } from "../../engine/device/guard.ts";
import { call } from "../../engine/record/op.ts";
import { useRunner } from "../../engine/record/runner.ts";
import type { Attrs } from "../../engine/declare/pass.ts";
import { type Dtype, isWholeType, numelOf } from "../../engine/declare/signature.ts";
import {
  alternatives,
  attrsOf,
  type Case,
  casesOf,
  drawInputs,
  drawUpstream,
  fullSizes,
  near,
  offered,
  type Op,
  runOp,
  shapeFor,
  slopesAgree,
  halved,
  held,
  typeOf,
  wanted,
  uniform,
} from "./derive.ts";
import { type Races, raceClaim, tell } from "./race-claim.ts";
import { readOptions } from "./check-options.ts";
import { type Claim, type ClaimOptions, testClaim } from "./replay.ts";

/** One derived test: a sentence that is true of the op, and its proof. */
export interface OpTest {
  /** "<op>: <claim>" */
  readonly name: string;
  /** The sentence alone. */
  readonly claim: string;
  /** Proves it at its cases. Errors: ClaimError with the smallest case that fails. */
  run(): Promise<void>;
}

/** A claim about an op at its cases, as most are. */
const claim = (sentence: string, cases: fc.Arbitrary<Case>, runs: number, holds: (c: Case) => Promise<void>) =>
  claimOf({ sentence, cases, runs, holds, at: (c) => [c], caseOf: (c) => c });

/** Any claim, whatever it draws. */
const claimOf = <C>(made: Claim<C>): Claim<unknown> => made as Claim<unknown>;

/** What is claimed of an op, in the order in which a fault is easiest to read. */
function claimsOf(op: Op, gpu: Gpu, noRace: Claim<Case>): Claim<unknown>[] {
  const slopes = op.differentiable.size > 0;
  const shared = sharedAxis(op);
  return [
    claimOf(noRace),
    claim("the kernel computes its reference, and writes nothing else", casesOf(op), runsFor(op, 16), (c) =>
      forward(op, c, gpu),
    ),
    ...given(openInputs(op, op.attrs).length > 0, () =>
      claimOf<OddCase>({
        sentence: "NaN and infinities reach the outputs as in the reference",
        cases: oddCases(op),
        runs: runsFor(op, 12),
        holds: (odd) => nonFinite(op, odd, gpu),
        at: (c) => oddAt(op, c),
        caseOf: ({ c }) => c,
      }),
    ),
    ...given(slopes, () =>
      claim("NaN from behind reaches every gradient", casesOf(op, 3000), 2, (c) => fromBehind(op, c, gpu)),
    ),
    claim("two runs give the same bits", casesOf(op), 3, (c) => sameBits(op, c)),
    ...alternatives(op).flatMap((name) => {
      const takes = (c: Case) => offered(op, name, gpu.facts, c);
      return given(fc.sample(casesOf(op), { numRuns: 200, seed: 1 }).some(takes), () =>
        claimOf<Case>({
          sentence: `${name} computes the reference and its slope`,
          cases: casesOf(op).filter(takes),
          runs: 8,
          holds: (c) => alternative(op, name, c, gpu),
          at: (c) => [c].filter(takes),
          caseOf: (c) => c,
        }),
      );
    }),
    ...given(slopes, () =>
      claim("the gradient is the slope of the reference", casesOf(op, 3000), runsFor(op, 12), (c) => slope(op, c, gpu)),
    ),
    ...given(op.differentiable.size > 1, () =>
      claim("a gradient alone is that among all", casesOf(op, 3000), 2, (c) => alone(op, c, gpu)),
    ),
    ...op.storage
      .filter(isWholeType)
      .map((T) =>
        claim(`${T} storage computes the reference exactly, modulo 2^32`, casesHeld(op, T), runsFor(op, 12), (c) =>
          whole(op, c, gpu, T),
        ),
      ),
    ...given(gpu.facts.f16 && op.storage.includes("f16") && hasT(op), () =>
      claim("f16 storage differs from the reference by its rounding", casesOf(op, 3000), 5, (c) => half(op, c, gpu)),
    ),
    ...given(gpu.facts.f16 && op.storage.includes("f16"), () => halfOnly(op, gpu)),
    ...given(shared !== undefined, () =>
      claimOf<undefined>({
        sentence: "a disagreeing axis is a ShapeError that names the op",
        cases: fc.constant(undefined),
        runs: 1,
        holds: async () => disagree(op, shared!),
        at: () => [undefined],
        caseOf: () => undefined,
      }),
    ),
  ];
}

/** The smallest of the kernels for half precision alone, those of matrices; matrices.test.ts has the others. */
function halfOnly(op: Op, gpu: Gpu): Claim<unknown>[] {
  const takes = (name: string) => (c: Case) =>
    offered(op, name, gpu.facts, c, "f16") && !offered(op, name, gpu.facts, c);
  const name = alternatives(op).find((each) => fc.sample(casesOf(op), { numRuns: 200, seed: 1 }).some(takes(each)));
  if (name === undefined) return [];
  const holds = async (c: Case) => {
    gpu.forced.add(name);
    try {
      await half(op, c, gpu);
    } finally {
      gpu.forced.delete(name);
    }
  };
  const sentence = `${name} of f16 storage differs from the reference by its rounding`;
  return [claim(sentence, casesOf(op, 3000).filter(takes(name)), 3, holds)];
}

const hasT = ({ sig }: Op): boolean => [...sig.inputs, ...sig.outputs].some(({ dtype }) => dtype === "T");

const given = (holds: boolean, make: () => Claim<unknown> | Claim<unknown>[]): Claim<unknown>[] =>
  holds ? [make()].flat() : [];

/**
 * The tests of one op, in the order in which a fault is easiest to read; all, or those that `options` ask for. They draw the same
 * cases in each run. Each throws a ClaimError, whose last line repeats it. Errors: UsageError for options that are none.
 */
export const testsOf = (op: Op, gpu: Gpu, options: ClaimOptions = {}): OpTest[] => examined(op, gpu, options).tests;

/** The same, with what the interpreter found of races when they have run. */
export function examined(op: Op, gpu: Gpu, options: ClaimOptions): { tests: OpTest[]; races: () => Races } {
  const { claim: noRace, races } = raceClaim(op);
  const claims = claimsOf(op, gpu, noRace);
  const replay = readOptions(
    op,
    options,
    claims.map(({ sentence }) => sentence),
  );
  const wanted = claims.filter(({ sentence }) => replay.claim === undefined || sentence === replay.claim);
  const tests = wanted.map((each) => ({
    name: `${op.name}: ${each.sentence}`,
    claim: each.sentence,
    run: async () => {
      useRunner(gpu); // whichever GPU was opened last
      await testClaim(op, each, replay);
      if (each.sentence === noRace.sentence) tell(op, races());
    },
  }));
  return { tests, races };
}

const runsFor = (op: Op, runs: number): number => runs * Math.min(3, Math.max(1, op.test.attrs?.length ?? 1));

/**
 * Every value in memory of its own, which holds NaN before, in every other case a large number: what is not written, a write
 * behind the end, and a read of the padding show.
 */
async function guarded(gpu: Gpu, { seed }: Case, body: () => Promise<void>): Promise<void> {
  const guard = new Guard(gpu, seed % 2);
  useRunner(guard);
  try {
    await body();
  } catch (error) {
    await guard.idle().catch(() => {}); // the values are wrong; what else is wrong does not belong to the next test
    throw error;
  } finally {
    useRunner(gpu);
  }
  await guard.idle();
}

const forward = (op: Op, c: Case, gpu: Gpu): Promise<void> =>
  guarded(gpu, c, async () => {
    const inputs = drawInputs(op, c);
    const { outputs, untouched } = await runOp(op, c, inputs);
    compare(op, c, inputs, outputs, op.test.tolerance ?? 2e-5);
    for (const name in untouched) same(untouched[name], inputs[name], `input ${name} afterwards and before`);
  });

/** Cases whose attributes numbers of the type can hold. */
const casesHeld = (op: Op, T: Dtype): fc.Arbitrary<Case> =>
  casesOf(op).filter((c) => fullSizes(op, { ...c, attrs: attrsOf(op, c.attrs, T) }) !== undefined);

/** Integers: what the reference says, modulo 2^32 (outputs of a type of their own as it is). */
const whole = (op: Op, c: Case, gpu: Gpu, T: Dtype): Promise<void> =>
  guarded(gpu, c, async () => {
    const inputs = drawInputs(op, c, undefined, T);
    const want = wanted(op, c, inputs, T);
    const { outputs } = await runOp(op, c, inputs, { T });
    for (const term of op.sig.outputs)
      same(outputs[term.name], Float64Array.from(want[term.name], held[typeOf(op, term, T)]), term.name);
  });

/** Inputs of floating point that may hold anything; `test.finite` of a declaration tells which may not, and why. */
const openInputs = (op: Op, attrs: Attrs): string[] =>
  op.sig.inputs
    .filter((term) => !isWholeType(typeOf(op, term)) && !op.test.finite?.(attrs as never)[term.name])
    .map(({ name }) => name);

/** What an element of an input may become: where only positive numbers are defined, not −∞. */
const oddValues = (op: Op, input: string): number[] =>
  op.test.draw?.[input] === "positive" ? [NaN, Infinity] : [NaN, Infinity, -Infinity];

/** A case, an input of it, and what one of its elements becomes. */
const oddCases = (op: Op): fc.Arbitrary<OddCase> =>
  casesOf(op, 3000)
    .filter(({ attrs }) => openInputs(op, attrs).length > 0)
    .chain((c) =>
      fc.constantFrom(...openInputs(op, c.attrs)).chain((input) =>
        fc.record({
          c: fc.constant(c),
          input: fc.constant(input),
          value: fc.constantFrom(...oddValues(op, input)),
        }),
      ),
    );

const oddAt = (op: Op, c: Case): OddCase[] =>
  openInputs(op, c.attrs).flatMap((input) => oddValues(op, input).map((value) => ({ c, input, value })));

const kindOf = (x: number): string => (Number.isNaN(x) ? "NaN" : Number.isFinite(x) ? "finite" : String(x));

interface OddCase {
  readonly c: Case;
  readonly input: string;
  readonly value: number;
}

/**
 * One element of one input is not finite: each element of each output is NaN, ∞, −∞ or finite as that of the reference.
 * Health checks count what is not finite, so no kernel may turn it into an ordinary number.
 */
const nonFinite = (op: Op, { c, input, value }: OddCase, gpu: Gpu): Promise<void> =>
  guarded(gpu, c, async () => {
    const inputs = drawInputs(op, c);
    if (inputs[input].length === 0) return;
    const at = Math.floor(uniform(c.seed + 3)() * inputs[input].length);
    inputs[input][at] = value;
    const want = wanted(op, c, inputs);
    const { outputs } = await runOp(op, c, inputs);
    for (const { name } of op.sig.outputs)
      for (let i = 0; i < outputs[name].length; i++) {
        const [got, expected] = [kindOf(outputs[name][i]), kindOf(Math.fround(want[name][i]))];
        assert.is(
          got,
          expected,
          `${input}[${at}] is ${value}: ${name}[${i}] is ${outputs[name][i]}, expected ${expected}`,
        );
      }
  });

/** Upstream NaN: no gradient that is other than 0 for finite numbers stays finite. */
const fromBehind = (op: Op, c: Case, gpu: Gpu): Promise<void> =>
  guarded(gpu, c, async () => {
    const inputs = drawInputs(op, c);
    const upstream = drawUpstream(op, c);
    const healthy = (await runOp(op, c, inputs, { upstream })).gradients;
    for (const name in upstream) upstream[name].fill(NaN);
    const { gradients } = await runOp(op, c, inputs, { upstream });
    for (const name in gradients)
      for (let i = 0; i < gradients[name].length; i++)
        if (healthy[name][i] !== 0)
          assert.ok(Number.isNaN(gradients[name][i]), `d${name}[${i}] is ${gradients[name][i]} where dy is NaN`);
  });

function compare(
  op: Op,
  c: Case,
  inputs: Record<string, Float64Array>,
  outputs: Record<string, Float64Array>,
  tolerance: number,
  T?: Dtype,
): void {
  const want = wanted(op, c, inputs, T);
  for (const { name } of op.sig.outputs) near(outputs[name], want[name], tolerance, `${op.name} ${name}`);
}

async function sameBits(op: Op, c: Case): Promise<void> {
  const inputs = drawInputs(op, c);
  const upstream = op.differentiable.size ? drawUpstream(op, c) : undefined;
  const [a, b] = [await runOp(op, c, inputs, { upstream }), await runOp(op, c, inputs, { upstream })];
  for (const kind of ["outputs", "gradients"] as const)
    for (const name in a[kind]) same(a[kind][name], b[kind][name], `${name} of two runs`);
}

/** Bit by bit, with NaN equal to itself. */
function same(got: Float64Array, want: Float64Array, what: string): void {
  const at = got.findIndex((value, i) => !Object.is(value, want[i]));
  assert.ok(at < 0 && got.length === want.length, `${what}: [${at}] is ${got[at]} and ${want[at]}`);
}

async function alternative(op: Op, name: string, c: Case, gpu: Gpu): Promise<void> {
  gpu.forced.add(name);
  try {
    await forward(op, c, gpu);
    if (op.differentiable.size) await slope(op, c, gpu);
    const input = openInputs(op, c.attrs)[0];
    if (input && numelOf(op.sig.inputs.find(({ name }) => name === input)!, fullSizes(op, c)!) <= 3000)
      await nonFinite(op, { c, input, value: NaN }, gpu);
  } finally {
    gpu.forced.delete(name);
  }
}

const slope = (op: Op, c: Case, gpu: Gpu): Promise<void> =>
  guarded(gpu, c, async () => {
    const inputs = drawInputs(op, c);
    const upstream = drawUpstream(op, c);
    const { gradients } = await runOp(op, c, inputs, { upstream });
    slopesAgree(op, c, inputs, upstream, gradients);
  });

/** Passes that only other gradients need are left out; what remains gives the same bits. */
async function alone(op: Op, c: Case, gpu: Gpu): Promise<void> {
  const inputs = drawInputs(op, c);
  const upstream = drawUpstream(op, c);
  const { gradients } = await runOp(op, c, inputs, { upstream });
  const all = gpu.last.launches;
  for (const name of op.differentiable) {
    const found = await runOp(op, c, inputs, { upstream, wanted: [name] });
    same(found.gradients[name], gradients[name], `d${name} alone and among all`);
    assert.ok(gpu.last.launches <= all, `d${name} alone takes ${gpu.last.launches} launches, all gradients ${all}`);
  }
}

const half = (op: Op, c: Case, gpu: Gpu): Promise<void> =>
  guarded(gpu, c, async () => {
    const inputs = drawInputs(op, c, halved);
    const upstream = op.differentiable.size ? drawUpstream(op, c, halved) : undefined;
    const { outputs, gradients } = await runOp(op, c, inputs, { upstream, T: "f16" });
    // results are rounded once to 11 bits; intermediates stored as f16 (saved activations) add the same again
    compare(op, c, inputs, outputs, Math.max(4e-3, op.test.tolerance ?? 0), "f16");
    if (upstream) slopesAgree(op, c, inputs, upstream, gradients, 1e-2);
  });

/** Two inputs that share an axis, and that axis. */
function sharedAxis(op: Op): { second: number; axis: number } | undefined {
  for (const [second, term] of op.sig.inputs.entries())
    for (const [axis, letter] of term.axes.entries())
      if (letter >= "A" && op.sig.inputs.slice(0, second).some(({ axes }) => axes.includes(letter)))
        return { second, axis };
  return undefined;
}

function disagree(op: Op, { second, axis }: { second: number; axis: number }): void {
  const sizes = Object.fromEntries(op.axes.map((letter) => [letter, 4]));
  using scope = new Scope();
  const args = op.sig.inputs.map((term, i) => {
    const shape = shapeFor(term, sizes);
    if (i === second) shape[axis === 0 ? 0 : shape.length - term.axes.length + axis] += 1;
    const numel = shape.reduce((a, b) => a * b, 1);
    return tensor(new Float32Array(numel), shape, typeOf(op, term));
  });
  assert.throws(
    () => call(op, args),
    (error: unknown) => error instanceof ShapeError && error.message.startsWith(`${op.name}: `),
  );
  void scope;
}
