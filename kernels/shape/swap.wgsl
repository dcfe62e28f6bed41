// y[n, q, p, m] = x[n, p, q, m]                                             one invocation per element, in y's order
struct Dims { N: u32, P: u32, Q: u32, M: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;            // [N, P, Q, M]
@group(0) @binding(1) var<storage, read_write> y: array<T>;      // [N, Q, P, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * dim.P * dim.Q * dim.M) { return; }
  let row = i / dim.M;
  let p = row % dim.P;
  let q = (row / dim.P) % dim.Q;
  let n = row / (dim.P * dim.Q);
  y[i] = x[((n * dim.P + p) * dim.Q + q) * dim.M + i % dim.M];
}
