// x[n, p] = the pixels of patch p of frame n, channel by channel                one invocation per row of a patch
//
// Patches are numbered row by row; what is left of the frame at the bottom and right belongs to none.
struct Dims { N: u32, I: u32, J: u32, R: u32 }

@group(0) @binding(0) var<storage, read> frames: array<vec4<T>>;       // [N, 3, I, J]
@group(0) @binding(1) var<storage, read_write> x: array<vec4<T>>;      // [N, P, 3 · patch²]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let R = dim.R;
  let high = dim.I / R;
  let wide = dim.J / R;
  let id = (wid.x + wid.y * nwg.x) * WG + lane; // ((n · P + p) · 3 + channel) · R + row: x in order
  if (id >= dim.N * high * wide * 3 * R) { return; }
  let row = id % R;
  let channel = (id / R) % 3;
  let p = (id / (3 * R)) % (high * wide);
  let n = id / (3 * R * high * wide);
  let start = ((n * 3 + channel) * dim.I + (p / wide) * R + row) * dim.J + (p % wide) * R;
  for (var c = 0u; c < (R / 4); c++) { x[id * (R / 4) + c] = frames[start / 4 + c]; }
}
