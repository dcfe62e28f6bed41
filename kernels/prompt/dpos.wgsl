// dpos_p+1 = Σ_n a_np · dhmn_n, dpos_0 = 0                                      one invocation per SUM
struct Dims { N: u32, P: u32, L: u32, D: u32, indicator: u32 }

@group(0) @binding(0) var<storage, read> cover: array<f32>;           // [N, P]
@group(0) @binding(1) var<storage, read> dhmn: array<SUM>;             // [N, D]
@group(0) @binding(2) var<storage, read_write> dpos: array<SUM>;       // [L, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let width = dim.D / WIDE;
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.L * width) { return; }
  let l = id / width;
  let d = id % width;
  var sums = Levels();
  for (var near = 0u; near < dim.N; near += PANEL) {
    var panel = SUM();
    let nearEnd = min(near + PANEL, dim.N);
    for (var n = near; n < nearEnd; n++) {
      let a = cover[n * dim.P + max(l, 1) - 1];
      panel += select(a, select(0.0, 1.0, a > 0), dim.indicator != 0) * dhmn[n * width + d];
    }
    sums = with_panel(sums, panel);
  }
  dpos[id] = select(SUM(), whole(sums), l > 0);
}
