// ds_ij = p_ij (dp_ij − Σ_j p_ij dp_ij) · scale: the gradient of the unscaled scores           one subgroup per row
//
// In place: ds holds dp. Where p is 0 (masked, padding) ds becomes 0 whatever dp was.
struct Dims { M: u32, rows: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> p: array<vec4f>;          // [B, H, L, M]
@group(0) @binding(1) var<storage, read_write> ds: array<vec4f>;   // [B, H, L, M]
var<immediate> dim: Dims;

alias SUM = vec4f;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.rows) { return; }
  let M4 = dim.M / 4;
  let start = row * M4;

  var sums = Levels();
  for (var near = lane; near < M4; near += PANEL * SG) {
    var panel = SUM();
    for (var j = near; j < min(near + PANEL * SG, M4); j += SG) {
      let weight = p[start + j];
      panel += select(vec4f(), weight * ds[start + j], weight > vec4f());
    }
    sums = with_panel(sums, panel);
  }
  let mean = subgroupAdd(sum4(whole(sums)));
  for (var j = lane; j < M4; j += SG) {
    let weight = p[start + j];
    let slope = select(vec4f(), weight * (ds[start + j] - mean) * dim.scale, weight > vec4f());
    ds[start + j] = nan_or4(weight, slope);
  }
}
