// add, sub, mul, div of tensors whose shapes broadcast as in NumPy. The kernels know one case, a[N, A, M] with b[A];
// every other is brought there by reshaping, or by writing one side out first.
import { ShapeError, UsageError } from "../engine/errors.ts";
import { ceilDiv, type Pass, passOf, pass } from "../engine/declare/pass.ts";
import type { Dtype, Float } from "../engine/declare/signature.ts";
import { op } from "../engine/record/op.ts";
import type { Tensor } from "../engine/record/tensor.ts";
import { takes } from "../engine/takes.ts";
import { flatGrid, lanesGrid, subgroupGrid } from "./lib/flat.ts";
import flat from "./lib/flat.wgsl";
import { partsFor } from "./lib/panels.ts";
import panels from "./lib/panels.wgsl";
import rows from "./lib/rows.wgsl";
import { isFloat, ofOneType, operand } from "./operands.ts";
import { type BinaryRow, binaryRows, mentions, refOf, sameShape, scale } from "./pointwise.ts";
import final from "./reduce/final.wgsl";
import { expandTo } from "./reduce/reduce.ts";

const arrays = (reads: readonly string[], write: string, element: (name: string) => string) =>
  [...reads, write]
    .map((name, i) => {
      const access = i < reads.length ? "read" : "read_write";
      return `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${element(name)}>;`;
    })
    .join("\n");

const shapes: Record<string, string> = { b: "b_A" };
const term = (name: string) => shapes[name] ?? `${name}_NAM`;

/** Names among a, b, y (and dy) that the expression reads. */
const readsOf = (expression: string) => ["dy", "a", "b", "y"].filter((name) => mentions(expression, name));

const head = `@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,`;

/** out[n, α, m] = expression, with b's element α; a, y and dy have out's shape. */
function alongPass(about: string, out: string, expression: string): Pass {
  const reads = readsOf(expression);
  const value = (name: string, at: string) => `    let ${name} = ${at};`;
  const each = (b: string) =>
    reads.map((name) => value(`${name}_i`, name === "b" ? b : `vec4<Num>(${name}[i])`)).join("\n");
  const written = expression.replace(/\b(dy|a|b|y)\b(?!\()/g, "$1_i");
  const whole = `
// ${about}; M = 1 and b in vec4s, whose position b4 runs along without divisions
struct Dims { N: u32, A: u32 }
${arrays(reads, out, () => "vec4<T>")}
var<immediate> dim: Dims;

${head}
        @builtin(local_invocation_index) lane: u32) {
  let A4 = dim.A / 4;
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.N * dim.A);
  let step = WG % A4;
  var b4 = (start + lane) % A4;
  for (var i = start + lane; i < end; i += WG) {
${each("vec4<Num>(b[b4])")}
    ${out}[i] = vec4<T>(${written});
    b4 += step;
    b4 = select(b4, b4 - A4, b4 >= A4);
  }
}`;
  const any = `
// ${about}; the four elements of a vec4 may belong to different elements of b
struct Dims { N: u32, A: u32, M: u32 }
${arrays(reads, out, (name) => (name === "b" ? "T" : "vec4<T>"))}
var<immediate> dim: Dims;

/// b's elements for the four positions from 4i on.
fn along(i: u32) -> vec4<Num> {
  var alpha = (4 * i / dim.M) % dim.A;
  var m = (4 * i) % dim.M;
  var v = vec4<Num>();
  for (var k = 0u; k < 4; k++) {
    v[k] = Num(b[alpha]);
    m += 1;
    if (m == dim.M) {
      m = 0;
      alpha = select(alpha + 1, 0u, alpha + 1 == dim.A);
    }
  }
  return v;
}

${head}
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.N * dim.A * dim.M);
  for (var i = start + lane; i < end; i += WG) {
${each("along(i)")}
    ${out}[i] = vec4<T>(${written});
  }
}`;
  // Where b is one number, or the expression does not read it, all is flat.
  const along = /\n\/\/\/ b's[\s\S]*?\n}\n/;
  const one = any.replace(along, "").replace("along(i)", "vec4<Num>(Num(b[0]))");
  const plain = !reads.includes("b");
  const grid = ({ N, A, M }: Record<string, number>, consts: Readonly<Record<string, number>>) =>
    flatGrid(N * A * M, consts);
  const sig = `${reads.map(term).join(" ")} -> ${term(out)}`;
  if (plain) return pass(sig, [flat, one], grid as never, { label: out });
  const isWhole = ({ A, M }: Record<string, number>) => M === 1 && A % 4 === 0;
  return passOf(
    sig,
    {
      whole: { source: [flat, whole], grid, available: (_, dims) => isWhole(dims) },
      one: { source: [flat, one], grid, available: (_, { A }) => A === 1 },
      any: { source: [flat, any], grid },
    },
    (dims) => (isWhole(dims) ? "whole" : dims.A === 1 ? "one" : "any"),
    out,
  );
}

/** part[c, α] = sum of the expression over chunk c of b's places: the rows of a column, or a row's run of N · M. */
function sumPass(expression: string): Pass {
  const reads = readsOf(expression);
  const bind = (name: string, b: string, at: string) => `let ${name}_i = ${name === "b" ? b : at};`;
  const written = expression.replace(/\b(dy|a|b|y)\b(?!\()/g, "$1_i");
  const columns = `
// part_cα = Σ over the rows n of chunk c of ∂y/∂b                       one invocation: four columns of one chunk
struct Dims { N: u32, A: u32, C: u32 }
${arrays(reads, "part", (name) => (name === "part" ? "vec4f" : "vec4<T>"))}
var<immediate> dim: Dims;
override WG: u32 = 64;

${head}
        @builtin(local_invocation_index) lane: u32) {
  let A4 = dim.A / 4;
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  let c = id / A4;
  let column = id % A4;
  if (c >= dim.C) { return; }
  let size = (dim.N + dim.C - 1) / dim.C;
  var sum = vec4f();
  let end = min((c + 1) * size, dim.N);
  for (var far = c * size; far < end; far += STRETCH) {
    var sumStretch = vec4f();
    let farEnd = min(far + STRETCH, end);
    for (var near = far; near < farEnd; near += PANEL) {
      var sumPanel = vec4f();
      let nearEnd = min(near + PANEL, farEnd);
      for (var n = near; n < nearEnd; n++) {
        ${reads.map((name) => bind(name, "vec4f(b[column])", `vec4f(${name}[n * A4 + column])`)).join("\n        ")}
        sumPanel += ${written};
      }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  part[id] = sum;
}`;
  const strips = `
// part_cα = Σ over chunk c of the N · M places of α of ∂y/∂b             one subgroup per α and chunk
struct Dims { N: u32, A: u32, M: u32, C: u32 }
${arrays(reads, "part", (name) => (name === "part" ? "f32" : "T"))}
var<immediate> dim: Dims;
override WG: u32 = 64;

${head}
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let id = subgroup_index(wid, nwg, subgroup);
  if (id >= dim.C * dim.A) { return; }
  let alpha = id % dim.A;
  let size = (dim.N * dim.M + dim.C - 1) / dim.C;
  let start = (id / dim.A) * size;
  var sum = 0.0;
  let end = min(start + size, dim.N * dim.M);
  for (var far = start + lane; far < end; far += STRETCH * SG) {
    var sumStretch = 0.0;
    let farEnd = min(far + STRETCH * SG, end);
    for (var near = far; near < farEnd; near += PANEL * SG) {
      var sumPanel = 0.0;
      let nearEnd = min(near + PANEL * SG, farEnd);
      for (var q = near; q < nearEnd; q += SG) {
        let at = ((q / dim.M) * dim.A + alpha) * dim.M + q % dim.M;
        ${reads.map((name) => bind(name, "f32(b[alpha])", `f32(${name}[at])`)).join("\n        ")}
        sumPanel += ${written.replaceAll("vec4f(", "f32(")};
      }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  sum = subgroupAdd(sum);
  if (lane == 0) { part[id] = sum; }
}`;
  const isColumns = ({ A, M }: Record<string, number>) => M === 1 && A % 4 === 0;
  return passOf(
    `${reads.map(term).join(" ")} -> part_CA:f32`,
    {
      columns: {
        source: [panels, columns],
        grid: ({ A, C }, consts) => lanesGrid((A / 4) * C, consts),
        available: (_, dims) => isColumns(dims),
      },
      strips: { source: [panels, rows, strips], grid: ({ A, C }, consts) => subgroupGrid(A * C, consts) },
    },
    (dims) => (isColumns(dims) ? "columns" : "strips"),
    "db chunks",
  );
}

/** The op of a row for a[N, A, M] and b[A], b meeting every n and m. */
function along<T extends Dtype = Float>(row: BinaryRow<T> & { f: string }) {
  const { name, about, f, da, db, storage, draw } = row;
  return op({
    name: `${name}Along`,
    about: `${about}, b along one axis of a`,
    sig: "a_NAM b_A -> y_NAM",
    storage,
    // C: chunks of the sums over N and M in b's gradient, enough to occupy a device.
    derive: ({ N, M }) => ({ C: partsFor(N * M, 32) }),
    forward: [alongPass(about, "y", f)],
    backward: [
      alongPass(`da of ${about}`, "da", `dy * (${da})`),
      sumPass(`dy * (${db})`),
      pass("part_CA:f32 -> db_A", [panels, final], ({ A }, { WG }) => ceilDiv(A, WG), {
        label: "db",
        rename: { y: "db" },
        uniforms: ({ A }) => ({ R: A, factor: 1 }),
      }),
    ],
    ref: ({ a, b }, { A, M }, _, T) => ({ y: a.map((v, i) => refOf(row, T)(v, b[Math.floor(i / M) % A])) }),
    flops: ({ N, A, M }) => N * A * M,
    bench: [{ N: 128, A: 77 * 512, M: 1 }],
    test: { draw },
  });
}

/** Shape of the result of broadcasting, as in NumPy. */
export function broadcastShape(a: readonly number[], b: readonly number[], what: string): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new ShapeError(`${what}: [${a}] and [${b}] do not broadcast: axis ${i - rank} is ${x} and ${y}`);
    return x === 1 ? y : x;
  });
}

/** [N, A, M] so that a tensor of `shape` meets one of `full` along A only; undefined if it needs several axes apart. */
function canonical(full: readonly number[], shape: readonly number[]): [number, number, number] | undefined {
  const padded = [...Array<number>(full.length - shape.length).fill(1), ...shape];
  const own = [...padded.keys()].filter((i) => padded[i] !== 1);
  const [from, to] = own.length > 0 ? [own[0], own.at(-1)! + 1] : [0, 0];
  const numel = (sizes: readonly number[]) => sizes.reduce((product, size) => product * size, 1);
  if (padded.slice(from, to).some((size, i) => size !== full[from + i])) return undefined;
  return [numel(full.slice(0, from)), numel(full.slice(from, to)), numel(full.slice(to))];
}

/** A function of two tensors of one type, which its result has. */
export type Binary = <D extends Dtype>(a: Tensor<D>, b: Tensor<D>) => Tensor<D>;

function broadcasting({ name }: BinaryRow, same: Binary, one: Binary): Binary {
  return (a, b) => {
    ofOneType(name, { a, b });
    if (a.shape.length === b.shape.length && a.shape.every((size, i) => size === b.shape[i])) return same(a, b);
    const full = broadcastShape(a.shape, b.shape, name);
    const sizes = canonical(full, b.shape);
    const wide = expandTo(a, full);
    if (!sizes) return same(wide, expandTo(b, full));
    return one(wide.reshape(sizes), b.reshape([sizes[1]])).reshape(full);
  };
}

const ops = {
  add: [sameShape(binaryRows.add), along(binaryRows.add)],
  sub: [sameShape(binaryRows.sub), along(binaryRows.sub)],
  mul: [sameShape(binaryRows.mul), along(binaryRows.mul)],
  div: [sameShape(binaryRows.div), along(binaryRows.div)],
} as const;

const addTensors = broadcasting(binaryRows.add, ...ops.add);
const subTensors = broadcasting(binaryRows.sub, ...ops.sub);
const mulTensors = broadcasting(binaryRows.mul, ...ops.mul);
const divTensors = broadcasting(binaryRows.div, ...(ops.div as readonly unknown[] as [Binary, Binary])); // of floats alone

/** True where exchanging the two saves writing the first one out. */
const smaller = (a: Tensor<Dtype>, b: Tensor<Dtype>) => a.numel < b.numel;

/** What arithmetic with a number is: of floats a launch without a second tensor, of integers that of a tensor. */
function withNumber<D extends Dtype>(
  name: string,
  a: Tensor<D>,
  b: number,
  ofFloats: { factor?: number; offset?: number },
  of: Binary,
): Tensor<D> {
  return isFloat(a) ? (scale(a as Tensor<Dtype> as Tensor, ofFloats) as Tensor<D>) : of(a, operand(name, b, a, true));
}

/** a + b; shapes broadcast, b may be a number. Integers wrap at 2^32. Errors: ShapeError for tensors of two types. */
export function add<D extends Dtype>(a: Tensor<D>, b: Tensor<NoInfer<D>> | number): Tensor<D> {
  takes("add(a: tensor, b: tensor | real)", arguments);
  if (typeof b === "number") return withNumber("add", a, b, { offset: b }, addTensors);
  return smaller(a, b) ? addTensors(b, a) : addTensors(a, b);
}

/** a − b; shapes broadcast, b may be a number. Integers wrap at 2^32. Errors: ShapeError for tensors of two types. */
export function sub<D extends Dtype>(a: Tensor<D>, b: Tensor<NoInfer<D>> | number): Tensor<D> {
  takes("sub(a: tensor, b: tensor | real)", arguments);
  return typeof b === "number" ? withNumber("sub", a, b, { offset: -b }, subTensors) : subTensors(a, b);
}

/** a · b, elementwise; shapes broadcast, b may be a number. Integers wrap at 2^32. Errors: ShapeError for tensors of two types. */
export function mul<D extends Dtype>(a: Tensor<D>, b: Tensor<NoInfer<D>> | number): Tensor<D> {
  takes("mul(a: tensor, b: tensor | real)", arguments);
  if (typeof b === "number") return withNumber("mul", a, b, { factor: b }, mulTensors);
  return smaller(a, b) ? mulTensors(b, a) : mulTensors(a, b);
}

/**
 * a / b, elementwise; shapes broadcast, b may be a number other than 0. Errors: ShapeError for integers, whose quotient is none
 * (`floorDivide` rounds it down), and for tensors of two types.
 */
export function div(a: Tensor, b: Tensor | number): Tensor {
  takes("div(a: tensor, b: tensor | real)", arguments);
  if (!isFloat(a))
    throw new ShapeError(
      `div: a is ${a.dtype}, whose quotients are no integers; floorDivide(a, b) rounds down, div(cast(a, "f32"), …) has fractions`,
    );
  if (b === 0) throw new UsageError("div: b is 0; expected another number");
  return typeof b === "number" ? scale(a, { factor: 1 / b }) : divTensors(a, b);
}
