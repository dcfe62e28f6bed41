// y_nm = max_a x_nam, at_nm = the first a that has it                                      one invocation per (n, m)
//
// NaN is above all else; the first one is the maximum.
struct Dims { N: u32, A: u32, M: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;              // [N, A, M]
@group(0) @binding(1) var<storage, read_write> y: array<T>;        // [N, M]
@group(0) @binding(2) var<storage, read_write> at: array<u32>;     // [N, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * dim.M) { return; }
  let start = (id / dim.M) * dim.A * dim.M + id % dim.M;
  var best = x[start];
  var place = 0u;
  for (var a = 1u; a < dim.A; a++) {
    let v = x[start + a * dim.M];
    if (!is_nan(f32(best)) && (v > best || is_nan(f32(v)))) {
      best = v;
      place = a;
    }
  }
  y[id] = best;
  at[id] = place;
}
