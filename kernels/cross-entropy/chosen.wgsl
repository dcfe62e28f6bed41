// nll_n = −logs at the target, 0 in ignored rows; a target that is no class gives NaN                one invocation per row
struct Dims { N: u32, C: u32, ignores: u32, ignored: u32 }

@group(0) @binding(0) var<storage, read> logs: array<f32>;          // [N, C]
@group(0) @binding(1) var<storage, read> targets: array<u32>;       // [N]
@group(0) @binding(2) var<storage, read_write> nll: array<f32>;     // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let n = (wid.x + wid.y * nwg.x) * WG + lane;
  if (n >= dim.N) { return; }
  let own = targets[n];
  let loss = select(nan_of(own), -logs[n * dim.C + min(own, dim.C - 1)], own < dim.C);
  nll[n] = select(loss, 0.0, dim.ignores != 0 && own == dim.ignored);
}
