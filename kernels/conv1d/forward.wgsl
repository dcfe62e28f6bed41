// y_bue = Σ_k w_ek · x_b,u+k,e                                                              one invocation per element
struct Dims { B: u32, frames: u32, E: u32, U: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;            // [B, T, E]
@group(0) @binding(1) var<storage, read> w: array<f32>;          // [E, 1, 3]
@group(0) @binding(2) var<storage, read_write> y: array<T>;      // [B, U, E], U = T − 2
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.B * dim.U * dim.E) { return; }
  let e = id % dim.E;
  let start = id + (id / (dim.U * dim.E)) * 2 * dim.E;
  var sum = 0.0;
  for (var k = 0u; k < 3; k++) { sum += w[3 * e + k] * f32(x[start + k * dim.E]); }
  y[id] = T(sum);
}
