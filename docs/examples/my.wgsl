// y_nd = x_nd / Σ_d |x_nd|                                                     one invocation per row n
//
// A kernel of one's own for the profiler, which reads the sizes of the buffers from the comments behind them:
//   emotionclip profile --kernel docs/examples/my.wgsl --sizes N=4096,D=256 --grid N/WG --flops 2*N*D
struct Dims { N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;        // [N, D]
@group(0) @binding(1) var<storage, read_write> y: array<f32>;  // [N, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= dim.N) { return; }
  let start = id.x * dim.D;
  var sum = 1e-6;
  for (var d = 0u; d < dim.D; d++) { sum += abs(x[start + d]); }
  for (var d = 0u; d < dim.D; d++) { y[start + d] = x[start + d] / sum; }
}
