// y_i += x_i          exactly N elements, for places whose neighbours must stay as they are; a contiguous chunk per workgroup
//
// What lies behind x's end may be anything; zero is added there, so that vec4s may be used to the end.
struct Dims { N: u32, chunk: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;        // [N]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;  // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (wid.x + wid.y * nwg.x) * dim.chunk;
  let end = min(start + dim.chunk, (dim.N + 3u) / 4u);
  for (var i = start + lane; i < end; i += WG) {
    let real = 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(dim.N);
    y[i] = vec4<T>(vec4f(y[i]) + select(vec4f(), vec4f(x[i]), real));
  }
}
