// y_i = u, uniform in [0, 1): the upper bits of a word, as many as T holds       flat; vec4 i from counter (i, 0, 1) of the stream
struct Dims { N: u32, seedLow: u32, seedHigh: u32, stream: u32, shift: u32, unit: f32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4<T>>;      // [N]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.N);
  for (var i = start + lane; i < end; i += WG) {
    let words = philox(vec4u(i, 0, 1, dim.seedHigh), vec2u(dim.seedLow, dim.stream));
    y[i] = vec4<T>(vec4f(words >> vec4u(dim.shift)) * dim.unit);
  }
}
