// dz_ij = p_ij (dz_ij − Σ_j p_ij dz_ij), in place: dz holds the slope of p                            one subgroup per row
struct Dims { rows: u32, S: u32 }

@group(0) @binding(0) var<storage, read> p: array<f32>;          // [B · H, L, S]
@group(0) @binding(1) var<storage, read_write> dz: array<f32>;   // [B · H, L, S]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.rows) { return; }
  let start = row * dim.S;

  var sums = Levels();
  for (var near = lane; near < dim.S; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, dim.S);
    for (var j = near; j < nearEnd; j += SG) { panel += p[start + j] * dz[start + j]; }
    sums = with_panel(sums, panel);
  }
  let sum = subgroupAdd(whole(sums));
  for (var j = lane; j < dim.S; j += SG) { dz[start + j] = p[start + j] * (dz[start + j] - sum); }
}
