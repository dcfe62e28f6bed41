// e ← e + rest · (p − e), rest = 1 − decay                                          flat; a workgroup owns one chunk
//
// A factor of 0 says that the parameters were not updated: then nothing changes. As of PyTorch's lerp, the form with
// the smaller weight is taken, so that a decay of 0 gives p itself.
struct Dims { N: u32, decay: f32, rest: f32 }

@group(0) @binding(0) var<storage, read_write> e: array<vec4f>;      // [N]
@group(0) @binding(1) var<storage, read> p: array<vec4f>;            // [N]
@group(0) @binding(2) var<storage, read> factor: array<f32>;         // scalar, that of the update
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let end = select(start, chunk_end(start, dim.N), factor[0] > 0);
  for (var i = start + lane; i < end; i += WG) {
    let way = p[i] - e[i];
    e[i] = select(e[i] + dim.rest * way, p[i] - dim.decay * way, dim.decay <= 0.5);
  }
}
