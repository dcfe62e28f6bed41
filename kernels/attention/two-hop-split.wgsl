// r = S A and w = S (1 − A): what goes through U, and what does not                         one invocation per number
struct Dims { H: u32, L: u32, M: u32, rows: u32 }

@group(0) @binding(0) var<storage, read> s: array<f32>;            // [B, H, L, M]
@group(0) @binding(1) var<storage, read> share: array<f32>;        // [H, L, L]
@group(0) @binding(2) var<storage, read_write> r: array<f32>;      // [B, H, L, M], padding 0
@group(0) @binding(3) var<storage, read_write> w: array<f32>;      // [B, H, L, M], padding 0
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (wid.x + wid.y * nwg.x) * WG + lane;
  if (at >= dim.rows * dim.M) { return; }
  let j = at % dim.M;
  let A = share[(at / dim.M) % (dim.H * dim.L) * dim.L + min(j, dim.L - 1)];
  let p = select(0.0, s[at], j < dim.L);
  r[at] = p * A;
  w[at] = p * (1.0 - A);
}
