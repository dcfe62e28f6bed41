// The tests that follow from an op's declaration. test/ops.test.ts runs them for every op of the registry; `checkOp` for one.
import * as assert from "uvu/assert";
import { type Gpu, Scope, ShapeError, tensor } from "../engine/index.ts";
import { call } from "../engine/record.ts";
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
    of("two runs give the same bits", () => check(casesOf(op), (c) => sameBits(op, c), 3)),
    ...alternatives(op).map((name) =>
      of(`${name} computes the reference and its slope`, () =>
        check(casesOf(op), (c) => alternative(op, name, c, gpu), 8),
      ),
    ),
    ...given(op.differentiable.size > 0, () =>
      of("the gradient is the slope of the reference", () =>
        check(casesOf(op, 3000), (c) => slope(op, c), runsFor(op, 12)),
      ),
    ),
    ...given(gpu.facts.f16 && op.sig.outputs.some(({ dtype }) => dtype === "T"), () =>
      of("f16 storage differs from the reference by its rounding", () => check(casesOf(op), (c) => half(op, c), 5)),
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

async function forward(op: Op, c: Case, gpu: Gpu): Promise<void> {
  const inputs = drawInputs(op, c);
  gpu.guard = true;
  try {
    const { outputs } = await runOp(op, c, inputs);
    compare(op, c, inputs, outputs, op.test.tolerance ?? 2e-5);
    await gpu.idle();
  } finally {
    gpu.guard = false;
  }
}

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
  const [a, b] = [await runOp(op, c, inputs, upstream), await runOp(op, c, inputs, upstream)];
  assert.equal(a, b);
}

async function alternative(op: Op, name: string, c: Case, gpu: Gpu): Promise<void> {
  if (!offered(op, name, gpu.facts, c, fullSizes(op, c)!)) return;
  gpu.forced.add(name);
  try {
    await forward(op, c, gpu);
    if (op.differentiable.size) await slope(op, c);
  } finally {
    gpu.forced.delete(name);
  }
}

async function slope(op: Op, c: Case): Promise<void> {
  const inputs = drawInputs(op, c);
  const upstream = drawUpstream(op, c);
  const { gradients } = await runOp(op, c, inputs, upstream);
  slopesAgree(op, c, inputs, upstream, gradients);
}

async function half(op: Op, c: Case): Promise<void> {
  const inputs = drawInputs(op, c, halved);
  const { outputs } = await runOp(op, c, inputs, undefined, "f16");
  // results are rounded once to 11 bits; intermediates stored as f16 (saved activations) add the same again
  compare(op, c, inputs, outputs, Math.max(4e-3, op.test.tolerance ?? 0));
}

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
