// Is the output right? Against the op's f64 reference; a gradient against the reference's slope, as the tests do.
import type { Gpu } from "../engine/device/gpu.ts";
import { numelOf } from "../engine/declare/signature.ts";
import { type Case, drawInputs, caseName, Prepared, reduced } from "./case.ts";
import { gaussians } from "./draw.ts";

/** The verdict on a case, and at what size it was reached. */
export interface Verdict {
  readonly forward: boolean;
  readonly backward: boolean;
  /** What was found wrong. */
  readonly faults: readonly string[];
  /** The case that was checked, where it is a smaller one. */
  readonly at: string | undefined;
}

/** What the reference may evaluate in all. */
export interface Affordable {
  readonly flops: number;
  readonly elements: number;
}

/** A second or two. */
const seconds: Affordable = { flops: 5e7, elements: 2 ** 21 };

function affordable({ op, dims, attrs }: Case, most: Affordable): boolean {
  const evaluations = 1 + 2 * op.differentiable.size;
  const elements = [...op.sig.inputs, ...op.sig.outputs].reduce((sum, term) => sum + numelOf(term, dims), 0);
  return op.flops(dims, attrs) * evaluations <= most.flops && elements * evaluations <= most.elements;
}

/** Runs a case once, at full size or at the largest affordable one with the same kernels, and compares. */
export async function check(whole: Case, gpu: Gpu, most = seconds): Promise<Verdict> {
  const made = reduced(whole, gpu, (smaller) => affordable(smaller, most));
  const at = made === whole ? undefined : caseName(made);
  const inputs = drawInputs(made);
  const prepared = new Prepared(gpu, made, inputs);
  try {
    const wide = Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, Float64Array.from(data)]));
    const wrong = await wrongOutputs(prepared, wide);
    const tilted = prepared.backward ? await wrongGradients(prepared, wide) : [];
    return { forward: wrong.length === 0, backward: tilted.length === 0, faults: [...wrong, ...tilted], at };
  } finally {
    prepared.free();
  }
}

async function wrongOutputs(prepared: Prepared, inputs: Record<string, Float64Array>): Promise<string[]> {
  const { op, dims, attrs } = prepared.made;
  const got = await prepared.outputs();
  const want = op.ref(inputs, dims, attrs);
  return op.sig.outputs.flatMap(({ name }) => difference(got[name], want[name], op.test.tolerance ?? 2e-5, name) ?? []);
}

/** The first element with |got − want| > tolerance · (1 + max|want|), in words; NaN where NaN is wanted is right. */
export function difference(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  name: string,
): string | undefined {
  let most = 0;
  for (let i = 0; i < want.length; i++) if (!Number.isNaN(want[i])) most = Math.max(most, Math.abs(want[i]));
  for (let i = 0; i < want.length; i++)
    if (!(Math.abs(got[i] - want[i]) <= tolerance * (1 + most)) && !(Number.isNaN(got[i]) && Number.isNaN(want[i])))
      return `${name}[${i}] is ${got[i]}, not ${want[i]}`;
  return got.length === want.length ? undefined : `${name} has ${got.length} elements, not ${want.length}`;
}

async function wrongGradients(prepared: Prepared, inputs: Record<string, Float64Array>): Promise<string[]> {
  const { op } = prepared.made;
  return slopeFaults({ ...prepared.made, inputs, ...(await prepared.gradients()) }, op.test.gradient ?? 1e-4);
}

/** An op at some sizes with numbers on the host: its inputs, the slope of what comes after at its outputs, and its gradients. */
export interface GivenGradients extends Case {
  readonly inputs: Record<string, Float64Array>;
  readonly upstream: Record<string, ArrayLike<number>>;
  readonly gradients: Record<string, ArrayLike<number>>;
}

/** ⟨dx, v⟩ against the slope of ⟨dy, ref⟩ along v by central differences, for every input with a gradient. */
export function slopeFaults(given: GivenGradients, share: number): string[] {
  const { op, dims, attrs, T, inputs, upstream, gradients } = given;
  const faults: string[] = [];
  for (const [k, name] of [...op.differentiable].entries()) {
    const v = gaussians(inputs[name].length, 500 + k);
    const phi = (h: number) => {
      const moved = op.ref({ ...inputs, [name]: inputs[name].map((x, i) => x + h * v[i]) }, dims, attrs, T);
      return Object.entries(upstream).reduce(
        (sum, [output, dy]) => sum + dot(dy, Array.from(moved[output], defined)),
        0,
      );
    };
    const want = (phi(1e-5) - phi(-1e-5)) / 2e-5;
    const got = dot(gradients[name], v);
    // rounding of each product and of the sums inside the kernel, relative to their size
    const allowed = share * (1 + Math.abs(want) + Math.sqrt(dot(gradients[name], gradients[name])));
    if (!(Math.abs(got - want) <= allowed)) faults.push(`⟨d${name}, v⟩ is ${got}, the slope is ${want}`);
  }
  return faults;
}

/** No slope leads through what is NaN by intent: ids beyond a table. */
const defined = (x: number): number => (Number.isNaN(x) ? 0 : x);

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
