// y_nam = Σ_{b ≤ a} x_nbm, or over b ≥ a where `backwards` is 1                           one invocation per (n, m)
//
// The sum is carried in two floats (Knuth's two-sum): a chain of f32 additions alone would drift with the length.
struct Dims { N: u32, A: u32, M: u32, backwards: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;              // [N, A, M]
@group(0) @binding(1) var<storage, read_write> y: array<T>;        // [N, A, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * dim.M) { return; }
  let start = (id / dim.M) * dim.A * dim.M + id % dim.M;
  var sum = 0.0;
  var rest = 0.0;
  for (var step = 0u; step < dim.A; step++) {
    let a = select(step, dim.A - 1 - step, dim.backwards == 1);
    let i = start + a * dim.M;
    let term = f32(x[i]);
    let total = sum + term;
    let part = total - sum;
    let lost = (sum - (total - part)) + (term - part);
    sum = total;
    rest += select(lost, 0.0, is_nan(lost)); // beyond the largest number there is nothing left to carry
    y[i] = T(sum + rest);
  }
}
