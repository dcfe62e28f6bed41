// y_nam = Σ_{b ≤ a} x_nbm, or over b ≥ a where `backwards` is 1                           one invocation per (n, m)
//
// What is behind stands in levels (levels.wgsl), so that a running sum drifts no more with its length than a sum does.
struct Dims { N: u32, A: u32, M: u32, backwards: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;              // [N, A, M]
@group(0) @binding(1) var<storage, read_write> y: array<T>;        // [N, A, M]
var<immediate> dim: Dims;

alias SUM = f32;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * dim.M) { return; }
  let start = (id / dim.M) * dim.A * dim.M + id % dim.M;
  var behind = Levels();
  var before = 0.0;
  var panel = 0.0;
  for (var step = 0u; step < dim.A; step++) {
    let a = select(step, dim.A - 1 - step, dim.backwards == 1);
    let i = start + a * dim.M;
    panel += f32(x[i]);
    y[i] = T(before + panel);
    if (step % PANEL == PANEL - 1) {
      behind = with_panel(behind, panel);
      before = whole(behind);
      panel = 0.0;
    }
  }
}
