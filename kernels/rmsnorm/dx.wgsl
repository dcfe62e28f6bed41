// dx = rstd · (g − x̂ ⟨g x̂⟩), g = gain · dy, x̂ = x · rstd, ⟨⟩ over the row                               one subgroup per row
//
// X, SUM, COLUMNS and `across` as in forward.wgsl.
struct Dims { N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dy: array<X>;               // [N, D]
@group(0) @binding(1) var<storage, read> x: array<X>;                // [N, D]
@group(0) @binding(2) var<storage, read> gain: array<SUM>;           // [D]
@group(0) @binding(3) var<storage, read> rstd: array<f32>;           // [N]
@group(0) @binding(4) var<storage, read_write> dx: array<X>;         // [N, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.N) { return; }
  let width = dim.D / COLUMNS;
  let start = row * width;
  let scale = rstd[row];

  var turns = Levels();
  for (var near = lane; near < width; near += PANEL * SG) {
    var turn = SUM();
    let nearEnd = min(near + PANEL * SG, width);
    for (var j = near; j < nearEnd; j += SG) {
      turn += gain[j] * SUM(dy[start + j]) * (SUM(x[start + j]) * scale);
    }
    turns = with_panel(turns, turn);
  }
  let mean = subgroupAdd(across(whole(turns))) / f32(dim.D);
  for (var j = lane; j < width; j += SG) {
    dx[start + j] = X(scale * (gain[j] * SUM(dy[start + j]) - SUM(x[start + j]) * scale * mean));
  }
}
