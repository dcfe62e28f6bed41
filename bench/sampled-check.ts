// An op at its whole size against f64, at some places of an axis along which it computes each place for itself: sequences of a batch,
// rows of tokens. The slope of what comes after is zero elsewhere, so gradients that are sums over all places are those of the sample.
import type { Gpu } from "../engine/device/gpu.ts";
import { fromHalf, toHalf } from "../engine/half.ts";
import type { Term } from "../engine/declare/signature.ts";
import { type Case, drawInputs, Prepared } from "./case.ts";
import { difference, slopeFaults } from "./check.ts";
import { gaussians } from "./draw.ts";

type Arrays<A> = Record<string, A>;

/** Steps over an array by the places of one axis: elements before it, of it, and behind it. */
function stridesOf({ axes }: Term, axis: string, { dims }: Case): [outer: number, size: number, inner: number] {
  const at = axes.indexOf(axis);
  const sizes = axes.map((each) => (each >= "A" ? dims[each] : Number(each)));
  const product = (some: readonly number[]) => some.reduce((a, b) => a * b, 1);
  return [product(sizes.slice(0, at)), sizes[at], product(sizes.slice(at + 1))];
}

/** The elements of an array at these places of the axis; all of it where it lacks the axis. */
function gathered(
  data: ArrayLike<number>,
  term: Term,
  axis: string,
  made: Case,
  places: readonly number[],
): Float64Array {
  if (!term.axes.includes(axis)) return Float64Array.from(data);
  const [outer, size, inner] = stridesOf(term, axis, made);
  const found = new Float64Array(outer * places.length * inner);
  let to = 0;
  for (let o = 0; o < outer; o++)
    for (const place of places) for (let i = 0; i < inner; i++) found[to++] = data[(o * size + place) * inner + i];
  return found;
}

/** Zero but at these places. */
function masked(data: Float32Array, term: Term, axis: string, made: Case, places: readonly number[]): Float32Array {
  const [outer, size, inner] = stridesOf(term, axis, made);
  const kept = new Float32Array(data.length);
  for (let o = 0; o < outer; o++)
    for (const place of places) {
      const from = (o * size + place) * inner;
      kept.set(data.subarray(from, from + inner), from);
    }
  return kept;
}

/** What a number in half precision may be off by, times the largest: its own rounding and that of what it was made from. */
const ofHalves = { forward: 2e-3, gradient: 4e-3 };

/** The faults of an op at its whole size, in words; `axis` is one of its signature, `count` places of it are compared. */
export async function checkSampled(made: Case, axis: string, gpu: Gpu, count: number): Promise<string[]> {
  const { op, dims, attrs, T } = made;
  const inputs = drawInputs(made);
  if (T === "f16")
    for (const { name, dtype } of op.sig.inputs)
      if (dtype === "T") inputs[name] = inputs[name].map((v) => fromHalf(toHalf(v)));
  const size = dims[axis];
  const places = [
    ...new Set(Array.from({ length: count }, (_, i) => Math.round((i * (size - 1)) / Math.max(1, count - 1)))),
  ];
  const outputs = op.sig.outputs;
  const prepared = new Prepared(gpu, made, inputs, (numel, output) =>
    masked(gaussians(numel, 77 + output), outputs[output], axis, made, places),
  );
  try {
    const part = (term: Term, data: ArrayLike<number>) => gathered(data, term, axis, made, places);
    const few: Arrays<Float64Array> = {};
    for (const term of op.sig.inputs) few[term.name] = part(term, inputs[term.name]);
    const small = { ...dims, [axis]: places.length };
    const sizes = { ...small, ...op.derive?.(small, attrs) };
    const want = op.ref(few, sizes, attrs, T);
    const got = await prepared.outputs();
    const tolerance = T === "f16" ? ofHalves.forward : (op.test.tolerance ?? 2e-5);
    const faults = outputs.flatMap(
      (term) => difference(part(term, got[term.name]), want[term.name], tolerance, term.name) ?? [],
    );
    if (!prepared.backward) return faults;
    const found = await prepared.gradients();
    const upstream: Arrays<Float64Array> = {};
    for (const term of outputs)
      if (found.upstream[term.name]) upstream[term.name] = part(term, found.upstream[term.name]);
    const gradients: Arrays<Float64Array> = {};
    for (const term of op.sig.inputs)
      if (found.gradients[term.name]) gradients[term.name] = part(term, found.gradients[term.name]);
    const share = T === "f16" ? ofHalves.gradient : (op.test.gradient ?? 1e-4);
    return [...faults, ...slopeFaults({ op, dims: sizes, attrs, T, inputs: few, upstream, gradients }, share)];
  } finally {
    prepared.free();
  }
}
