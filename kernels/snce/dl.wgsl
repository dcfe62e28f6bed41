// dl_ij = dloss/2B · (p_ij + q_ji − 2 [i = j]), p and q the softmaxes over texts and videos     one invocation per pair
struct Dims { B: u32 }

@group(0) @binding(0) var<storage, read> dloss: array<f32>;          // scalar
@group(0) @binding(1) var<storage, read> l: array<f32>;              // [B, B]
@group(0) @binding(2) var<storage, read> w: array<f32>;              // [B, B]
@group(0) @binding(3) var<storage, read> top: array<vec2f>;          // [B, 2]: text, video
@group(0) @binding(4) var<storage, read> rest: array<vec2f>;         // [B, 2]
@group(0) @binding(5) var<storage, read_write> dl: array<f32>;       // [B, B]
var<immediate> dim: Dims;

override WG: u32 = 64;

/// exp z, z at most 0 but for rounding.
fn share(z: f32) -> f32 { return nan_or(z, exp(min(z, 0.0))); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.B * dim.B) { return; }
  let i = id / dim.B;
  let j = id % dim.B;
  let text = share(l[id] - w[id] - top[i].x - rest[i].x);
  let video = share(l[id] - w[j * dim.B + i] - top[j].y - rest[j].y);
  let slope = select(text + video, (text - 1) + (video - 1), i == j);
  dl[id] = dloss[0] / f32(2 * dim.B) * slope;
}
