// p_ij = exp(z_ij − max_j z_ij) / Σ_j exp(…), z = p + bias, over the keys j that query i may see, else 0  one subgroup per row
//
// In place: p holds the scaled scores. Hidden are keys whose mask is 0, whose bias is −∞, and in causal attention those after
// the query; a row that sees none is 0. Mask and bias broadcast: along an axis that they do not have their stride is 0.
struct Dims {
  rows: u32, L: u32, S: u32, heads: u32, causal: u32,
  maskB: u32, maskH: u32, maskL: u32, maskS: u32, biasB: u32, biasH: u32, biasL: u32, biasS: u32,
}

@group(0) @binding(0) var<storage, read> mask: array<f32>;      // [B or 1, H or 1, L or 1, S or 1]
@group(0) @binding(1) var<storage, read> bias: array<f32>;      // the same
@group(0) @binding(2) var<storage, read_write> p: array<f32>;   // [B · H, L, S]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

fn is_hidden(keep: f32, extra: f32, after: bool) -> bool {
  return (keep == 0.0 && !is_nan(keep)) || bitcast<u32>(extra) == 0xff800000u || (after && dim.causal == 1);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.rows) { return; }
  let start = row * dim.S;
  let i = row % dim.L;
  let h = (row / dim.L) % dim.heads;
  let b = row / dim.L / dim.heads;
  let maskRow = b * dim.maskB + h * dim.maskH + i * dim.maskL;
  let biasRow = b * dim.biasB + h * dim.biasH + i * dim.biasL;

  var top = LOWEST;
  var seen = 0u;
  for (var j = lane; j < dim.S; j += SG) {
    let extra = bias[biasRow + j * dim.biasS];
    if (!is_hidden(mask[maskRow + j * dim.maskS], extra, j > i)) {
      seen = 1;
      top = max(top, p[start + j] + extra);
    }
  }
  top = subgroupMax(top);
  seen = subgroupMax(seen);
  var sums = Levels();
  for (var near = lane; near < dim.S; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, dim.S);
    for (var j = near; j < nearEnd; j += SG) {
      let extra = bias[biasRow + j * dim.biasS];
      let hidden = is_hidden(mask[maskRow + j * dim.maskS], extra, j > i);
      let e = select(nan_exp(p[start + j] + extra - top), 0.0, hidden);
      p[start + j] = e;
      panel += e;
    }
    sums = with_panel(sums, panel);
  }
  let sum = subgroupAdd(whole(sums));
  let scale = select(0.0, 1.0 / sum, seen == 1);
  for (var j = lane; j < dim.S; j += SG) { p[start + j] *= scale; }
}
