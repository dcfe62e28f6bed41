// y_i = low + ⌊u · range⌋, u a word / 2³²                                         flat; vec4 i from counter (i, 0, 3) of the stream
struct Dims { N: u32, seedLow: u32, seedHigh: u32, stream: u32, lowBits: u32, range: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4<T>>;      // [N]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.N);
  for (var i = start + lane; i < end; i += WG) {
    let words = philox(vec4u(i, 0, 3, dim.seedHigh), vec2u(dim.seedLow, dim.stream));
    let steps = vec4u(multiply_high(words.x, dim.range), multiply_high(words.y, dim.range),
                      multiply_high(words.z, dim.range), multiply_high(words.w, dim.range));
    y[i] = vec4<T>(steps + vec4u(dim.lowBits));
  }
}
