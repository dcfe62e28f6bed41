// The tests that follow from an op's declaration. test/kernels/ops.test.ts runs them for every op of the registry; `checkOp` for one.
import fc from "fast-check";
import * as assert from "uvu/assert";
import { type Gpu, Scope, ShapeError, tensor } from "../../engine/index.ts";
import { Guard } from "../../engine/device/guard.ts";
import { call } from "../../engine/record/op.ts";
import { useRunner } from "../../engine/record/runner.ts";
import type { Attrs } from "../../engine/declare/pass.ts";
import { numelOf } from "../../engine/declare/signature.ts";
import {
  alternatives,
  type Case,
  casesOf,
  check,
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
  uniform,
} from "./derive.ts";

/** One derived test: a sentence that is true of the op, and its proof. */
export interface OpTest {
  readonly name: string;
  run(): Promise<void>;
}

/** The tests of one op, in the order in which a fault is easiest to read. They draw the same cases in each run (SEED=n: others). */
export function testsOf(op: Op, gpu: Gpu): OpTest[] {
  const of = (claim: string, run: () => Promise<void>): OpTest => ({ name: `${op.name}: ${claim}`, run });
  const shared = sharedAxis(op);
  return [
    of("the kernel computes its reference, and writes nothing else", () =>
      check(casesOf(op), (c) => forward(op, c, gpu), runsFor(op, 16)),
    ),
    ...given(openInputs(op, op.attrs).length > 0, () =>
      of("NaN and infinities reach the outputs as in the reference", () =>
        check(oddCases(op), (c) => nonFinite(op, c, gpu), runsFor(op, 12)),
      ),
    ),
    ...given(op.differentiable.size > 0, () =>
      of("NaN from behind reaches every gradient", () => check(casesOf(op, 3000), (c) => fromBehind(op, c, gpu), 2)),
    ),
    of("two runs give the same bits", () => check(casesOf(op), (c) => sameBits(op, c), 3)),
    ...alternatives(op).flatMap((name) => {
      const takes = (c: Case) => offered(op, name, gpu.facts, c);
      return given(fc.sample(casesOf(op), { numRuns: 200, seed: 1 }).some(takes), () =>
        of(`${name} computes the reference and its slope`, () =>
          check(casesOf(op).filter(takes), (c) => alternative(op, name, c, gpu), 8),
        ),
      );
    }),
    ...given(op.differentiable.size > 0, () =>
      of("the gradient is the slope of the reference", () =>
        check(casesOf(op, 3000), (c) => slope(op, c, gpu), runsFor(op, 12)),
      ),
    ),
    ...given(op.differentiable.size > 1, () =>
      of("a gradient alone is that among all", () => check(casesOf(op, 3000), (c) => alone(op, c, gpu), 2)),
    ),
    ...given(gpu.facts.f16 && op.sig.outputs.some(({ dtype }) => dtype === "T"), () =>
      of("f16 storage differs from the reference by its rounding", () =>
        check(casesOf(op, 3000), (c) => half(op, c, gpu), 5),
      ),
    ),
    ...given(shared !== undefined, () =>
      of("a disagreeing axis is a ShapeError that names the op", async () => disagree(op, shared!)),
    ),
  ];
}

const given = (holds: boolean, make: () => OpTest): OpTest[] => (holds ? [make()] : []);

/** Runs all derived tests of an op on an open GPU; `passed` hears the name of each. The first failure is thrown: its message has the smallest case. */
export async function checkOp(op: Op, gpu: Gpu, passed: (name: string) => void = () => {}): Promise<void> {
  for (const { name, run } of testsOf(op, gpu)) {
    await run();
    passed(name);
  }
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

/** Inputs of floating point that may hold anything; `test.finite` of a declaration tells which may not, and why. */
const openInputs = (op: Op, attrs: Attrs): string[] =>
  op.sig.inputs
    .filter(({ name, dtype }) => dtype !== "u32" && dtype !== "i32" && !op.test.finite?.(attrs as never)[name])
    .map(({ name }) => name);

/** A case, an input of it, and what one of its elements becomes; where only positive numbers are defined, not −∞. */
const oddCases = (op: Op) =>
  casesOf(op, 3000)
    .filter(({ attrs }) => openInputs(op, attrs).length > 0)
    .chain((c) =>
      fc.constantFrom(...openInputs(op, c.attrs)).chain((input) => {
        const values = op.test.draw?.[input] === "positive" ? [NaN, Infinity] : [NaN, Infinity, -Infinity];
        return fc.record({ c: fc.constant(c), input: fc.constant(input), value: fc.constantFrom(...values) });
      }),
    );

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
    const want = op.ref(inputs, fullSizes(op, c)!, c.attrs);
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
): void {
  const want = op.ref(inputs, fullSizes(op, c)!, c.attrs);
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
    compare(op, c, inputs, outputs, Math.max(4e-3, op.test.tolerance ?? 0));
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
    return tensor(new Float32Array(numel), shape, term.dtype === "T" ? "f32" : term.dtype);
  });
  assert.throws(
    () => call(op, args),
    (error: unknown) => error instanceof ShapeError && error.message.startsWith(`${op.name}: `),
  );
  void scope;
}
