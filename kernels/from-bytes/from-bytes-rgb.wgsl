// y[n, c, p] = table[c, byte c of pixel p of picture n], C = 3             pictures n along y, four pixels at a time along x
//
// Four pixels are three words, each read once: on CPU rasterisers a kernel like this costs what it loads.
struct Dims { N: u32, W: u32, P: u32 }

@group(0) @binding(0) var<storage, read> words: array<u32>;              // [N, W]
@group(0) @binding(1) var<storage, read> table: array<f32>;              // [3, 256]
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;          // [N, 3, P]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let P4 = dim.P / 4;
  let start = wid.x * WG * STEPS;
  let end = min(start + WG * STEPS, P4);
  for (var n = wid.y; n < dim.N; n += nwg.y) {
    for (var q = start + lane; q < end; q += WG) {
      let first = n * dim.W + q * 3;
      let a = words[first];     // r0 g0 b0 r1, lowest byte first
      let b = words[first + 1]; // g1 b1 r2 g2
      let c = words[first + 2]; // b2 r3 g3 b3
      let at = n * 3 * P4 + q;
      y[at] = vec4f(table[a & 255], table[a >> 24], table[(b >> 16) & 255], table[(c >> 8) & 255]);
      y[at + P4] = vec4f(
        table[256 + ((a >> 8) & 255)], table[256 + (b & 255)], table[256 + (b >> 24)], table[256 + ((c >> 16) & 255)]);
      y[at + 2 * P4] = vec4f(
        table[512 + ((a >> 16) & 255)], table[512 + ((b >> 8) & 255)], table[512 + (c & 255)], table[512 + (c >> 24)]);
    }
  }
}
