// y_k = first + k · step in the first half, last − (N − 1 − k) · step in the second            flat; a chunk of vec4s per workgroup
//
// So both ends are exact.
struct Dims { N: u32, first: f32, last: f32, step: f32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4<T>>;      // [N]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.N);
  for (var i = start + lane; i < end; i += WG) {
    let k = 4 * i + vec4u(0, 1, 2, 3);
    let behind = vec4u(dim.N - 1) - min(k, vec4u(dim.N - 1));
    let late = vec4f(dim.last) - vec4f(behind) * dim.step;
    y[i] = vec4<T>(select(late, vec4f(dim.first) + vec4f(k) * dim.step, k <= behind));
  }
}
