// m ← β m + (1 − β) g, and u, the direction that is made orthogonal: m, or β m + (1 − β) g once more (Nesterov)
//                                                        exactly N elements; a workgroup owns one chunk
//
// One matrix of a group, whose neighbours must stay as they are. A factor of 0 leaves m as it is, and u is finite then.
struct Dims { N: u32, beta: f32, rest: f32, nesterov: u32 }

@group(0) @binding(0) var<storage, read> g: array<T>;              // [N]
@group(0) @binding(1) var<storage, read_write> m: array<f32>;      // [N], zero at first
@group(0) @binding(2) var<storage, read> factor: array<f32>;       // scalar, on every gradient (clipping)
@group(0) @binding(3) var<storage, read_write> u: array<f32>;      // [N]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = 4 * chunk_start(wid, nwg);
  let end = min(start + 4 * WG * STEPS, dim.N);
  let clip = factor[0];
  for (var i = start + lane; i < end; i += WG) {
    var mean = m[i];
    var along = mean;
    if (clip > 0) {
      let grad = clip * f32(g[i]);
      mean = dim.beta * mean + dim.rest * grad;
      along = select(mean, dim.beta * mean + dim.rest * grad, dim.nesterov != 0);
      m[i] = mean;
    }
    u[i] = along;
  }
}
