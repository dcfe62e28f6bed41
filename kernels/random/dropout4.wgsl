// y_nd = x_nd · scale where a random word is at least the threshold, else 0       flat, a chunk per workgroup
//
// The words of four neighbouring columns come from counter (column / 4, row): row is counted over the whole batch, so
// that a row keeps its mask however the batch is divided. The gradient is the same launch on dy.
struct Dims {
  N: u32, D: u32, seedLow: u32, seedHigh: u32, stream: u32, firstRow: u32, threshold: u32, scale: f32
}

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;            // [N, D]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;      // [N, D]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let D4 = dim.D / 4;
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.N * dim.D);
  var n = (start + lane) / D4; // row and column run along without divisions
  var block = (start + lane) % D4;
  for (var i = start + lane; i < end; i += WG) {
    let words = philox(vec4u(block, dim.firstRow + n, 0, dim.seedHigh), vec2u(dim.seedLow, dim.stream));
    y[i] = vec4<T>(select(vec4f(), vec4f(dim.scale), words >= vec4u(dim.threshold)) * vec4f(x[i]));
    block += WG % D4;
    n += WG / D4 + select(0u, 1u, block >= D4);
    block = select(block, block - D4, block >= D4);
  }
}
