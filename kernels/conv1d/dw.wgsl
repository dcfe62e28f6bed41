// dw_ek = Σ_b Σ_u dy_bue · x_b,u+k,e                                               one invocation per weight, in order
struct Dims { B: u32, frames: u32, E: u32, U: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;           // [B, U, E]
@group(0) @binding(1) var<storage, read> x: array<T>;            // [B, T, E]
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;   // [E, 1, 3]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= 3 * dim.E) { return; }
  let e = id / 3;
  let k = id % 3;
  var sum = 0.0;
  for (var b = 0u; b < dim.B; b++) {
    for (var u = 0u; u < dim.U; u++) {
      sum += f32(dy[(b * dim.U + u) * dim.E + e]) * f32(x[(b * dim.frames + u + k) * dim.E + e]);
    }
  }
  dw[id] = sum;
}
