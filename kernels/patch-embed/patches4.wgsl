// x[n, p] = the pixels of patch p of frame n, channel by channel          one invocation per row of a patch, or per channel
//
// Patches are numbered row by row; what is left of the frame at the bottom and right belongs to none. Narrow machines (CPU
// rasterisers) divide whole numbers lane by lane, as dearly as they copy several vec4s: there an invocation has all rows of a channel.
struct Dims { N: u32, I: u32, J: u32, R: u32 }

@group(0) @binding(0) var<storage, read> frames: array<vec4<T>>;       // [N, 3, I, J]
@group(0) @binding(1) var<storage, read_write> x: array<vec4<T>>;      // [N, P, 3 · patch²]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let R = dim.R;
  let rows = select(1u, R, SG < 16);
  let high = dim.I / R;
  let wide = dim.J / R;
  let id = (wid.x + wid.y * nwg.x) * WG + lane; // of `rows` rows of x, which has ((n · P + p) · 3 + channel) · R + row of them
  if (id >= dim.N * high * wide * 3 * (R / rows)) { return; }
  let row = (id * rows) % R;
  let block = (id * rows) / R;
  let channel = block % 3;
  let p = (block / 3) % (high * wide);
  let n = block / (3 * high * wide);
  let start = (((n * 3 + channel) * dim.I + (p / wide) * R + row) * dim.J + (p % wide) * R) / 4;
  let R4 = R / 4;
  let J4 = dim.J / 4;
  for (var r = 0u; r < rows; r++) {
    for (var c = 0u; c < R4; c++) { x[(id * rows + r) * R4 + c] = frames[start + r * J4 + c]; }
  }
}
