// w = w + t                                                                                 one invocation per vec4
struct Dims { M: u32, rows: u32 }

@group(0) @binding(0) var<storage, read> t: array<vec4f>;            // [B, H, L, M]
@group(0) @binding(1) var<storage, read_write> w: array<vec4f>;      // [B, H, L, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (wid.x + wid.y * nwg.x) * WG + lane;
  if (at < dim.rows * dim.M / 4) { w[at] += t[at]; }
}
