// Comparisons, logic and choice, element by element; shapes broadcast as in NumPy. There is no boolean type: a mask is f32, 1 where it
// holds and 0 where it does not, so that its mean is a share and a product with it selects. NaN compares as in IEEE 754: it is
// unequal to everything, and no more than that.
import { tensor } from "../engine/device/params.ts";
import { op } from "../engine/record/op.ts";
import { takes } from "../engine/takes.ts";
import type { Tensor } from "../engine/record/tensor.ts";
import { broadcastShape } from "./broadcast.ts";
import { amax } from "./fold/extremes.ts";
import numbers from "./lib/numbers.wgsl";
import { flatPass } from "./pointwise.ts";
import { expandTo } from "./reduce/reduce.ts";

/** The size of the benchmark rows: hidden units of one frame-encoder layer, 16 clips of 8 frames. */
const bench = [{ N: 16 * 8 * 51 * 3072 }];

type Binary = (a: Tensor, b: Tensor) => Tensor;

/** Tensors of one shape: both written out in the shape that they broadcast to. */
function aligned(name: string, of: Binary): Binary {
  return (a, b) => {
    const full = broadcastShape(a.shape, b.shape, name);
    return of(expandTo(a, full), expandTo(b, full));
  };
}

/** A number as a tensor that broadcasts to every shape, of the type of what it meets; a tensor as it is. */
const asTensor = (x: Tensor | number, beside: Tensor | number): Tensor =>
  typeof x === "number" ? tensor([x], [], typeof beside === "number" ? "f32" : beside.dtype) : x;

/** Every other element equal, so that ties are met. */
const withTies = (random: () => number, _: unknown, n: number) =>
  Array.from({ length: n }, () => Math.floor(4 * random()) - 2);

// ---- masks -------------------------------------------------------------------------------------------------------

function comparison(name: string, symbol: string, holds: string, ref: (a: number, b: number) => boolean) {
  const about = `y = 1 where a ${symbol} b, else 0`;
  const mask = op({
    name,
    about,
    sig: "a_N b_N -> y_N:f32",
    forward: [
      flatPass({
        about,
        lib: [numbers],
        reads: ["a", "b"],
        writes: { "y:f32": `select(vec4f(0), vec4f(1), ${holds})` },
      }),
    ],
    ref: ({ a, b }) => ({ y: a.map((v, i) => Number(ref(v, b[i]))) }),
    flops: ({ N }) => N,
    bench,
    test: { draw: { a: withTies, b: withTies } },
  });
  const broadcast = aligned(name, mask);
  const signature = `${name}(a: tensor, b: tensor | float)`;
  return function (a: Tensor, b: Tensor | number): Tensor {
    takes(signature, arguments);
    return broadcast(a, asTensor(b, a));
  };
}

const ordered = (comparison: string) => `(${comparison}) & !(is_nan4(a) | is_nan4(b))`;

/** 1 where a = b, else 0. b may be a number; shapes broadcast. */
export const eq = comparison("eq", "=", ordered("a == b"), (a, b) => a === b);
/** 1 where a ≠ b, else 0: also where either is NaN. b may be a number; shapes broadcast. */
export const ne = comparison("ne", "≠", "(a != b) | is_nan4(a) | is_nan4(b)", (a, b) => a !== b);
/** 1 where a < b, else 0. b may be a number; shapes broadcast. */
export const lt = comparison("lt", "<", ordered("a < b"), (a, b) => a < b);
/** 1 where a ≤ b, else 0. b may be a number; shapes broadcast. */
export const le = comparison("le", "≤", ordered("a <= b"), (a, b) => a <= b);
/** 1 where a > b, else 0. b may be a number; shapes broadcast. */
export const gt = comparison("gt", ">", ordered("a > b"), (a, b) => a > b);
/** 1 where a ≥ b, else 0. b may be a number; shapes broadcast. */
export const ge = comparison("ge", "≥", ordered("a >= b"), (a, b) => a >= b);

const isTrue = (x: string) => `((${x} != vec4f(0)) | is_nan4(${x}))`;

/** 1 where both are other than 0, else 0; shapes broadcast. */
export const logicalAnd = comparison(
  "logicalAnd",
  "and",
  `${isTrue("a")} & ${isTrue("b")}`,
  (a, b) => a !== 0 && b !== 0,
);
/** 1 where one of the two or both are other than 0, else 0; shapes broadcast. */
export const logicalOr = comparison("logicalOr", "or", `${isTrue("a")} | ${isTrue("b")}`, (a, b) => a !== 0 || b !== 0);

/** 1 where x is 0, else 0. */
export function logicalNot(x: Tensor): Tensor {
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
    forward: [
      flatPass({ about, lib: [numbers], reads: ["a", "b"], writes: { y: `nan_or4(a, nan_or4(b, ${wgsl}(a, b)))` } }),
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
  return aligned(name, of);
}

const smaller = extreme("minimum", "min", "<", Math.min);
const larger = extreme("maximum", "max", ">", Math.max);

/** The smaller of two elements. b may be a number; shapes broadcast. */
export function minimum(a: Tensor, b: Tensor | number): Tensor {
  takes("minimum(a: tensor, b: tensor | real)", arguments);
  return smaller(a, asTensor(b, a));
}

/**
 * The larger of two elements; shapes broadcast. With a number, or alone, it is `amax` still, as before version 0.2, and says so: the
 * number is an axis. `clamp(x, { low })` is the larger of x and a number.
 */
export function maximum(a: Tensor, b?: Tensor | number): Tensor {
  takes("maximum(a: tensor, b?: tensor | whole)", arguments);
  if (typeof b === "object") return larger(a, b);
  hintOnce();
  return b === undefined ? amax(a) : amax(a, b);
}

let isHinted = false;
function hintOnce(): void {
  if (!isHinted)
    console.warn("maximum(x, axis) is amax(x, axis); from version 0.3 on maximum compares two tensors only");
  isHinted = true;
}

const choose = op({
  name: "where",
  about: "y = a where mask is other than 0, else b",
  sig: "mask_N:f32 a_N b_N -> y_N",
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
export function where(mask: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
  takes("where(mask: tensor, a: tensor | float, b: tensor | float)", arguments);
  const [x, y] = [asTensor(a, b), asTensor(b, a)];
  const full = broadcastShape(mask.shape, broadcastShape(x.shape, y.shape, "where"), "where");
  return choose(expandTo(mask, full), expandTo(x, full), expandTo(y, full));
}
