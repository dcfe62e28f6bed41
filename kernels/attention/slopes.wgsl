// ds_ij = p_ij (dp_ij − Σ_j p_ij dp_ij) · scale: the gradient of the unscaled scores           one subgroup per row
//
// For rows of at most 4 · HELD · SG keys, which stay in registers. In place: ds holds dp. Where p is 0 (masked,
// padding) ds becomes 0 whatever dp was.
struct Dims { M: u32, rows: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> p: array<vec4f>;          // [B, H, L, M]
@group(0) @binding(1) var<storage, read_write> ds: array<vec4f>;   // [B, H, L, M]
var<immediate> dim: Dims;

override WG: u32 = 64;
const HELD: u32 = 4;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.rows) { return; }
  let M4 = dim.M / 4;
  let start = row * M4;

  var weight: array<vec4f, HELD>;
  var slope: array<vec4f, HELD>;
  var sum = 0.0;
  for (var s = 0u; s < HELD; s++) {
    let j = lane + s * SG;
    if (j < M4) {
      weight[s] = p[start + j];
      slope[s] = select(vec4f(), ds[start + j], weight[s] > vec4f());
      sum += sum4(weight[s] * slope[s]);
    }
  }
  let mean = subgroupAdd(sum);
  for (var s = 0u; s < HELD; s++) {
    let j = lane + s * SG;
    if (j < M4) { ds[start + j] = weight[s] * (slope[s] - mean) * dim.scale; }
  }
}
