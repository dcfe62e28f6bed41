// Functions of single elements, as a table: a row is the WGSL expression, its derivative and the same in f64.
// Expressions see vec4f values: x, y and attributes as dim.<name>. They may not make infinities or NaN of finite
// numbers on any driver: tanh overflows on some beyond 88, so arguments of exp and tanh are clamped. NaN stays NaN
// (nan_or4): WGSL's min, max and clamp do not promise it.
import type { Draw } from "../engine/declare/op.ts";
import { type Attrs, type Pass, pass } from "../engine/declare/pass.ts";
import { anyType, type Dtype, type Float, isWholeType } from "../engine/declare/signature.ts";
import { op } from "../engine/record/op.ts";
import { erf64 } from "./lib/erf.ts";
import erf4 from "./lib/erf.wgsl";
import { flatGrid } from "./lib/flat.ts";
import flat from "./lib/flat.wgsl";
import numbers from "./lib/numbers.wgsl";

/** The size of the benchmark rows: hidden units of one frame-encoder layer, 16 clips of 8 frames. */
const hidden = { N: 16 * 8 * 51 * 3072 };

interface Kernel {
  /** First comment line: the equation. */
  about: string;
  lib?: readonly string[];
  /** Inputs: `x`, or `x:u32`, whose elements are vec4u; `x:f32` is stored so whatever the others are. */
  reads: readonly string[];
  /** Output, as inputs are named -> expression. */
  writes: Record<string, Expression>;
}

/** WGSL in the names of the inputs; where integers are computed another way, both. */
export type Expression = string | { readonly float: string; readonly whole: string };

const forType = (expression: Expression, T: Dtype): string =>
  typeof expression === "string" ? expression : isWholeType(T) ? expression.whole : expression.float;

/** One launch over flat arrays of the same length: every output is an expression of the inputs' elements. */
export function flatPass(kernel: Kernel): Pass {
  const { lib = [], reads, writes } = kernel;
  const terms = (all: readonly string[]) => all.map((term) => term.replace(/(?=:|$)/, "_N")).join(" ");
  const source = ({ T }: { T: Dtype }) => [flat, ...lib, flatText(kernel, T)].join("\n");
  return pass(`${terms(reads)} -> ${terms(Object.keys(writes))}`, source, ({ N }, consts) => flatGrid(N, consts));
}

function flatText({ about, reads, writes: all }: Kernel, T: Dtype): string {
  const writes = Object.entries(all).map(([term, each]) => [term, forType(each, T)] as const);
  const expressions = writes.map(([, each]) => each).join(" ");
  const fields = ["N: u32", ...new Set([...expressions.matchAll(/dim\.(\w+)/g)].map(([, name]) => `${name}: f32`))];
  const bind = (term: string, i: number) => {
    const { name, stored } = elementOf(term);
    return `@group(0) @binding(${i}) var<storage, ${i < reads.length ? "read" : "read_write"}> ${name}: array<vec4<${stored}>>;`;
  };
  const names = reads.map((term) => elementOf(term).name);
  return `
// ${about}
struct Dims { ${fields.join(", ")} }
${[...reads, ...Object.keys(all)].map(bind).join("\n")}
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.N);
  for (var i = start + lane; i < end; i += WG) {
${reads
  .map(elementOf)
  .map(({ name, value }) => `    let ${name}_i = ${value}(${name}[i]);`)
  .join("\n")}
${writes
  .map(([term, e]) => [elementOf(term), e] as const)
  .map(([{ name, stored }, e]) => `    ${name}[i] = vec4<${stored}>(${elements(e, names)});`)
  .join("\n")}
  }
}`;
}

/** Name, storage type and value type of a term. */
function elementOf(term: string): { name: string; stored: string; value: string } {
  const [name, dtype = "T"] = term.split(":");
  const value = dtype === "T" ? "vec4<Num>" : dtype === "f32" ? "vec4f" : `vec4<${dtype}>`;
  return { name, stored: dtype, value };
}

/** The expression with x_i for x. */
const elements = (expression: string, names: readonly string[]) =>
  expression.replace(/(?<![.\w])([a-z]\w*)\b(?!\()/g, (word) => (names.includes(word) ? `${word}_i` : word));

/** Whether an expression mentions a name. */
export const mentions = (expression: string, name: string) => new RegExp(`(?<![.\\w])${name}\\b`).test(expression);

/** A row of the table of functions of one argument. */
interface Row<A extends Attrs, T extends Dtype> {
  name: string;
  about: string;
  attrs?: A;
  /** f(x), and its derivative in terms of x and y, whichever is cheaper and exact. */
  f: Expression;
  df: string;
  lib?: readonly string[];
  /** Default: f32 and f16. */
  storage?: readonly T[];
  ref: (x: number, attrs: A) => number;
  /** Operations per element. */
  flops: number;
  draw?: Draw;
  settings?: readonly Partial<A>[];
  tolerance?: number;
}

/** The op of a row. */
export function unary<A extends Attrs = Record<never, never>, T extends Dtype = Float>({
  name,
  about,
  attrs,
  f,
  df,
  lib,
  storage,
  ref,
  flops,
  draw = "gaussian",
  settings,
  tolerance,
}: Row<A, T>) {
  const back = ["dy", ...["x", "y"].filter((saved) => mentions(df, saved))];
  return op({
    name,
    about,
    sig: "x_N -> y_N",
    storage,
    attrs: attrs ?? ({} as A),
    forward: [flatPass({ about, lib, reads: ["x"], writes: { y: f } })],
    backward: [flatPass({ about: `dx = dy · ${name}'`, lib, reads: back, writes: { dx: `dy * (${df})` } })],
    ref: ({ x }, _, given) => ({ y: x.map((v) => ref(v, given)) }),
    flops: ({ N }) => flops * N,
    bench: [hidden],
    test: { draw: { x: draw }, attrs: settings, tolerance },
  });
}

const tanh64 = "nan_or4(x, tanh(clamp(x, vec4f(-15), vec4f(15))))";
const positive = "positive" as const;

/** y = −x, elementwise: x of any shape -> y of the same. */
export const neg = unary({
  name: "neg",
  about: "y = −x",
  storage: anyType,
  f: { float: "-x", whole: "vec4<Num>(0) - x" },
  df: "vec4f(-1)",
  ref: (x) => -x,
  flops: 1,
});

/** y = eˣ, elementwise; +∞ where that is beyond the storage type, as in PyTorch. */
export const exp = unary({
  name: "exp",
  about: "y = exp x",
  lib: [numbers],
  f: "nan_or4(x, exp(x))",
  df: "y",
  ref: Math.exp,
  flops: 8,
});

/** y = ln x, elementwise, for x > 0; −∞ at 0, and below what the driver makes of it (NaN, mostly). */
export const log = unary({
  name: "log",
  about: "y = ln x, x > 0",
  lib: [numbers],
  f: "nan_or4(x, select(log(x), x, x > vec4f(-LOWEST)))",
  df: "1 / x",
  ref: Math.log,
  flops: 8,
  draw: positive,
});

/** y = √x, elementwise, for x ≥ 0; below what the driver makes of it (NaN, mostly). Its gradient at 0 is infinite. */
export const sqrt = unary({
  name: "sqrt",
  about: "y = √x, x > 0",
  f: "sqrt(x)",
  df: "0.5 / y",
  ref: Math.sqrt,
  flops: 1,
  draw: positive,
});

/** y = x², elementwise. */
export const square = unary({ name: "square", about: "y = x²", f: "x * x", df: "2 * x", ref: (x) => x * x, flops: 1 });

/** y = 1 / x, elementwise; ±∞ at 0. */
export const reciprocal = unary({
  name: "reciprocal",
  about: "y = 1 / x, x ≠ 0",
  f: "1 / x",
  df: "-y * y",
  ref: (x) => 1 / x,
  flops: 1,
  draw: positive,
});

/** y = tanh x, elementwise. */
export const tanh = unary({
  name: "tanh",
  about: "y = tanh x",
  lib: [numbers],
  f: tanh64,
  df: "1 - y * y",
  ref: Math.tanh,
  flops: 10,
});

/** y = 1 / (1 + e⁻ˣ), elementwise. */
export const sigmoid = unary({
  name: "sigmoid",
  about: "y = 1 / (1 + exp −x)",
  lib: [numbers],
  f: "nan_or4(x, 1 / (1 + exp(-clamp(x, vec4f(-80), vec4f(80)))))",
  df: "y * (1 - y)",
  ref: (x) => 1 / (1 + Math.exp(-x)),
  flops: 10,
});

/** y = max(x, 0), elementwise; its gradient at 0 is 0, as in PyTorch. */
export const relu = unary({
  name: "relu",
  about: "y = max(x, 0)",
  lib: [numbers],
  f: "above_zero4(x)",
  df: "select(vec4f(0), vec4f(1), (x > vec4f(0)) | is_nan4(x))",
  ref: (x) => Math.max(x, 0),
  flops: 1,
});

/** y = x · Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016): the activation of EmotionCLIP's towers and head. */
export const gelu = unary({
  name: "gelu",
  about: "y = x/2 · (1 + erf(x/√2)), exact (Hendrycks & Gimpel 2016)",
  lib: [erf4],
  f: "0.5 * x * (1 + erf4(x * 0.70710678))",
  df: "0.5 * (1 + erf4(x * 0.70710678)) + x * 0.39894228 * exp(-min(0.5 * x * x, vec4f(80)))",
  ref: (x) => 0.5 * x * (1 + erf64(x * Math.SQRT1_2)),
  flops: 25,
});

const geluArgument = "clamp(0.79788456 * x * (1 + 0.044715 * x * x), vec4f(-15), vec4f(15))";
/** gelu by the tanh formula (PyTorch's approximate="tanh"): up to 4.7e-4 away from `gelu`, for weights that were trained with it. */
export const geluTanh = unary({
  name: "geluTanh",
  about: "y = x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³)))",
  f: `0.5 * x * (1 + tanh(${geluArgument}))`,
  df:
    `0.5 * (1 + tanh(${geluArgument})) + 0.5 * x * (1 - tanh(${geluArgument}) * tanh(${geluArgument}))` +
    " * 0.79788456 * (1 + 0.134145 * x * x)",
  ref: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  flops: 20,
});

/** Below −60 it is 0, so that x times it is too, however large x. */
const gate = "select(1 / (1 + exp(-clamp(1.702 * x, vec4f(-80), vec4f(80)))), vec4f(0), x < vec4f(-60))";
/** y = x · sigmoid(1.702 x): the activation of OpenAI's CLIP weights. */
export const quickGelu = unary({
  name: "quickGelu",
  about: "y = x · sigmoid(1.702 x)",
  f: `x * (${gate})`,
  df: `(${gate}) * (1 + 1.702 * x * (1 - ${gate}))`,
  ref: (x) => x / (1 + Math.exp(-1.702 * x)),
  flops: 12,
});

/** y = x held between `low` and `high`, elementwise, both numbers of the host; the gradient is 0 outside, as in PyTorch. */
export const clampFloat = unary({
  name: "clamp",
  about: "y = x within [low, high]; no gradient outside",
  attrs: { low: -Infinity, high: Infinity },
  lib: [numbers],
  f: "nan_or4(x, clamp(x, vec4f(dim.low), vec4f(dim.high)))",
  df: "select(vec4f(0), vec4f(1), (x >= vec4f(dim.low)) & (x <= vec4f(dim.high)))",
  ref: (x, { low, high }) => Math.min(Math.max(x, low), high),
  flops: 2,
  settings: [{}, { low: 0 }, { high: 0.5 }, { low: -1, high: 1 }],
});

/** y = x^exponent, elementwise, for x > 0; the exponent is a number of the host. */
export const pow = unary({
  name: "pow",
  about: "y = x^exponent, x > 0",
  attrs: { exponent: 2 },
  lib: [numbers],
  f: "nan_or4(x, pow(x, vec4f(dim.exponent)))",
  df: "dim.exponent * pow(x, vec4f(dim.exponent - 1))",
  ref: (x, { exponent }) => x ** exponent,
  flops: 16,
  draw: positive,
  settings: [{}, { exponent: 0.5 }, { exponent: -1.5 }],
});

/** y = factor · x + offset, elementwise, both numbers of the host: data, so that another value needs no new plan. */
export const scale = unary({
  name: "scale",
  about: "y = factor · x + offset",
  attrs: { factor: 1, offset: 0 },
  f: "dim.factor * x + dim.offset",
  df: "vec4f(dim.factor)",
  ref: (x, { factor, offset }) => factor * x + offset,
  flops: 2,
  settings: [{ factor: -2.5 }, { factor: 0.5, offset: 3 }],
});

/** A row of the table of two-argument functions; broadcast.ts makes the broadcasting forms of the same rows. */
export interface BinaryRow<T extends Dtype = Dtype> {
  name: string;
  about: string;
  f: Expression;
  /** Derivatives in terms of a, b and y. */
  da: string;
  db: string;
  ref: (a: number, b: number) => number;
  /** The same modulo 2^32, where that is not what f64 gives. */
  wholeRef?: (a: number, b: number) => number;
  draw?: { a?: Draw; b?: Draw };
  lib?: readonly string[];
  /** Default: f32 and f16. */
  storage?: readonly T[];
}

/** The reference of a row for elements of one type. */
export const refOf = ({ ref, wholeRef = ref }: BinaryRow, T: Dtype) => (isWholeType(T) ? wholeRef : ref);

export const binaryRows = {
  add: {
    name: "add",
    about: "y = a + b; of integers modulo 2³²",
    storage: anyType,
    f: "a + b",
    da: "vec4f(1)",
    db: "vec4f(1)",
    ref: (a, b) => a + b,
  },
  sub: {
    name: "sub",
    about: "y = a − b; of integers modulo 2³²",
    storage: anyType,
    f: "a - b",
    da: "vec4f(1)",
    db: "vec4f(-1)",
    ref: (a, b) => a - b,
  },
  mul: {
    name: "mul",
    about: "y = a · b; of integers modulo 2³²",
    storage: anyType,
    f: "a * b",
    da: "b",
    db: "a",
    ref: (a, b) => a * b,
    wholeRef: Math.imul,
  },
  div: {
    name: "div",
    about: "y = a / b, b ≠ 0",
    f: "a / b",
    da: "1 / b",
    db: "-y / b",
    ref: (a, b) => a / b,
    draw: { b: positive },
  },
} satisfies Record<string, BinaryRow>;

/** The op of a row for two tensors of the same shape. */
export function sameShape<T extends Dtype = Float>(row: BinaryRow<T>) {
  const { name, about, f, da, db, lib, storage, draw } = row;
  const saved = ["a", "b", "y"].filter((input) => mentions(`${da} ${db}`, input));
  const writes = { da: `dy * (${da})`, db: `dy * (${db})` };
  return op({
    name,
    about,
    sig: "a_N b_N -> y_N",
    storage,
    forward: [flatPass({ about, lib, reads: ["a", "b"], writes: { y: f } })],
    backward: [flatPass({ about: `da, db of ${about}`, lib, reads: ["dy", ...saved], writes })],
    ref: ({ a, b }, _, __, T) => ({ y: a.map((v, i) => refOf(row, T)(v, b[i])) }),
    flops: ({ N }) => N,
    bench: [{ N: 16 * 8 * 51 * 768 }],
    test: { draw },
  });
}
