// y_ncm = x_nam with a = ids_ncm; nothing, or 0 where `zeros` is 1, for an id beyond it        one invocation per element of y
struct Dims { N: u32, A: u32, C: u32, M: u32, zeros: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;              // [N, A, M]
@group(0) @binding(1) var<storage, read> ids: array<u32>;          // [N, C, M]
@group(0) @binding(2) var<storage, read_write> y: array<T>;        // [N, C, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * dim.C * dim.M) { return; }
  let a = ids[i];
  let place = (i / (dim.C * dim.M)) * dim.A * dim.M + min(a, dim.A - 1) * dim.M + i % dim.M;
  y[i] = select(x[place], select(missing(a), T(0), dim.zeros == 1), a >= dim.A);
}
