// dlogs_nc = −dnll_n where c = target_n, else 0; NaN in the row of a target that is no class      one invocation per element
struct Dims { N: u32, C: u32, ignores: u32, ignored: u32 }

@group(0) @binding(0) var<storage, read> dnll: array<f32>;             // [N]
@group(0) @binding(1) var<storage, read> targets: array<u32>;          // [N]
@group(0) @binding(2) var<storage, read_write> dlogs: array<f32>;      // [N, C]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * dim.C) { return; }
  let n = id / dim.C;
  let own = targets[n];
  let slope = select(nan_of(own), select(0.0, -dnll[n], id % dim.C == own), own < dim.C);
  dlogs[id] = select(slope, 0.0, dim.ignores != 0 && own == dim.ignored);
}
