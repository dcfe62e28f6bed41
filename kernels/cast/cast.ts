// Between storage types: f32 and f16. Sums and statistics are f32 everywhere; f16 halves the bytes of what is stored.
import { ceilDiv, type Dtype, op, type Pass, pass, type Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import text from "./cast.wgsl";

/** vec4s per workgroup: a contiguous chunk, at most 1024 workgroups. */
const chunk = (N: number): number => Math.max(256, ceilDiv(ceilDiv(N, 4), 1024));

const convert = (sig: string, x: string, y: string, from: Dtype, to: Dtype): Pass =>
  pass(sig, [`alias From = ${from};`, `alias To = ${to};`, text], ({ N }) => ceilDiv(ceilDiv(N, 4), chunk(N)), {
    uniforms: ({ N }) => ({ chunk: chunk(N) }),
    rename: { x, y },
  });

const toF16 = op({
  name: "toF16",
  about: "y = x rounded to half precision, within ±65504",
  sig: "x_N:f32 -> y_N:f16",
  forward: [convert("x_N:f32 -> y_N:f16", "x", "y", "f32", "f16")],
  backward: [convert("dy_N:f16 -> dx_N:f32", "dy", "dx", "f16", "f32")],
  ref: ({ x }) => ({ y: x.slice() }),
  flops: () => 0,
  bench: [{ N: 2 ** 22 }],
  test: { sizes: { N: [1, 2, 3, 4, 5, 7, 1023, 1025] }, tolerance: 1e-3, gradient: 1e-3 }, // 11 bits: 2^-11 = 5e-4
});

const toF32 = op({
  name: "toF32",
  about: "y = x in single precision",
  sig: "x_N:f16 -> y_N:f32",
  forward: [convert("x_N:f16 -> y_N:f32", "x", "y", "f16", "f32")],
  backward: [convert("dy_N:f32 -> dx_N:f16", "dy", "dx", "f32", "f16")],
  ref: ({ x }) => ({ y: x.slice() }),
  flops: () => 0,
  bench: [{ N: 2 ** 22 }],
  test: { sizes: { N: [1, 2, 3, 4, 5, 7, 1023, 1025] }, gradient: 1e-3 }, // the gradient is stored in 11 bits
});

/** x in another storage type; x itself where it has it already. */
export function cast(x: Tensor, dtype: "f32" | "f16"): Tensor {
  takes('cast(x: tensor, dtype: "f32" | "f16")', arguments);
  if (x.dtype === dtype) return x;
  return dtype === "f16" ? toF16(x) : toF32(x);
}
