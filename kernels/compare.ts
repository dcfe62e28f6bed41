// Comparisons, logic and choice, element by element; shapes broadcast as in NumPy. There is no boolean type: a mask is f32, 1 where it
// holds and 0 where it does not, so that its mean is a share and a product with it selects. NaN compares as in IEEE 754: it is
// unequal to everything, and no more than that.
import { anyType, type Dtype, type Float } from "../engine/declare/signature.ts";
import { UsageError } from "../engine/errors.ts";
import { op } from "../engine/record/op.ts";
import { takes } from "../engine/takes.ts";
import type { Tensor } from "../engine/record/tensor.ts";
import { type Binary, broadcastShape } from "./broadcast.ts";
import { amax } from "./fold/extremes.ts";
import numbers from "./lib/numbers.wgsl";
import { isFloat, ofOneType, operand } from "./operands.ts";
import { clampFloat, flatPass } from "./pointwise.ts";
import { expandTo } from "./reduce/reduce.ts";

/** The size of the benchmark rows: hidden units of one frame-encoder layer, 16 clips of 8 frames. */
const bench = [{ N: 16 * 8 * 51 * 3072 }];

/** A function of two tensors of one type, whose result is a mask. */
type Comparing = <D extends Dtype>(a: Tensor<D>, b: Tensor<D>) => Tensor;

/** An op of tensors of one shape and type for those whose shapes broadcast: both are written out. */
export function aligned<F extends (a: Tensor<never>, b: Tensor<never>) => Tensor<Dtype>>(name: string, of: F): F {
  const broadcast = (a: Tensor<never>, b: Tensor<never>) => {
    ofOneType(name, { a, b });
    const full = broadcastShape(a.shape, b.shape, name);
    return of(expandTo(a, full), expandTo(b, full));
  };
  return broadcast as F;
}

/** Every other element equal, so that ties are met. */
const withTies = (random: () => number, _: unknown, n: number) =>
  Array.from({ length: n }, () => Math.floor(4 * random()) - 2);

// ---- masks -------------------------------------------------------------------------------------------------------

interface Comparison {
  readonly name: string;
  readonly symbol: string;
  /** Where it holds, of floats, and of integers. */
  readonly holds: { readonly float: string; readonly whole: string };
  readonly ref: (a: number, b: number) => boolean;
  /** A negative number beside u32 is its two's complement, as tensors of the host's data have it (−100, the class that is none). */
  readonly wraps?: boolean;
}

function comparison({ name, symbol, holds, ref, wraps }: Comparison) {
  const about = `y = 1 where a ${symbol} b, else 0`;
  const compared = op({
    name,
    about,
    sig: "a_N b_N -> y_N:f32",
    storage: anyType,
    forward: [
      flatPass({
        about,
        lib: [numbers],
        reads: ["a", "b"],
        writes: { "y:f32": { float: mask(holds.float), whole: mask(holds.whole) } },
      }),
    ],
    ref: ({ a, b }) => ({ y: a.map((v, i) => Number(ref(v, b[i]))) }),
    flops: ({ N }) => N,
    bench,
    test: { draw: { a: withTies, b: withTies } },
  });
  const broadcast = aligned<Comparing>(name, compared);
  const signature = `${name}(a: tensor, b: tensor | float)`;
  return function <D extends Dtype>(a: Tensor<D>, b: Tensor<NoInfer<D>> | number): Tensor {
    takes(signature, arguments);
    return broadcast(a, operand(name, b, a, wraps));
  };
}

const mask = (holds: string) => `select(vec4f(0), vec4f(1), ${holds})`;
const ordered = (comparison: string) => ({
  float: `(${comparison}) & !(is_nan4(a) | is_nan4(b))`,
  whole: comparison,
});

/** 1 where a = b, else 0. b may be a number; shapes broadcast. */
export const eq = comparison({
  name: "eq",
  symbol: "=",
  holds: ordered("a == b"),
  ref: (a, b) => a === b,
  wraps: true,
});
/** 1 where a ≠ b, else 0: also where either is NaN. b may be a number; shapes broadcast. */
export const ne = comparison({
  name: "ne",
  symbol: "≠",
  holds: { float: "(a != b) | is_nan4(a) | is_nan4(b)", whole: "a != b" },
  ref: (a, b) => a !== b,
  wraps: true,
});
/** 1 where a < b, else 0. b may be a number; shapes broadcast. */
export const lt = comparison({ name: "lt", symbol: "<", holds: ordered("a < b"), ref: (a, b) => a < b });
/** 1 where a ≤ b, else 0. b may be a number; shapes broadcast. */
export const le = comparison({ name: "le", symbol: "≤", holds: ordered("a <= b"), ref: (a, b) => a <= b });
/** 1 where a > b, else 0. b may be a number; shapes broadcast. */
export const gt = comparison({ name: "gt", symbol: ">", holds: ordered("a > b"), ref: (a, b) => a > b });
/** 1 where a ≥ b, else 0. b may be a number; shapes broadcast. */
export const ge = comparison({ name: "ge", symbol: "≥", holds: ordered("a >= b"), ref: (a, b) => a >= b });

const isTrue = (x: string) => `((${x} != vec4f(0)) | is_nan4(${x}))`;
const areTrue = (operator: "&" | "|") => ({
  float: `${isTrue("a")} ${operator} ${isTrue("b")}`,
  whole: `(a != vec4<Num>(0)) ${operator} (b != vec4<Num>(0))`,
});

/** 1 where both are other than 0, else 0; shapes broadcast. */
export const logicalAnd = comparison({
  name: "logicalAnd",
  symbol: "and",
  holds: areTrue("&"),
  ref: (a, b) => a !== 0 && b !== 0,
});
/** 1 where one of the two or both are other than 0, else 0; shapes broadcast. */
export const logicalOr = comparison({
  name: "logicalOr",
  symbol: "or",
  holds: areTrue("|"),
  ref: (a, b) => a !== 0 || b !== 0,
});

/** 1 where x is 0, else 0. */
export function logicalNot(x: Tensor<Dtype>): Tensor {
  takes("logicalNot(x: tensor)", arguments);
  return eq(x, 0);
}

// ---- choice ------------------------------------------------------------------------------------------------------

function extreme(name: "minimum" | "maximum", wgsl: string, wins: string, ref: (a: number, b: number) => number) {
  const about = `y = the ${name} of a and b; NaN where either is, and of equals each has half the gradient`;
  const share = (x: string, y: string) =>
    `dy * select(select(vec4f(0), vec4f(1), (${x} ${wins} ${y}) | is_nan4(${x})), vec4f(0.5), ${x} == ${y})`;
  const of = op({
    name,
    about,
    sig: "a_N b_N -> y_N",
    storage: anyType,
    forward: [
      flatPass({
        about,
        lib: [numbers],
        reads: ["a", "b"],
        writes: { y: { float: `nan_or4(a, nan_or4(b, ${wgsl}(a, b)))`, whole: `${wgsl}(a, b)` } },
      }),
    ],
    backward: [
      flatPass({
        about: `da, db of ${name}`,
        lib: [numbers],
        reads: ["dy", "a", "b"],
        writes: { da: share("a", "b"), db: share("b", "a") },
      }),
    ],
    ref: ({ a, b }) => ({ y: a.map((v, i) => ref(v, b[i])) }),
    flops: ({ N }) => N,
    bench,
  });
  return aligned<Binary>(name, of);
}

const smaller = extreme("minimum", "min", "<", Math.min);
const larger = extreme("maximum", "max", ">", Math.max);

/** The smaller of two elements. b may be a number; shapes broadcast. */
export function minimum<D extends Dtype>(a: Tensor<D>, b: Tensor<NoInfer<D>> | number): Tensor<D> {
  takes("minimum(a: tensor, b: tensor | real)", arguments);
  return smaller(a, operand("minimum", b, a));
}

/**
 * The larger of two elements; shapes broadcast. With a number, or alone, it is `amax` still, as before version 0.2, and says so: the
 * number is an axis. `clamp(x, { low })` is the larger of x and a number.
 */
export function maximum<D extends Dtype>(a: Tensor<D>, b?: Tensor<D> | number): Tensor<D> {
  takes("maximum(a: tensor, b?: tensor | whole)", arguments);
  if (typeof b === "object") return larger(a, b);
  hintOnce();
  return amax(a, b);
}

let isHinted = false;
function hintOnce(): void {
  if (!isHinted)
    console.warn("maximum(x, axis) is amax(x, axis); from version 0.3 on maximum compares two tensors only");
  isHinted = true;
}

/**
 * x within [low, high]; a bound that is not given is none, and one of the two is. No gradient outside. Errors: UsageError where there is
 * no bound, ShapeError for one that the integers of x cannot be.
 */
export function clamp<D extends Dtype>(x: Tensor<D>, bounds: { low?: number; high?: number }): Tensor<D> {
  takes("clamp(x: tensor, bounds: { low?: real, high?: real })", arguments);
  const { low, high } = bounds;
  if (low === undefined && high === undefined)
    throw new UsageError("clamp: no bound is given; expected { low }, { high } or both");
  if (isFloat(x)) return clampFloat(x as Tensor<Dtype> as Tensor, bounds) as Tensor<D>;
  const raised = low === undefined ? x : larger(x, operand("clamp", low, x));
  return high === undefined ? raised : smaller(raised, operand("clamp", high, x));
}

const choose = op({
  name: "where",
  about: "y = a where mask is other than 0, else b",
  sig: "mask_N:f32 a_N b_N -> y_N",
  storage: anyType,
  forward: [
    flatPass({
      about: "y = a where mask is other than 0, else b",
      lib: [numbers],
      reads: ["mask:f32", "a", "b"],
      writes: { y: `select(b, a, ${isTrue("mask")})` },
    }),
  ],
  backward: [
    flatPass({
      about: "dy goes to the one that was chosen",
      lib: [numbers],
      reads: ["dy", "mask:f32"],
      writes: { da: `select(vec4f(0), dy, ${isTrue("mask")})`, db: `select(dy, vec4f(0), ${isTrue("mask")})` },
    }),
  ],
  ref: ({ mask, a, b }) => ({ y: a.map((v, i) => (mask[i] !== 0 ? v : b[i])) }),
  flops: ({ N }) => N,
  bench,
  test: { draw: { mask: withTies } },
});

/** a where the mask is other than 0, else b. a and b may be numbers; the shapes of all three broadcast. */
export function where<D extends Dtype = Float>(mask: Tensor, a: Tensor<D> | number, b: Tensor<D> | number): Tensor<D> {
  takes("where(mask: tensor, a: tensor | float, b: tensor | float)", arguments);
  const [x, y] = [operand("where", a, b, true), operand("where", b, a, true)];
  ofOneType("where", { a: x, b: y });
  const full = broadcastShape(mask.shape, broadcastShape(x.shape, y.shape, "where"), "where");
  return choose(expandTo(mask, full), expandTo(x, full), expandTo(y, full));
}
