// y[n, c, p] = table[c, byte c of pixel p of picture n]                    pictures n along y, pixels along x
//
// A picture is W words of four bytes, pixel after pixel, the channels of a pixel side by side; what its last word has left is padding.
struct Dims { N: u32, W: u32, C: u32, P: u32 }

@group(0) @binding(0) var<storage, read> words: array<u32>;            // [N, W]
@group(0) @binding(1) var<storage, read> table: array<f32>;            // [C, 256]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;          // [N, C, P]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = wid.x * WG * STEPS;
  let end = min(start + WG * STEPS, dim.P);
  for (var n = wid.y; n < dim.N; n += nwg.y) {
    for (var p = start + lane; p < end; p += WG) {
      for (var c = 0u; c < dim.C; c++) {
        let at = p * dim.C + c;
        let byte = (words[n * dim.W + at / 4] >> (8 * (at % 4))) & 255;
        y[(n * dim.C + c) * dim.P + p] = table[256 * c + byte];
      }
    }
  }
}
