// y_n = table[ids_n], nothing for ids beyond it                           rows n along y, vec4s along x
struct Dims { V: u32, N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> table: array<vec4<T>>;        // [V, D]
@group(0) @binding(1) var<storage, read> ids: array<u32>;         // [N]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<T>>;      // [N, D]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let width = dim.D / 4;
  let start = wid.x * WG * STEPS;
  let end = min(start + WG * STEPS, width);
  for (var n = wid.y; n < dim.N; n += nwg.y) {
    let id = ids[n];
    for (var d = start + lane; d < end; d += WG) {
      y[n * width + d] = select(vec4<T>(missing(id)), table[min(id, dim.V - 1) * width + d], id < dim.V);
    }
  }
}
