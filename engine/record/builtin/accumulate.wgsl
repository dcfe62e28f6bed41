// y_i = a_i + b_i          two contributions to one gradient; each workgroup adds a contiguous chunk
struct Dims { N: u32, chunk: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4<T>>;        // [N]
@group(0) @binding(1) var<storage, read> b: array<vec4<T>>;        // [N]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<T>>;  // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (wid.x + wid.y * nwg.x) * dim.chunk;
  let end = min(start + dim.chunk, (dim.N + 3u) / 4u);
  for (var i = start + lane; i < end; i += WG) { y[i] = vec4<T>(vec4f(a[i]) + vec4f(b[i])); }
}
