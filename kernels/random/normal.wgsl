// p_i = spread · √(−2 ln u) · (cos 2πt, sin 2πt), u, t uniform  flat; vec4 i from counter i of the stream
struct Dims { N: u32, seedLow: u32, seedHigh: u32, stream: u32, spread: f32 }

@group(0) @binding(0) var<storage, read_write> p: array<vec4f>;      // [N]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.N);
  for (var i = start + lane; i < end; i += WG) {
    let words = philox(vec4u(i, 0, 0, dim.seedHigh), vec2u(dim.seedLow, dim.stream));
    p[i] = dim.spread * normal4(words);
  }
}
