// The four launches that gradients themselves need. Declared like every other op, and tested like it.
import accumulateText from "./builtin/accumulate.wgsl";
import addToText from "./builtin/add-to.wgsl";
import copyText from "./builtin/copy.wgsl";
import fillText from "./builtin/fill.wgsl";
import { bitsOf, checkHeld } from "../declare/bits.ts";
import { ceilDiv, type Pass, pass } from "../declare/pass.ts";
import type { Op } from "../declare/op.ts";
import { anyType, type Dtype, type TypeClass } from "../declare/signature.ts";
import { op } from "./op.ts";
import type { Tensor } from "./tensor.ts";

/** Elements per workgroup of flat kernels: a contiguous chunk, at most 1024 workgroups. */
const chunk = (n: number): number => Math.max(256, Math.ceil(n / 1024 / 256) * 256);

const copied = (sig: string, rename: Record<string, string>): Pass =>
  pass(sig, copyText, ({ N }) => ceilDiv(N, chunk(N)), { rename, uniforms: ({ N }) => ({ chunk: chunk(N) }) });

const filled = op({
  name: "fill",
  about: "y = value, n elements",
  sig: "-> y_N",
  storage: anyType,
  attrs: { value: 0, n: 1, dtype: "f32" as Dtype },
  takes: { value: "float", n: "size", dtype: '"f32" | "f16" | "u32" | "i32"' },
  derive(_, { n, value, dtype }) {
    checkHeld(() => "fill: value", [value], dtype);
    return { N: n };
  },
  forward: [
    pass("-> y_N", fillText, ({ N }) => ceilDiv(N, chunk(N)), {
      uniforms: ({ N }, { value, dtype }) => ({ chunk: chunk(N), bits: bitsOf(Number(value), dtype as Dtype) }),
    }),
  ],
  ref: (_, { N }, { value }) => ({ y: new Float64Array(N).fill(value) }),
  flops: () => 0,
  bench: [{ N: 2 ** 22, attrs: { n: 2 ** 22 } }],
  test: { sizes: { N: [1] }, attrs: [{ n: 1 }, { n: 7, value: 2.5 }, { n: 1000, value: -1 }] },
});

/** As a function: the type of its tensor is the attribute's. */
type Filling = <D extends Dtype = "f32">(attrs?: { value?: number; n?: number; dtype?: D }) => Tensor<TypeClass<D>>;
/** A tensor of n elements that all are `value`: [n], f32 unless `dtype` says otherwise. */
export const fill = filled as unknown as Filling & Op;

/** a + b of one shape, as gradients are added up; with broadcasting it is `add` of the kernels. */
export const accumulate = op({
  name: "accumulate",
  about: "y = a + b, two contributions to one gradient",
  sig: "a_N b_N -> y_N",
  forward: [
    pass("a_N b_N -> y_N", accumulateText, ({ N }) => ceilDiv(ceilDiv(N, 4), chunk(N / 4)), {
      uniforms: ({ N }) => ({ chunk: chunk(N / 4) }),
    }),
  ],
  backward: [copied("dy_N -> da_N", { x: "dy", y: "da" }), copied("dy_N -> db_N", { x: "dy", y: "db" })],
  ref: ({ a, b }) => ({ y: a.map((v, i) => v + b[i]) }),
  flops: ({ N }) => N,
  bench: [{ N: 2 ** 22 }],
  test: { sizes: { N: [1, 2, 3, 4, 5, 7, 1023, 1024, 1025, 4099] } },
});

export const addTo = op({
  name: "addTo",
  about: "y += x in place, exactly N elements: the gradient of a batch that comes in parts",
  sig: "x_N y_N -> y_N",
  forward: [
    pass("x_N y_N -> y_N", addToText, ({ N }) => ceilDiv(ceilDiv(N, 4), chunk(N / 4)), {
      uniforms: ({ N }) => ({ chunk: chunk(N / 4) }),
    }),
  ],
  ref: ({ x, y }) => ({ y: x.map((v, i) => v + y[i]) }),
  flops: ({ N }) => N,
  bench: [{ N: 2 ** 22 }],
  test: { sizes: { N: [1, 2, 3, 4, 5, 7, 1023, 1024, 1025, 4099] } },
});

/** The same elements in memory of their own: x_N -> y_N. */
export const copy = op({
  name: "copy",
  about: "y = x, exactly N elements",
  sig: "x_N -> y_N",
  storage: anyType,
  forward: [copied("x_N -> y_N", {})],
  backward: [copied("dy_N -> dx_N", { x: "dy", y: "dx" })],
  ref: ({ x }) => ({ y: x.slice() }),
  flops: () => 0,
  bench: [{ N: 2 ** 22 }],
  test: { sizes: { N: [1, 2, 3, 4, 5, 63, 64, 65, 1023, 1024, 1025] } },
});
