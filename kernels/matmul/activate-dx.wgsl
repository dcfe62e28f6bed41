// dpre = dy · act'(pre)                                 elementwise over flat arrays, one chunk per workgroup
struct Dims { count: u32 }

@group(0) @binding(0) var<storage, read> dy: array<vec4<T>>;
@group(0) @binding(1) var<storage, read> pre: array<vec4<T>>;
@group(0) @binding(2) var<storage, read_write> dpre: array<vec4<T>>;
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.count);
  for (var i = start + lane; i < end; i += WG) { dpre[i] = vec4<T>(vec4f(dy[i]) * slope(vec4f(pre[i]))); }
}
