// y_i = x_i          exactly N elements, for places whose neighbours must stay as they are; a contiguous chunk per workgroup
struct Dims { N: u32, chunk: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;        // [N]
@group(0) @binding(1) var<storage, read_write> y: array<T>;  // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (wid.x + wid.y * nwg.x) * dim.chunk;
  let end = min(start + dim.chunk, dim.N);
  for (var i = start + lane; i < end; i += WG) { y[i] = x[i]; }
}
