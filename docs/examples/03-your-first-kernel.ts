// A kernel is plain WGSL. `op` connects it to names, shapes and a reference; the engine finds bindings by their names.
import { ceilDiv, compute, op, openGpu, pass, tensor } from "emotionclip-webgpu";

const text = /* wgsl */ `
// y_n = Σ_d x_nd²                                                              one invocation per row n
struct Dims { N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;        // [N, D]
@group(0) @binding(1) var<storage, read_write> y: array<f32>; // [N]
var<immediate> dim: Dims;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= dim.N) { return; }
  var sum = 0.0;
  for (var d = 0u; d < dim.D; d++) { sum += f32(x[id.x * dim.D + d]) * f32(x[id.x * dim.D + d]); }
  y[id.x] = sum;
}`;

const energy = op({
  name: "energy",
  about: "y = Σ x² over the last axis",
  sig: "x_ND -> y_N:f32", // capitals are axes; N stands for all leading ones; sums are f32
  forward: [pass("x_ND -> y_N:f32", text, ({ N }, { WG }) => ceilDiv(N, WG))],
  ref: ({ x }, { N, D }) => ({
    y: Float64Array.from({ length: N }, (_, n) => x.subarray(n * D, n * D + D).reduce((s, v) => s + v * v, 0)),
  }),
  flops: ({ N, D }) => 2 * N * D,
  bench: [{ N: 6528, D: 768 }],
});

const gpu = await openGpu();
console.log("the kernel says", await compute(() => energy(tensor([3, 4, 0, 5, 12, 0], [2, 3]))));
console.log("expected       ", new Float32Array([3 * 3 + 4 * 4, 5 * 5 + 12 * 12]));
gpu.close();
