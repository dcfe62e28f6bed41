// dframes[n, c, i, j] = dx[n, patch of (i, j), its place in it]                 one invocation per pixel
//
// A pixel is in one patch; the remainder at the bottom and right is in none and has no gradient.
struct Dims { N: u32, I: u32, J: u32, P: u32, R: u32 }

@group(0) @binding(0) var<storage, read> dx: array<T>;              // [N, P, 3 · patch²]
@group(0) @binding(1) var<storage, read_write> dframes: array<T>;   // [N, 3, I, J]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane; // ((n · 3 + channel) · I + i) · J + j: dframes in order
  if (id >= dim.N * 3 * dim.I * dim.J) { return; }
  let R = dim.R;
  let wide = dim.J / R;
  let j = id % dim.J;
  let i = (id / dim.J) % dim.I;
  let channel = (id / (dim.J * dim.I)) % 3;
  let n = id / (dim.J * dim.I * 3);
  let isInside = i / R < dim.I / R && j / R < wide;
  let p = (i / R) * wide + j / R;
  let at = ((n * dim.P + p) * 3 + channel) * R * R + (i % R) * R + j % R;
  dframes[id] = select(T(0), dx[select(0, at, isInside)], isInside);
}
