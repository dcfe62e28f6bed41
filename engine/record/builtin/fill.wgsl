// y_i = value          each workgroup fills a contiguous chunk
struct Dims { N: u32, chunk: u32, bits: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<T>;  // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (wid.x + wid.y * nwg.x) * dim.chunk;
  let end = min(start + dim.chunk, dim.N);
  for (var i = start + lane; i < end; i += WG) { y[i] = T(bitcast<Num>(dim.bits)); }
}
