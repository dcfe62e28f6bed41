// y = gain · x · rstd, rstd = 1/√(⟨x²⟩ + eps)                                                          one subgroup per row
//
// lib/elements.ts says what X, SUM, COLUMNS and `across` are.
struct Dims { N: u32, D: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<X>;                // [N, D]
@group(0) @binding(1) var<storage, read> gain: array<SUM>;           // [D]
@group(0) @binding(2) var<storage, read_write> y: array<X>;          // [N, D]
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;     // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.N) { return; }
  let width = dim.D / COLUMNS;
  let start = row * width;

  var squares = Levels();
  for (var near = lane; near < width; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, width);
    for (var j = near; j < nearEnd; j += SG) {
      let v = SUM(x[start + j]);
      panel += v * v;
    }
    squares = with_panel(squares, panel);
  }
  let scale = inverseSqrt(subgroupAdd(across(whole(squares))) / f32(dim.D) + dim.eps);
  if (lane == 0) { rstd[row] = scale; }
  for (var j = lane; j < width; j += SG) { y[start + j] = X(SUM(x[start + j]) * scale * gain[j]); }
}
