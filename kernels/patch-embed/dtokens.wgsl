// dpos_l = Σ_n dz_nl, dcls = dpos_0                                        one invocation per element of pos
struct Dims { N: u32, L: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dz: array<T>;                // [N, L, D]
@group(0) @binding(1) var<storage, read_write> dcls: array<f32>;      // [D]
@group(0) @binding(2) var<storage, read_write> dpos: array<f32>;      // [L, D]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let all = dim.L * dim.D;
  let q = (wid.x + wid.y * nwg.x) * WG + lane;
  if (q >= all) { return; }
  var sums = Levels();
  for (var near = 0u; near < dim.N; near += PANEL) {
    var panel = SUM();
    let nearEnd = min(near + PANEL, dim.N);
    for (var n = near; n < nearEnd; n++) { panel += f32(dz[n * all + q]); }
    sums = with_panel(sums, panel);
  }
  dpos[q] = whole(sums);
  if (q < dim.D) { dcls[q] = whole(sums); }
}
