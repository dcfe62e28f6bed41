// p ← keep · p − size · o, exactly N elements                                        a workgroup owns one chunk
//
// keep = 1 − lr · decay and size = lr · scale come from the host. A factor of 0 changes nothing, and a NaN is within any
// limits (see adamw).
struct Dims { N: u32, keep: f32, size: f32, least: f32, most: f32 }

@group(0) @binding(0) var<storage, read_write> p: array<f32>;      // [N]
@group(0) @binding(1) var<storage, read> o: array<f32>;            // [N]
@group(0) @binding(2) var<storage, read> factor: array<f32>;       // scalar
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = 4 * chunk_start(wid, nwg);
  let end = select(start, min(start + 4 * WG * STEPS, dim.N), factor[0] > 0);
  for (var i = start + lane; i < end; i += WG) {
    let next = dim.keep * p[i] - dim.size * o[i];
    let raised = select(next, dim.least, next < dim.least);
    p[i] = nan_or(next, select(raised, dim.most, raised > dim.most));
  }
}
