// w = p · keep, the padding 0 whatever p's was                                              one invocation per number
struct Dims { L: u32, M: u32, rows: u32 }

@group(0) @binding(0) var<storage, read> p: array<f32>;            // [B, H, L, M]
@group(0) @binding(1) var<storage, read> keep: array<f32>;         // [B, H, L, L]
@group(0) @binding(2) var<storage, read_write> w: array<f32>;      // [B, H, L, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (wid.x + wid.y * nwg.x) * WG + lane;
  if (at >= dim.rows * dim.M) { return; }
  let j = at % dim.M;
  w[at] = select(0.0, p[at] * keep[at / dim.M * dim.L + min(j, dim.L - 1)], j < dim.L);
}
