// y = gain · (x − μ) · rstd + bias, for long rows, and for widths that vec4 does not divide              one subgroup per row
//
// The mean first, then the squared deviations from it: sums of any length. lib/elements.ts says what X and SUM are, single
// elements or vec4s, how many columns they hold, and what `across` adds up.
struct Dims { N: u32, D: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<X>;                // [N, D]
@group(0) @binding(1) var<storage, read> gain: array<SUM>;           // [D]
@group(0) @binding(2) var<storage, read> bias: array<SUM>;           // [D]
@group(0) @binding(3) var<storage, read_write> y: array<X>;          // [N, D]
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;     // [N]
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;     // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.N) { return; }
  let width = dim.D / COLUMNS;
  let start = row * width;

  var values = Levels();
  for (var near = lane; near < width; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, width);
    for (var j = near; j < nearEnd; j += SG) { panel += SUM(x[start + j]); }
    values = with_panel(values, panel);
  }
  let mu = subgroupAdd(across(whole(values))) / f32(dim.D);
  var squares = Levels();
  for (var near = lane; near < width; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, width);
    for (var j = near; j < nearEnd; j += SG) {
      let off = SUM(x[start + j]) - mu;
      panel += off * off;
    }
    squares = with_panel(squares, panel);
  }
  let scale = inverseSqrt(subgroupAdd(across(whole(squares))) / f32(dim.D) + dim.eps);
  if (lane == 0) {
    mean[row] = mu;
    rstd[row] = scale;
  }

  for (var j = lane; j < width; j += SG) {
    y[start + j] = X((SUM(x[start + j]) - mu) * scale * gain[j] + bias[j]);
  }
}
