// y_ab = 1 where a = b, else 0                                        flat; a chunk of vec4s per workgroup
struct Dims { A: u32, B: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4<T>>;      // [A, B]
var<immediate> dim: Dims;

fn element(k: u32) -> T { return select(T(0), T(1), k / dim.B == k % dim.B); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = chunk_end(start, dim.A * dim.B);
  for (var i = start + lane; i < end; i += WG) {
    y[i] = vec4<T>(element(4 * i), element(4 * i + 1), element(4 * i + 2), element(4 * i + 3));
  }
}
