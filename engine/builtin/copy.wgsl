// y_i = x_i          exactly N elements: for places whose neighbours must stay as they are
struct Dims { N: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;        // [N]
@group(0) @binding(1) var<storage, read_write> y: array<T>;  // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i < dim.N) { y[i] = x[i]; }
}
