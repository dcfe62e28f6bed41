// dpartTotal_cnm = dy_nm · the other runs' products: those before, and then those behind      one invocation per (n, m)
//
// A quotient y / x would be 0 / 0 at a zero, and lose all where the whole product leaves what f32 holds.
struct Dims { N: u32, M: u32, C: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;                    // [N, M]
@group(0) @binding(1) var<storage, read> partTotal: array<f32>;           // [C, N, M]
@group(0) @binding(2) var<storage, read_write> dpartTotal: array<f32>;    // [C, N, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let r = (wid.x + wid.y * nwg.x) * WG + lane;
  let places = dim.N * dim.M;
  if (r >= places) { return; }
  var before = 1.0;
  for (var c = 0u; c < dim.C; c++) {
    dpartTotal[c * places + r] = before;
    before *= partTotal[c * places + r];
  }
  var behind = f32(dy[r]);
  for (var c = dim.C; c > 0; c--) {
    let i = (c - 1) * places + r;
    dpartTotal[i] *= behind;
    behind *= partTotal[i];
  }
}
