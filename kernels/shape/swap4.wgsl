// y[n, q, p, m] = x[n, p, q, m] for M in whole vec4s                       one invocation per vec4, in y's order
struct Dims { N: u32, P: u32, Q: u32, M: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;            // [N, P, Q, M]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;      // [N, Q, P, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let M4 = dim.M / 4;
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * dim.P * dim.Q * M4) { return; }
  let row = i / M4;
  let p = row % dim.P;
  let q = (row / dim.P) % dim.Q;
  let n = row / (dim.P * dim.Q);
  y[i] = x[((n * dim.P + p) * dim.Q + q) * M4 + i % M4];
}
