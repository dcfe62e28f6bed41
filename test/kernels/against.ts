// Functions composed of ops against a reference in f64: values, and gradients as slopes of the reference.
import * as assert from "uvu/assert";
import { Tape, type Tensor, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import { dot, gaussian, near, uniform } from "./derive.ts";

/** An input: its shape and its values, as f32 holds them. */
export interface Given {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** Nothing is differentiated with respect to it. */
  readonly fixed?: boolean;
}

const numel = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** An input of this shape, normally distributed, or as `draw` gives it. */
export function drawn(random: () => number, shape: readonly number[], draw = gaussian): Given {
  return { shape, data: Float64Array.from({ length: numel(shape) }, () => Math.fround(draw(random))) };
}

/** What f computes, and its gradients for an upstream slope that is normally distributed. */
async function run(inputs: readonly Given[], f: (...x: Tensor[]) => Tensor, random: () => number) {
  let value: Promise<ArrayLike<number>>;
  let gradients: (Promise<ArrayLike<number>> | undefined)[];
  let shape: readonly number[];
  let upstream: Float64Array;
  {
    using tape = new Tape();
    const x = inputs.map(({ shape, data }) => tensor(data, shape));
    for (const [i, each] of x.entries()) each.value.needsGrad = !inputs[i].fixed;
    const y = f(...x);
    ({ shape } = y);
    upstream = drawn(random, shape).data;
    const found = tape.vjp([y], [tensor(upstream, shape)]);
    value = later(y);
    gradients = x.map((each) => found.get(each) && later(found.get(each)!));
  }
  return { value: await value, gradients: await Promise.all(gradients), shape, upstream };
}

/**
 * f computes what `reference` does, to `tolerance` of 1 + its largest value, and the gradient of each input that is not fixed is the
 * slope of the reference, along a random direction.
 */
export async function agrees(
  inputs: readonly Given[],
  f: (...x: Tensor[]) => Tensor,
  reference: (...x: Float64Array[]) => ArrayLike<number>,
  { seed = 1, tolerance = 2e-5, slope = 1e-4 } = {},
): Promise<void> {
  const random = uniform(seed);
  const { value, gradients, upstream } = await run(inputs, f, random);
  const all = inputs.map(({ data }) => data);
  near(value, reference(...all), tolerance, "value");
  for (const [at, { data, fixed }] of inputs.entries()) {
    if (fixed) continue;
    const along = data.map(() => gaussian(random));
    const moved = (h: number) => all.map((x, i) => (i === at ? x.map((v, k) => v + h * along[k]) : x));
    const want = (dot(upstream, reference(...moved(1e-5))) - dot(upstream, reference(...moved(-1e-5)))) / 2e-5;
    const gradient = gradients[at];
    assert.ok(gradient, `input ${at} has no gradient`);
    const allowed = slope * (1 + Math.abs(want) + Math.sqrt(dot(gradient!, gradient!)));
    const got = dot(gradient!, along);
    assert.ok(
      Math.abs(got - want) <= allowed,
      `input ${at}: ⟨dx, v⟩ is ${got}, the slope is ${want} (allowed ${allowed})`,
    );
  }
}
