// y = act(pre)                                          elementwise over flat arrays, one chunk per workgroup
//
// A kernel of its own on CPU rasterisers: inside a product's unrolled epilogue a GELU takes seconds to compile.
struct Dims { count: u32 }

@group(0) @binding(0) var<storage, read> pre: array<vec4<T>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.count);
  for (var i = start + lane; i < end; i += WG) { y[i] = vec4<T>(act(vec4f(pre[i]))); }
}
