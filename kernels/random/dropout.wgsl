// y_nd = x_nd · scale where a random word is at least the threshold, else 0   one invocation per four columns
//
// The words of four neighbouring columns come from counter (column / 4, row): row is counted over the whole batch, so
// that a row keeps its mask however the batch is divided. The gradient is the same launch on dy.
struct Dims {
  N: u32, D: u32, seedLow: u32, seedHigh: u32, stream: u32, firstRow: u32, threshold: u32, scale: f32
}

@group(0) @binding(0) var<storage, read> x: array<T>;            // [N, D]
@group(0) @binding(1) var<storage, read_write> y: array<T>;      // [N, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let blocks = (dim.D + 3) / 4;
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  let n = id / blocks;
  let block = id % blocks;
  if (n >= dim.N) { return; }
  let words = philox(vec4u(block, dim.firstRow + n, 0, dim.seedHigh), vec2u(dim.seedLow, dim.stream));
  let kept = select(vec4f(), vec4f(dim.scale), words >= vec4u(dim.threshold));
  for (var k = 0u; k < min(4u, dim.D - 4 * block); k++) {
    let at = n * dim.D + 4 * block + k;
    y[at] = T(kept[k] * f32(x[at]));
  }
}
