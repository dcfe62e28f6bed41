// a, b ← b, a                                                                        flat; a workgroup owns one chunk
//
// As bits: loads and stores of f32 may change those of a NaN.
struct Dims { N: u32 }

@group(0) @binding(0) var<storage, read_write> a: array<vec4u>;      // [N]
@group(0) @binding(1) var<storage, read_write> b: array<vec4u>;      // [N]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  for (var i = start + lane; i < chunk_end(start, dim.N); i += WG) {
    let held = a[i];
    a[i] = b[i];
    b[i] = held;
  }
}
