// Every op, tested from its declaration alone. OPS=name,name limits it; SEED=n draws other cases.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ShapeError, Scope, tensor } from "../engine/index.ts";
import { fromHalf, toHalf } from "../engine/gpu.ts";
import { call } from "../engine/record.ts";
import { ops } from "../kernels/index.ts";
import {
  alternatives,
  type Case,
  casesOf,
  check,
  dot,
  drawInputs,
  fullSizes,
  gaussian,
  near,
  offered,
  type Op,
  runOp,
  shapeFor,
  sharedGpu,
  uniform,
} from "./derive.ts";

const only = process.env.OPS?.split(",");
const chosen = ops.filter(({ name }) => !only || only.includes(name));
const gpu = await sharedGpu();
console.log(`ops on ${gpu.facts.adapter}`);

for (const op of chosen) {
  test(`${op.name}: the kernel computes its reference, and writes nothing else`, () =>
    check(casesOf(op), (c) => forward(op, c), runsFor(op, 16)));

  test(`${op.name}: two runs give the same bits`, () => check(casesOf(op), (c) => sameBits(op, c), 3));

  for (const name of alternatives(op))
    test(`${op.name}: ${name} computes the reference and its slope`, () =>
      check(casesOf(op), (c) => alternative(op, name, c), 8));

  if (op.differentiable.size)
    test(`${op.name}: the gradient is the slope of the reference`, () =>
      check(casesOf(op, 3000), (c) => slope(op, c), runsFor(op, 12)));

  if (gpu.facts.f16 && op.sig.outputs.some(({ dtype }) => dtype === "T"))
    test(`${op.name}: f16 storage differs from the reference by its rounding`, () =>
      check(casesOf(op), (c) => half(op, c), 5));

  const shared = sharedAxis(op);
  if (shared) test(`${op.name}: a disagreeing axis is a ShapeError that names the op`, () => disagree(op, shared));
}

const runsFor = (op: Op, runs: number): number => runs * Math.min(3, Math.max(1, op.test.attrs?.length ?? 1));

async function forward(op: Op, c: Case): Promise<void> {
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

async function alternative(op: Op, name: string, c: Case): Promise<void> {
  if (!offered(op, name, gpu.facts, c, fullSizes(op, c)!)) return;
  gpu.forced.add(name);
  try {
    await forward(op, c);
    if (op.differentiable.size) await slope(op, c);
  } finally {
    gpu.forced.delete(name);
  }
}

function drawUpstream(op: Op, c: Case): Record<string, Float64Array> {
  const random = uniform(c.seed + 1);
  const want = op.ref(drawInputs(op, c), fullSizes(op, c)!, c.attrs);
  return Object.fromEntries(
    op.sig.outputs.map(({ name }) => [name, Float64Array.from(want[name], () => Math.fround(gaussian(random)))]),
  );
}

/** ⟨dx, v⟩ against the slope of ⟨dy, ref⟩ along v, by central differences in f64. */
async function slope(op: Op, c: Case): Promise<void> {
  const inputs = drawInputs(op, c);
  const upstream = drawUpstream(op, c);
  const full = fullSizes(op, c)!;
  const { gradients } = await runOp(op, c, inputs, upstream);
  const random = uniform(c.seed + 2);
  for (const name of op.differentiable) {
    const v = inputs[name].map(() => gaussian(random));
    const phi = (h: number) => {
      const moved = op.ref({ ...inputs, [name]: inputs[name].map((x, i) => x + h * v[i]) }, full, c.attrs);
      return op.sig.outputs.reduce((sum, term) => sum + dot(upstream[term.name], moved[term.name]), 0);
    };
    const want = (phi(1e-5) - phi(-1e-5)) / 2e-5;
    const got = dot(gradients[name], v);
    // f32 rounding of each product, and of the sums inside the kernel, relative to their size
    const size = Math.sqrt(dot(gradients[name], gradients[name]));
    const allowed = (op.test.gradient ?? 1e-4) * (1 + Math.abs(want) + size);
    assert.ok(
      Math.abs(got - want) <= allowed,
      `⟨d${name}, v⟩: got ${got}, the slope is ${want} (allowed ${allowed.toExponential(2)})`,
    );
  }
}

async function half(op: Op, c: Case): Promise<void> {
  const inputs = drawInputs(op, c, (x) => fromHalf(toHalf(x)));
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

test.run();
