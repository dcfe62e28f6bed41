// hmn_n = Σ_p a_np · pos_p+1; a = cover, or 1 where cover > 0 (indicator)       one invocation per SUM
struct Dims { N: u32, P: u32, D: u32, indicator: u32 }

@group(0) @binding(0) var<storage, read> cover: array<f32>;           // [N, P]
@group(0) @binding(1) var<storage, read> pos: array<SUM>; // [P + 1, D]; row 0, the class token's, is not used
@group(0) @binding(2) var<storage, read_write> hmn: array<SUM>;        // [N, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let width = dim.D / WIDE;
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * width) { return; }
  let n = id / width;
  let d = id % width;
  var sums = Levels();
  for (var near = 0u; near < dim.P; near += 4 * PANEL) {
    var panel = SUM();
    let nearEnd = min(near + 4 * PANEL, dim.P);
    for (var p = near; p < nearEnd; p++) {
      let a = cover[n * dim.P + p];
      panel += select(a, select(0.0, 1.0, a > 0), dim.indicator != 0) * pos[(p + 1) * width + d];
    }
    sums = with_panel(sums, panel);
  }
  hmn[id] = whole(sums);
}
