// dx_nl = dy_n where l = index_n, else 0                                                    one invocation per element
struct Dims { N: u32, L: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;           // [N, D]
@group(0) @binding(1) var<storage, read> index: array<u32>;      // [N]
@group(0) @binding(2) var<storage, read_write> dx: array<T>;     // [N, L, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * dim.L * dim.D) { return; }
  let n = i / (dim.L * dim.D);
  let l = (i / dim.D) % dim.L;
  dx[i] = select(T(0), dy[n * dim.D + i % dim.D], l == min(index[n], dim.L - 1));
}
