// dx = rstd · (g − ⟨g⟩ − x̂ ⟨g x̂⟩), for long rows, and for widths that vec4 does not divide                one subgroup per row
//
// X, SUM, COLUMNS and `across` as in forward-long.wgsl.
struct Dims { N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dy: array<X>;               // [N, D]
@group(0) @binding(1) var<storage, read> x: array<X>;                // [N, D]
@group(0) @binding(2) var<storage, read> gain: array<SUM>;           // [D]
@group(0) @binding(3) var<storage, read> mean: array<f32>;           // [N]
@group(0) @binding(4) var<storage, read> rstd: array<f32>;           // [N]
@group(0) @binding(5) var<storage, read_write> dx: array<X>;         // [N, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.N) { return; }
  let width = dim.D / COLUMNS;
  let start = row * width;
  let mu = mean[row];
  let scale = rstd[row];

  var slopes = Levels();
  var turns = Levels();
  for (var near = lane; near < width; near += PANEL * SG) {
    var slope = SUM();
    var turn = SUM();
    let nearEnd = min(near + PANEL * SG, width);
    for (var j = near; j < nearEnd; j += SG) {
      let g = gain[j] * SUM(dy[start + j]);
      slope += g;
      turn += g * ((SUM(x[start + j]) - mu) * scale);
    }
    slopes = with_panel(slopes, slope);
    turns = with_panel(turns, turn);
  }
  let meanG = subgroupAdd(across(whole(slopes))) / f32(dim.D);
  let meanGX = subgroupAdd(across(whole(turns))) / f32(dim.D);
  for (var j = lane; j < width; j += SG) {
    let xHat = (SUM(x[start + j]) - mu) * scale;
    dx[start + j] = X(scale * (gain[j] * SUM(dy[start + j]) - meanG - xHat * meanGX));
  }
}
