// y_k = first + k · step                                              flat; a chunk of vec4s per workgroup
//
// first and step come as bits of the type that numbers are computed in: integers are exact.
struct Dims { N: u32, firstBits: u32, stepBits: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4<T>>;      // [N]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.N);
  for (var i = start + lane; i < end; i += WG) {
    let k = 4 * i + vec4u(0, 1, 2, 3);
    y[i] = vec4<T>(bitcast<Num>(dim.firstBits) + vec4<Num>(k) * bitcast<Num>(dim.stepBits));
  }
}
