// y_n = x[n, index_n], nothing for an index beyond                                   one invocation per element
struct Dims { N: u32, L: u32, D: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;            // [N, L, D]
@group(0) @binding(1) var<storage, read> index: array<u32>;      // [N]
@group(0) @binding(2) var<storage, read_write> y: array<T>;      // [N, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * dim.D) { return; }
  let n = i / dim.D;
  let v = x[(n * dim.L + min(index[n], dim.L - 1)) * dim.D + i % dim.D];
  y[i] = select(missing(index[n]), v, index[n] < dim.L);
}
