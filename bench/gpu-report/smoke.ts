// Half precision and matrices of a subgroup, each tried in its process: on some drivers they end it. What fails here is not asked for
// any more, and the report goes on.
import { fromHalf, toHalf } from "../../engine/half.ts";
import { Value } from "../../engine/record/value.ts";
import { bindRaw, bufferOf, compileRaw, submitRaw } from "../raw.ts";
import { structuresOf } from "../products.ts";
import { HALF, MATRICES } from "./adapter.ts";
import type { ReportPart } from "./part.ts";
import { RightProduct } from "./right-product.ts";

const kernel = `
struct Dims { n: u32 }
@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
var<immediate> dim: Dims;
override WG: u32 = 64;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) { y[id.x] = x[id.x] * x[dim.n - 1u - id.x] + T(0.25); }`;

/** Half precision: a kernel of every finite half, whose results have the right bits. */
export const halfPart: ReportPart = {
  name: "half",
  title: "Half precision",
  about:
    "A kernel of f16 in a process of its own: x_i x_(n-1-i) + 1/4 of 4,096 halves, equal to the same in f64 rounded once or twice.",
  seconds: 15,
  columns: [{ key: "value", title: "", as: "text" }],
  tries: [HALF, MATRICES],
  async run({ gpu: open, tell }) {
    const gpu = await open([MATRICES]);
    if (!gpu.facts.f16) return tell({ skipped: "f16: the adapter has no half precision (shader-f16)" });
    const n = 4096;
    const bits = Uint16Array.from({ length: n }, (_, i) => toHalf(Math.sin(i) * 2 ** ((i % 9) - 4)));
    const x = bufferOf(gpu, bits);
    const y = gpu.store.allocate(2 * n, "other");
    const launch = bindRaw(gpu, compileRaw(gpu, kernel, "smoke of f16", {}, "f16"), { x, y }, { n }, [n / 64]);
    submitRaw(gpu, [launch], 1);
    const got = await gpu.read(new Value(n, "f16"), y);
    const host = Float64Array.from(bits, fromHalf);
    const wrong = Array.from(got, (value, i) => {
      const exact = host[i] * host[n - 1 - i];
      const once = fromHalf(toHalf(exact + 0.25));
      const twice = fromHalf(toHalf(fromHalf(toHalf(exact)) + 0.25));
      return value !== once && value !== twice;
    }).filter(Boolean).length;
    const note = wrong ? `${wrong} of ${n} are wrong` : `${n} results have the bits of a fused or of a rounded product`;
    tell({ row: { name: "f16", right: wrong === 0, note, cells: { value: wrong ? "wrong" : "works" } } });
  },
};

/** Matrices of a subgroup: each tile that the device runs, against f64. */
export const matricesPart: ReportPart = {
  name: "matrices",
  title: "Matrices of a subgroup",
  about:
    "Products of halves by the device's matrix units in a process of its own: each tile, all three forms, sampled against f64.",
  seconds: 15,
  columns: [{ key: "value", title: "", as: "text" }],
  tries: [MATRICES],
  async run({ gpu: open, sizes, tell }) {
    const gpu = await open();
    const { f16, matrices = [] } = gpu.facts;
    if (!f16 || matrices.length === 0)
      return tell({ skipped: `matrices: the adapter multiplies none of halves into f32 (${MATRICES})` });
    const value = matrices.map(({ m, n, k }) => `${m}x${n}x${k}`).join(", ");
    tell({ row: { name: "sizes m x n x k", right: null, cells: { value } } });
    const side = sizes.rounds > 1 ? 512 : 128;
    const work = new RightProduct(gpu, "f16", side * side, side * side, side * side);
    for (const form of ["NN", "NT", "TN"] as const) {
      const task = { form, M: side, N: side, K: side };
      for (const name of structuresOf(task, gpu.facts, "f16")) {
        if (!name.startsWith("mx") || sizes.tiles?.includes(name) === false) continue;
        const fault = await work.faultOf(task, name);
        tell({
          row: { name: `${name} ${form}`, right: !fault, note: fault, cells: { value: fault ? "wrong" : "works" } },
        });
      }
    }
  },
};
