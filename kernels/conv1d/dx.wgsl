// dx_bte = Σ_k w_ek · dy_b,t−k,e                                                            one invocation per element
struct Dims { B: u32, frames: u32, E: u32, U: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;           // [B, U, E]
@group(0) @binding(1) var<storage, read> w: array<f32>;          // [E, 1, 3]
@group(0) @binding(2) var<storage, read_write> dx: array<T>;     // [B, T, E]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.B * dim.frames * dim.E) { return; }
  let e = id % dim.E;
  let t = (id / dim.E) % dim.frames;
  let b = id / (dim.frames * dim.E);
  var sum = 0.0;
  for (var k = 0u; k < 3; k++) {
    let u = min(max(t, k) - k, dim.U - 1);
    let term = w[3 * e + k] * f32(dy[(b * dim.U + u) * dim.E + e]);
    sum += select(0.0, term, t >= k && t - k < dim.U);
  }
  dx[id] = T(sum);
}
