// An axis in up to four parts: the op that joins them, and the one that takes them apart. Each is the other's gradient.
import { ShapeError } from "../../engine/errors.ts";
import type { Pass } from "../../engine/declare/pass.ts";
import { anyType, type Dtype, type Sizes } from "../../engine/declare/signature.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { rowsPass } from "./by-rows.ts";
import { windowPass } from "./window.ts";

/** As many parts has a launch. */
export const most = 4;

/** A part of the whole: its name, its axis, and the attribute that has its size where a whole is split. */
interface Part {
  readonly name: string;
  readonly axis: string;
  readonly size: string;
}

const parts: readonly Part[] = [
  { name: "a", axis: "A", size: "first" },
  { name: "b", axis: "B", size: "second" },
  { name: "c", axis: "D", size: "third" },
  { name: "d", axis: "E", size: "fourth" },
];

const total = (of: readonly Part[], dims: Sizes): number => of.reduce((sum, { axis }) => sum + dims[axis], 0);
const terms = (of: readonly Part[], d = ""): string => of.map(({ name, axis }) => `${d}${name}_N${axis}M`).join(" ");

/** The kernel for these parts: a row of y is a row of each, one after another. */
function joinText(names: readonly string[]): string {
  const bind = (k: number, access: string, name: string) =>
    `@group(0) @binding(${k}) var<storage, ${access}> ${name}: array<Element>;`;
  const copies = names.map((name, k) => {
    const before = k === 0 ? "0" : `dim.end${k - 1}`;
    return `if (q < dim.end${k}) { y[i] = ${name}[n * (dim.end${k} - ${before}) + q - ${before}]; }`;
  });
  return `
struct Dims { N: u32, row: u32, ${names.map((_, k) => `end${k}: u32`).join(", ")} }
${[...names.map((name, k) => bind(k, "read", name)), bind(names.length, "read_write", "y")].join("\n")}
var<immediate> dim: Dims;

fn put(n: u32, q: u32) {
  let i = n * dim.row + q;
  ${copies.join(" else\n  ")}
}`;
}

/** One launch: the parts, under the names `d…` for gradients, into y. */
function joinPass(of: readonly Part[], d: "" | "d", y: string): Pass {
  const names = of.map(({ name }) => name);
  const end = (dims: Sizes, k: number, step: number) => (total(of.slice(0, k + 1), dims) * dims.M) / step;
  return rowsPass(`${terms(of, d)} -> ${y}_NCM`, {
    text: joinText(names),
    of: ({ N, C, M }) => ({ count: N, row: C * M, unit: M }),
    uniforms: (dims, _, step) => Object.fromEntries(of.map((_, k) => [`end${k}`, end(dims, k, step)])),
    rename: { ...Object.fromEntries(names.map((name) => [name, `${d}${name}`])), y },
  });
}

/** A launch for every part that takes it out of x. */
const cutPasses = (of: readonly Part[], x: string, d: "" | "d"): Pass[] =>
  of.map(({ name, axis }, k) =>
    windowPass({ x, y: `${d}${name}` }, ["C", axis, "M"], (dims) => total(of.slice(0, k), dims)),
  );

const sizes = { N: [1, 2, 3, 7, 4099], A: [1, 2, 5], B: [1, 3, 4], D: [1, 2, 7], E: [1, 5], M: [1, 3, 4, 8, 33] };

function joinOf(count: number) {
  const of = parts.slice(0, count);
  return op({
    name: count === 2 ? "concat" : `concat${count}`,
    about: `y[n] = ${of.map(({ name }) => `${name}[n]`).join(" and then ")}, along one axis`,
    sig: `${terms(of)} -> y_NCM` as string,
    storage: anyType,
    derive: (dims: Sizes) => ({ C: total(of, dims) }),
    forward: [joinPass(of, "", "y")],
    backward: cutPasses(of, "dy", "d"),
    ref(inputs: Record<string, Float64Array>, { N, M, ...dims }: Sizes) {
      const rows = (name: string, axis: string, n: number) =>
        inputs[name].subarray(n * dims[axis] * M, (n + 1) * dims[axis] * M);
      return {
        y: Array.from({ length: N }, (_, n) => of.flatMap(({ name, axis }) => [...rows(name, axis, n)])).flat(),
      };
    },
    flops: () => 0,
    bench:
      count === 2
        ? [{ N: 128, A: 50, B: 1, M: 768 }]
        : [{ N: 128, A: 16, B: 16, D: 16, ...(count === 4 && { E: 16 }), M: 768 }],
    test: { sizes },
  }) as unknown as <D extends Dtype>(...tensors: Tensor<D>[]) => Tensor<D>;
}

function splitOf(count: number) {
  const of = parts.slice(0, count);
  const given = of.slice(0, -1);
  const last = of[count - 1].axis;
  return op({
    name: `split${count}`,
    about: `${of.map(({ name }) => name).join(", ")} = pieces of x along one axis, one after another`,
    sig: `x_NCM -> ${terms(of)}` as string,
    storage: anyType,
    attrs: Object.fromEntries(given.map(({ size }) => [size, 1])) as Record<string, number>,
    takes: Object.fromEntries(given.map(({ size }) => [size, "size"])),
    derive({ C }: Sizes, attrs) {
      const dims = Object.fromEntries(given.map(({ axis, size }) => [axis, attrs[size]]));
      const rest = C - total(given, dims);
      if (rest < 1)
        throw new ShapeError(
          `split: pieces of ${Object.values(dims).join(", ")} and one more do not fit an axis of ${C}`,
        );
      return { ...dims, [last]: rest } as Sizes;
    },
    forward: cutPasses(of, "x", ""),
    backward: [joinPass(of, "d", "dx")],
    ref({ x }: Record<string, Float64Array>, { N, C, M, ...dims }: Sizes) {
      const piece = (k: number, n: number) => {
        const start = (n * C + total(of.slice(0, k), dims)) * M;
        return x.subarray(start, start + dims[of[k].axis] * M);
      };
      const all = of.map(({ name }, k) => [name, Array.from({ length: N }, (_, n) => [...piece(k, n)]).flat()]);
      return Object.fromEntries(all);
    },
    flops: () => 0,
    bench: [{ N: 128, C: 16 * count, M: 768, attrs: Object.fromEntries(given.map(({ size }) => [size, 16])) }],
    test: {
      sizes: { N: sizes.N, C: [2, 3, 4, 5, 7, 9, 17], M: sizes.M },
      attrs: [{}, Object.fromEntries(given.map(({ size }, k) => [size, k + 2]))],
    },
  }) as unknown as <D extends Dtype>(x: Tensor<D>, attrs: Record<string, number>) => Tensor<D>[];
}

const joins = [2, 3, 4].map(joinOf);
const splits = [2, 3, 4].map(splitOf);

/** Tensors [N, A, M] of one N and M, two to four of them, as one. */
export const joinParts = <D extends Dtype>(all: readonly Tensor<D>[]): Tensor<D> => joins[all.length - 2](...all);

/** x_NCM in pieces of these sizes, two to four, whose sum is C. */
export const splitParts = <D extends Dtype>(x: Tensor<D>, of: readonly number[]): Tensor<D>[] =>
  splits[of.length - 2](x, Object.fromEntries(of.slice(0, -1).map((size, k) => [parts[k].size, size])));
