// y_n = table[ids_n], zeros for ids beyond the table                                        one invocation per element
struct Dims { V: u32, N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> table: array<T>;        // [V, D]
@group(0) @binding(1) var<storage, read> ids: array<u32>;        // [N]
@group(0) @binding(2) var<storage, read_write> y: array<T>;      // [N, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * dim.D) { return; }
  let id = ids[i / dim.D];
  y[i] = select(T(0), table[min(id, dim.V - 1) * dim.D + i % dim.D], id < dim.V);
}
