// y = gain_c · (x − μ) · rstd + bias_c, statistics over the channels of a group and all their places     one subgroup per group
//
// The mean first, then the squared deviations from it. A group of an image lies in one piece, `size` elements long.
struct Dims { rows: u32, size: u32, C: u32, M: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<T>;                // [B, C, M]
@group(0) @binding(1) var<storage, read> gain: array<f32>;           // [C]
@group(0) @binding(2) var<storage, read> bias: array<f32>;           // [C]
@group(0) @binding(3) var<storage, read_write> y: array<T>;          // [B, C, M]
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;     // [B, G]
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;     // [B, G]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.rows) { return; }
  let start = row * dim.size;

  var values = Levels();
  for (var near = lane; near < dim.size; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, dim.size);
    for (var j = near; j < nearEnd; j += SG) { panel += f32(x[start + j]); }
    values = with_panel(values, panel);
  }
  let mu = subgroupAdd(whole(values)) / f32(dim.size);
  var squares = Levels();
  for (var near = lane; near < dim.size; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, dim.size);
    for (var j = near; j < nearEnd; j += SG) {
      let off = f32(x[start + j]) - mu;
      panel += off * off;
    }
    squares = with_panel(squares, panel);
  }
  let scale = inverseSqrt(subgroupAdd(whole(squares)) / f32(dim.size) + dim.eps);
  if (lane == 0) {
    mean[row] = mu;
    rstd[row] = scale;
  }
  for (var j = lane; j < dim.size; j += SG) {
    let c = (start + j) / dim.M % dim.C;
    y[start + j] = T((f32(x[start + j]) - mu) * scale * gain[c] + bias[c]);
  }
}
