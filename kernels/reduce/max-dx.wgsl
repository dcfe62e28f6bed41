// dx_nam = dy_nm where a = at_nm, else 0                                                  one invocation per element
struct Dims { N: u32, A: u32, M: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;           // [N, M]
@group(0) @binding(1) var<storage, read> at: array<u32>;         // [N, M]
@group(0) @binding(2) var<storage, read_write> dx: array<T>;     // [N, A, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * dim.A * dim.M) { return; }
  let nm = (id / (dim.A * dim.M)) * dim.M + id % dim.M;
  dx[id] = select(T(0), dy[nm], at[nm] == (id / dim.M) % dim.A);
}
