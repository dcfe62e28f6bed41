// dx_nam = dpartTotal_cnm · the other elements of its run, a = c, c + C, …            one invocation per run and (n, m)
//
// On the way to the end `before` keeps, in f32, the products of what stands before each element.
struct Dims { N: u32, A: u32, M: u32, C: u32 }

@group(0) @binding(0) var<storage, read> dpartTotal: array<f32>;        // [C, N, M]
@group(0) @binding(1) var<storage, read> x: array<T>;                   // [N, A, M]
@group(0) @binding(2) var<storage, read_write> before: array<f32>;      // [N, A, M]
@group(0) @binding(3) var<storage, read_write> dx: array<T>;            // [N, A, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  let places = dim.N * dim.M;
  if (id >= dim.C * places) { return; }
  let c = select(id % dim.C, id / places, dim.M >= 8);
  let r = select(id / dim.C, id % places, dim.M >= 8);
  let start = (r / dim.M) * dim.A * dim.M + r % dim.M;
  var product = 1.0;
  for (var a = c; a < dim.A; a += dim.C) {
    before[start + a * dim.M] = product;
    product *= f32(x[start + a * dim.M]);
  }
  var behind = dpartTotal[c * places + r];
  for (var left = (dim.A - c + dim.C - 1) / dim.C; left > 0; left--) {
    let i = start + (c + (left - 1) * dim.C) * dim.M;
    dx[i] = T(before[i] * behind);
    behind *= f32(x[i]);
  }
}
