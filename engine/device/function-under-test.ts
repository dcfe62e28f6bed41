// A function of tensors seen as one of numbers: its values near given inputs, weighted into a single number, and the tape's gradient of it.
import type { Dtype } from "../declare/signature.ts";
import { ShapeError, UsageError } from "../errors.ts";
import { compute, later } from "../record/compute.ts";
import { Tape } from "../record/tape.ts";
import { Tensor } from "../record/tensor.ts";
import { fits } from "../takes.ts";
import { dtypeOf, flat } from "./elements.ts";
import { tensor } from "./params.ts";
import { innerProduct, type Slope, slopeOf } from "./slope.ts";

/** An input of a function whose slopes are taken: a tensor that has memory, or host data, with a shape where it is not flat. */
export type GradientInput =
  | Tensor<Dtype>
  | ArrayLike<number>
  | { readonly data: ArrayLike<number>; readonly shape?: readonly number[] };

/**
 * A function of tensors, made of ops; whatever it computes is summed with weights. Its inputs are of the types of what they are
 * given; integers pass through.
 */
// biome-ignore lint/suspicious/noExplicitAny: a parameter that is of whatever type the function declares
export type TensorFunction = (...inputs: Tensor<any>[]) => Tensor;

interface Given {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
}

/**
 * Steps along a direction for inputs of this size (a power of two): from a quarter of it, or of 1 where it is smaller, by halves down to
 * where rounding rules.
 */
function stepsFor(size: number): number[] {
  const largest = Math.max(size, 1) / 4;
  const count = Math.min(24, Math.log2(largest / Math.min(size, 1)) + 12);
  return Array.from({ length: count }, (_, k) => largest * 2 ** -k);
}

/** A direction, by the place of the input; undefined where an input stays. */
export type Direction = readonly (ArrayLike<number> | undefined)[];

/** Half a unit in the last place of float32: what one rounding may be off. */
const half = 2 ** -24;

export class FunctionUnderTest {
  #upstream: ArrayLike<number> | undefined;
  #centre = { value: 0, rounding: 0 };
  /** Times that it was computed. */
  evaluations = 0;

  private constructor(
    readonly what: string,
    readonly f: TensorFunction,
    readonly inputs: readonly Given[],
  ) {}

  /**
   * Computes f once at the inputs and checks that it can be differentiated; `upstream` gives the weights of its elements by their
   * number. Errors: ShapeError, UsageError.
   */
  static async of(
    what: string,
    f: TensorFunction,
    inputs: readonly GradientInput[],
    upstream: (count: number) => ArrayLike<number>,
  ): Promise<FunctionUnderTest> {
    const made = new FunctionUnderTest(what, f, await Promise.all(inputs.map((input, i) => given(what, input, i))));
    if (!inputs.some((_, i) => made.moves(i))) throw new ShapeError(`${what}: no input is f32; others have no slopes`);
    const [first, second] = await Promise.all([made.#output([], 0), made.#output([], 0)]);
    const at = Array.from(first).findIndex((value, i) => !Object.is(value, second[i]));
    if (at >= 0)
      throw new UsageError(
        `${what}: f gave ${first[at]} and ${second[at]} for the same inputs; whatever it draws must have a seed`,
      );
    const bad = Array.from(first).findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new UsageError(`${what}: f is ${first[bad]} at the inputs, where slopes are to be taken`);
    const weights = upstream(first.length);
    made.#upstream = weights;
    const size = Math.sqrt(Array.from(first).reduce((sum, value, i) => sum + (weights[i] * value) ** 2, 0));
    made.#centre = { value: innerProduct(weights, first), rounding: half * size };
    return made;
  }

  /** Whether an input has slopes at all. */
  moves(input: number): boolean {
    return this.inputs[input].dtype === "f32";
  }

  /** The size of an input, or of one element of it, as a power of two: 1 where it is 0. */
  sizeOf(input: number, element?: number): number {
    const { data } = this.inputs[input];
    const square = element === undefined ? innerProduct(data, data) / data.length : data[element] ** 2;
    return square > 0 && Number.isFinite(square) ? 2 ** Math.round(Math.log2(square) / 2) : 1;
  }

  /** The slope along a direction of numbers of some size 1, for inputs of this size. */
  async slope(direction: Direction, size: number): Promise<Slope> {
    const pairs = stepsFor(size).map(async (h) => {
      const [minus, plus] = await Promise.all([this.#value(direction, -h), this.#value(direction, h)]);
      return { h, minus, plus };
    });
    return slopeOf(await Promise.all(pairs), this.#centre.value, this.#centre.rounding);
  }

  /** The tape's gradient with respect to each input. */
  async gradients(): Promise<Float64Array[]> {
    const reads = (() => {
      using tape = new Tape();
      const inputs = this.#tensors([], 0) as Tensor[]; // those that move are floats
      for (const [i, input] of inputs.entries()) if (this.moves(i)) tape.watch(input);
      const y = this.#checked(this.f(...inputs));
      const found = tape.vjp([y], [tensor(Float32Array.from(this.#upstream!), y.shape)]);
      return inputs.map((input, i) => (this.moves(i) ? later(found.get(input)) : undefined));
    })();
    return Promise.all(reads.map(async (read) => Float64Array.from((await read) ?? [])));
  }

  async #value(direction: Direction, h: number): Promise<number> {
    return innerProduct(this.#upstream!, await this.#output(direction, h));
  }

  #output(direction: Direction, h: number): Promise<ArrayLike<number>> {
    this.evaluations++;
    return compute(() => this.#checked(this.f(...this.#tensors(direction, h))));
  }

  #tensors(direction: Direction, h: number): Tensor<Dtype>[] {
    return this.inputs.map(({ data, shape, dtype }, i) => {
      const by = direction[i];
      return tensor(by ? Float32Array.from(data, (value, k) => value + h * by[k]) : data, shape, dtype);
    });
  }

  #checked(y: Tensor): Tensor {
    fits(`${this.what}: what f returns`, "tensor", y);
    if (y.dtype !== "f32") throw new ShapeError(`${this.what}: f returns ${y.dtype}; slopes are taken of f32`);
    return y;
  }
}

async function given(what: string, input: GradientInput, i: number): Promise<Given> {
  fits(`${what}: inputs[${i}]`, "tensor | numbers | { data: numbers, shape?: shape }", input);
  const made = await parts(what, input);
  if (made.dtype === "f16")
    throw new ShapeError(`${what}: inputs[${i}] is f16, which is too coarse for slopes; check the function in f32`);
  return made;
}

async function parts(what: string, input: GradientInput): Promise<Given> {
  if (input instanceof Tensor) return { data: (await input.data()).slice(), shape: input.shape, dtype: input.dtype };
  const { data, shape = flat(data) } = "data" in input ? input : { data: input };
  const dtype = dtypeOf(what, data);
  return { data: dtype === "f32" ? Float32Array.from(data) : data, shape, dtype };
}
