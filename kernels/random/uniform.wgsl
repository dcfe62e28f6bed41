// p_i = bound · (2u − 1), u uniform                              flat; vec4 number i comes from counter i of the stream
struct Dims { N: u32, seedLow: u32, seedHigh: u32, stream: u32, bound: f32 }

@group(0) @binding(0) var<storage, read_write> p: array<vec4f>;      // [N]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.N);
  for (var i = start + lane; i < end; i += WG) {
    let words = philox(vec4u(i, 0, 0, dim.seedHigh), vec2u(dim.seedLow, dim.stream));
    p[i] = dim.bound * ((vec4f(words) + 0.5) * 4.656612873e-10 - 1);
  }
}
