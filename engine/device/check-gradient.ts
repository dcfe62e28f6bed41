// The tape's gradient of a function against slopes of its values: `checkGradient`, and the slopes alone.
import { GradientError, ShapeError } from "../errors.ts";
import { fits, takes } from "../takes.ts";
import { type Direction, FunctionUnderTest, type GradientInput, type TensorFunction } from "./function-under-test.ts";
import { uniform } from "./draws.ts";
import { type Estimate, innerProduct, type Slope } from "./slope.ts";

/** How `checkGradient` compares: how near slopes must be, along how many directions, drawn from which seed. */
export interface CheckGradientOptions {
  /**
   * Accepted difference, as a share of the size of slopes; 1e-3 unless given. Extrapolated slopes of float32 values are right to 1e-5
   * or so, gradients to 1e-6; a formula that is wrong is off by more than either.
   */
  readonly tolerance?: number;
  /** Random directions through all elements of each input; 2 unless given. */
  readonly directions?: number;
  /** Of the directions, and of the weights with which the elements of f are summed. */
  readonly seed?: number;
}

/** A slope of f and what the tape says of it. */
export interface Compared {
  readonly gradient: number;
  readonly slope: number;
  /** Error of the slope, as far as the values of f tell. */
  readonly uncertain: number;
  /** The difference of the two as a share of the size of slopes. */
  readonly difference: number;
  /** "a random direction", "elements 8 to 15", "element [1, 3]". */
  readonly where: string;
}

/** What was found of one input. */
export interface CheckedInput {
  readonly input: number;
  readonly shape: readonly number[];
  /** Where gradient and slope differ most. */
  readonly largest: Compared;
  /** Elements at which f has a kink, and the tape a slope between those of the two sides other than their mean. */
  readonly kinks: readonly number[];
  /**
   * Elements whose slope the values of f do not tell: a kink lies close by. The tape's slope is within their error. At most one in twenty;
   * with more, nothing is said to be right.
   */
  readonly unknown: readonly number[];
}

/** What `checkGradient` compared, input by input. */
export interface GradientReport {
  readonly inputs: readonly CheckedInput[];
  /** How often f was computed. */
  readonly evaluations: number;
}

/** Slopes taken of one input at most, in the search for where it is wrong. */
const mostSlopes = 200;

/**
 * The slope of f at the inputs along a direction, from values of f alone: central differences at ten halved steps, extrapolated to a step
 * of 0. `direction` has an array for each input, or undefined where one stays. The elements of f are weighted by `upstream`, as in
 * `tape.vjp`; ones unless given. Errors: ShapeError where sizes do not fit; UsageError where f is not finite, or not the same twice.
 */
export async function numericalSlope(
  f: TensorFunction,
  inputs: readonly GradientInput[],
  direction: Direction,
  options: { readonly upstream?: ArrayLike<number> } = {},
): Promise<Slope> {
  takes("numericalSlope(f: function, inputs: any[], direction: any[], options?: { upstream?: numbers })", arguments);
  const { upstream } = options;
  const subject = await FunctionUnderTest.of("numericalSlope", f, inputs, (count) => {
    if (upstream && upstream.length !== count)
      throw new ShapeError(`numericalSlope: upstream has ${upstream.length} numbers, f returns ${count}`);
    return upstream ?? new Float32Array(count).fill(1);
  });
  if (direction.length !== inputs.length)
    throw new ShapeError(`numericalSlope: ${direction.length} directions for ${inputs.length} inputs`);
  const scale = Math.max(...direction.map((by, i) => (by === undefined ? 0 : largestOf(subject, by, i))));
  if (scale === 0) throw new ShapeError("numericalSlope: the direction has no element other than 0");
  const unit = 2 ** Math.round(Math.log2(scale));
  const sizes = direction.flatMap((by, i) => (by === undefined ? [] : [subject.sizeOf(i)]));
  const found = await subject.slope(
    direction.map((by) => by && Float64Array.from(by, (value) => value / unit)),
    Math.min(...sizes),
  );
  return scaled(found, unit);
}

/** The largest number of a direction. */
function largestOf(subject: FunctionUnderTest, by: ArrayLike<number>, i: number): number {
  fits(`numericalSlope: direction[${i}]`, "numbers", by);
  const { shape, data, dtype } = subject.inputs[i];
  if (!subject.moves(i))
    throw new ShapeError(`numericalSlope: inputs[${i}] is ${dtype}, along which there is no slope`);
  if (by.length !== data.length)
    throw new ShapeError(`numericalSlope: direction[${i}] has ${by.length} numbers for shape [${shape}]`);
  const most = Array.from(by).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!Number.isFinite(most)) throw new ShapeError(`numericalSlope: direction[${i}] is not finite`);
  return most;
}

function scaled({ slope, error, hidden, left, right }: Slope, by: number): Slope {
  const side = (of: Estimate): Estimate => ({ value: of.value * by, error: of.error * by });
  return { slope: slope * by, error: error * by, hidden: hidden * by, left: side(left), right: side(right) };
}

/**
 * Compares the tape's gradients of f with slopes of its values, along random directions through each float32 input. f takes the inputs as
 * tensors and returns one of any shape, whose elements, if several, are summed with random weights; integer inputs are passed on. Where the two differ,
 * the directions are halved until the element is found. One wrong element among n shows where it is off by more than tolerance · √n of a
 * usual one. Errors: GradientError that names it, with both slopes, or says that the slopes are
 * too uncertain to compare (kinks close by, or a function that hardly changes in float32); ShapeError and UsageError as numericalSlope.
 *
 *     await checkGradient((x, w) => tanh(matmul(x, w)), [{ data: x, shape: [4, 3] }, { data: w, shape: [3, 2] }]);
 */
export async function checkGradient(
  f: TensorFunction,
  inputs: readonly GradientInput[],
  options: CheckGradientOptions = {},
): Promise<GradientReport> {
  takes(
    "checkGradient(f: function, inputs: any[], options?: { tolerance?: positive, directions?: count, seed?: word })",
    arguments,
  );
  const { tolerance = 1e-3, directions = 2, seed = 2022 } = options;
  const random = uniform(seed);
  const subject = await FunctionUnderTest.of("checkGradient", f, inputs, (count) =>
    Float32Array.from({ length: count }, () => (count === 1 ? 1 : coarse(random))),
  );
  const moved = subject.inputs.map((_, i) => i).filter((i) => subject.moves(i));
  const gradients = await subject.gradients();
  const influence = Math.max(
    ...moved.map((i) => subject.sizeOf(i) * Math.sqrt(innerProduct(gradients[i], gradients[i]))),
  );
  const checked: CheckedInput[] = [];
  for (const i of moved) {
    const check = new InputCheck(subject, i, gradients[i], tolerance, influence / subject.sizeOf(i));
    for (let n = 0; n < directions; n++) await check.along(Float64Array.from(gradients[i], () => coarse(random)));
    checked.push(check.report());
  }
  return { inputs: checked, evaluations: subject.evaluations };
}

/**
 * A number of either sign between a half and one and a half, in sixteenths: none is so small that a wrong element could hide, and with few
 * bits, x + h v is exact for most x.
 */
const coarse = (random: () => number): number => (8 + Math.floor(17 * random())) / (random() < 0.5 ? 16 : -16);

/** Elements from … to − 1 of an input, along one direction. */
interface Part {
  readonly from: number;
  readonly to: number;
  readonly along: Float64Array;
}

interface Measured extends Compared {
  readonly part: Part;
  readonly verdict: "right" | "wrong" | "unknown";
  /** The slopes of the two sides, where they clearly differ. */
  readonly sides: readonly [number, number] | undefined;
  readonly isBetween: boolean;
}

class InputCheck {
  readonly #kinks = new Set<number>();
  #largest: Compared | undefined;
  #slopes = 0;
  #unknown: Measured[] = [];
  /** Root mean square of the gradient: the size of slopes where one alone is near 0. */
  readonly #usual: number;

  constructor(
    readonly subject: FunctionUnderTest,
    readonly input: number,
    readonly gradient: Float64Array,
    readonly tolerance: number,
    /** How steep f would be along this input if it had the influence of the input that has most. */
    readonly steepest: number,
  ) {
    const bad = gradient.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new GradientError(`checkGradient: the tape gives ${gradient[bad]} at ${this.#named(bad, bad + 1)}`);
    this.#usual = Math.sqrt(innerProduct(gradient, gradient) / gradient.length);
  }

  async along(direction: Float64Array): Promise<void> {
    for (const i of [...this.#kinks, ...this.#unknownElements]) direction[i] = 0;
    if (direction.some((value) => value !== 0)) await this.#check({ from: 0, to: direction.length, along: direction });
    if (this.#unknownElements.length > direction.length / 20) throw this.#uncertain();
  }

  get #unknownElements(): number[] {
    return this.#unknown.flatMap(({ part: { from, to } }) => Array.from({ length: to - from }, (_, i) => from + i));
  }

  report(): CheckedInput {
    const { input, subject } = this;
    const inOrder = (elements: Iterable<number>) => [...elements].sort((a, b) => a - b);
    const [kinks, unknown] = [inOrder(this.#kinks), inOrder(this.#unknownElements)];
    const none = { gradient: 0, slope: 0, uncertain: 0, difference: 0, where: "nowhere" };
    return { input, shape: subject.inputs[input].shape, largest: this.#largest ?? none, kinks, unknown };
  }

  /** Halves a part until what is right is told from what is not. */
  async #check(part: Part): Promise<void> {
    const found = await this.#measure(part);
    if (found.verdict === "right") return this.#note(found);
    if (part.to - part.from === 1) return this.#single(found);
    if (this.#slopes >= mostSlopes) {
      if (found.verdict === "wrong" && !found.sides) throw this.#wrong(found);
      return void this.#unknown.push(found);
    }
    const middle = (part.from + part.to) >> 1;
    await this.#check({ ...part, to: middle });
    await this.#check({ ...part, from: middle });
  }

  #single(found: Measured): void {
    if (found.sides && found.isBetween) this.#kinks.add(found.part.from);
    else if (found.verdict === "wrong") throw this.#wrong(found);
    else this.#unknown.push(found);
  }

  #note(found: Compared): void {
    const { gradient, slope, uncertain, difference, where } = found;
    if (!this.#largest || difference > this.#largest.difference)
      this.#largest = { gradient, slope, uncertain, difference, where };
  }

  async #measure(part: Part): Promise<Measured> {
    this.#slopes++;
    const { from, to } = part;
    const by = part.along.map((value, i) => (i >= from && i < to ? value : 0));
    const { subject, input, tolerance } = this;
    const direction = subject.inputs.map((_, i) => (i === input ? by : undefined));
    const found = await subject.slope(direction, subject.sizeOf(input, to - from === 1 ? from : undefined));
    // of one element the slope itself is told, not that along a random number
    const unit = to - from === 1 ? by[from] : 1;
    const gradient = innerProduct(this.gradient, by);
    const terms = this.gradient.map((value, i) => value * by[i]);
    const size = Math.max(
      Math.abs(found.slope),
      Math.sqrt(innerProduct(terms, terms)),
      this.#usual * Math.sqrt(innerProduct(by, by)),
    );
    const off = Math.abs(gradient - found.slope);
    const { left, right, hidden } = found;
    // values that are all equal may still hide a slope as small as this one
    const error = found.error === 0 && gradient !== 0 && Math.abs(gradient) <= hidden ? hidden : found.error;
    const apart = Math.abs(left.value - right.value) > 5 * (left.error + right.error) + tolerance * size;
    return {
      part,
      gradient: gradient / unit,
      slope: found.slope / unit,
      uncertain: error / Math.abs(unit),
      difference: size > 0 ? off / size : 0,
      where: from === 0 && to === by.length && to > 1 ? "a random direction" : this.#elements(from, to),
      verdict: verdictOf(off, error, tolerance * size, Math.abs(gradient), tolerance * this.steepest),
      sides: apart ? sidesOf(left.value / unit, right.value / unit, unit > 0) : undefined,
      isBetween: isBetween(gradient, left.value, right.value, tolerance * size),
    };
  }

  #elements(from: number, to: number): string {
    if (to - from > 1) return `elements ${from} to ${to - 1}`;
    const { shape } = this.subject.inputs[this.input];
    let rest = from;
    const place = shape.toReversed().map((size) => {
      const at = rest % size;
      rest = Math.floor(rest / size);
      return at;
    });
    return `element [${place.reverse().join(", ")}]`;
  }

  #named(from: number, to: number): string {
    const { shape } = this.subject.inputs[this.input];
    return `${this.#elements(from, to)} of inputs[${this.input}], shape [${shape}]`;
  }

  #wrong(found: Measured): GradientError {
    const { part, gradient, slope, uncertain, sides } = found;
    const along = part.to - part.from > 1 ? " along a random direction through them" : "";
    const kink = sides
      ? `; f has a kink there, with the slopes ${told(sides[0])} and ${told(sides[1])} on its sides`
      : "";
    return new GradientError(
      `checkGradient: wrong gradient at ${this.#named(part.from, part.to)}${along}: the tape gives ${told(gradient)}, ` +
        `the slope of f is ${told(slope)} ± ${uncertain.toExponential(0)}${kink}`,
      found,
    );
  }

  #uncertain(): GradientError {
    const count = this.#unknownElements.length;
    const [first] = this.#unknown;
    const { part, gradient, slope, uncertain } = first;
    return new GradientError(
      `checkGradient: the slopes of ${count} of ${this.gradient.length} elements of inputs[${this.input}] are not known well enough to compare; ` +
        `at ${this.#elements(part.from, part.to)} the tape gives ${told(gradient)}, and the slope of f is ${told(slope)} ± ` +
        `${uncertain.toExponential(0)}. f has kinks close to the inputs, or hardly changes around a large value: move or scale the inputs, ` +
        "or leave constants out of f",
      first,
    );
  }
}

/**
 * Whether a gradient is right that is `off` from a slope with this error: a slope that is known to a hundredth tells (at the usual
 * tolerance), and its error is allowed besides. One that is 0 within the error is right as well, where the error
 * is small beside what other inputs do: a bias before a normalisation.
 */
function verdictOf(off: number, error: number, allowed: number, gradient: number, small: number): Measured["verdict"] {
  if (off <= allowed + error && error <= 10 * allowed) return "right";
  if (off > allowed + 5 * error) return "wrong";
  return gradient <= error && off <= 3 * error && error <= small ? "right" : "unknown";
}

const isBetween = (value: number, a: number, b: number, room: number): boolean =>
  value >= Math.min(a, b) - room && value <= Math.max(a, b) + room;

/** Below and above, whichever way the direction goes. */
const sidesOf = (left: number, right: number, isUp: boolean): [number, number] =>
  isUp ? [left, right] : [right, left];

const told = (value: number): string => String(Number(value.toPrecision(6)));
