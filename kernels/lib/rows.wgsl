// Rows owned by subgroups: the WG / SG subgroups of a workgroup take neighbouring rows, the lanes of a subgroup
// neighbouring columns. No workgroup memory and no barrier; sums run in one fixed order for a given subgroup size.

/// Number of this subgroup among all of the launch, which the engine may have folded into two dimensions.
fn subgroup_index(wid: vec3u, nwg: vec3u, subgroup: u32) -> u32 {
  return (wid.x + wid.y * nwg.x) * (WG / SG) + subgroup;
}

fn sum4(v: vec4f) -> f32 { return (v.x + v.y) + (v.z + v.w); }

fn max4(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
