// y_nam = factor · x_nm for every a                                         one invocation per element, M any length
struct Dims { N: u32, A: u32, M: u32, factor: f32 }

@group(0) @binding(0) var<storage, read> x: array<T>;            // [N, M]
@group(0) @binding(1) var<storage, read_write> y: array<T>;      // [N, A, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * dim.A * dim.M) { return; }
  let n = id / (dim.A * dim.M);
  y[id] = T(Num(dim.factor) * Num(x[n * dim.M + id % dim.M]));
}
