// y[n, c, p] = table[c, byte c of pixel p of picture n]                    pictures n along y, four pixels at a time along x
//
// Four pixels of C channels are C words, so that a picture of whole vec4s has no padding.
struct Dims { N: u32, W: u32, C: u32, P: u32 }

@group(0) @binding(0) var<storage, read> words: array<u32>;              // [N, W]
@group(0) @binding(1) var<storage, read> table: array<f32>;              // [C, 256]
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;          // [N, C, P]
var<immediate> dim: Dims;

/// What channel c has for byte `at` of the words from `first` on.
fn looked_up(c: u32, first: u32, at: u32) -> f32 {
  return table[256 * c + ((words[first + at / 4] >> (8 * (at % 4))) & 255)];
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let C = dim.C;
  let P4 = dim.P / 4;
  let start = wid.x * WG * STEPS;
  let end = min(start + WG * STEPS, P4);
  for (var n = wid.y; n < dim.N; n += nwg.y) {
    for (var q = start + lane; q < end; q += WG) {
      let first = n * dim.W + q * C;
      for (var c = 0u; c < C; c++) {
        y[(n * C + c) * P4 + q] = vec4f(
          looked_up(c, first, c), looked_up(c, first, c + C), looked_up(c, first, c + 2 * C), looked_up(c, first, c + 3 * C));
      }
    }
  }
}
