// y = x, n vec4s: what memory gives at best                    one contiguous chunk of WG · STEPS vec4s per workgroup
struct Dims { n: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;        // [4 n]
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;  // [4 n]
var<immediate> dim: Dims;

override WG: u32 = 64;
const STEPS: u32 = 256u / SG;  // long chunks on narrow machines, which pay for every workgroup

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (wid.x + wid.y * nwg.x) * (WG * STEPS);
  let end = min(start + WG * STEPS, dim.n);
  for (var i = start + lane; i < end; i += WG) { y[i] = x[i]; }
}
