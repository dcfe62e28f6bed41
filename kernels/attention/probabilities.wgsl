// p_ij = exp(s_ij − max_j s_ij) / Σ_j exp(…) over the visible keys j, else 0                   one subgroup per row
//
// For rows of at most 4 · HELD · SG keys, which stay in registers. In place: p holds the scaled scores. Visible are the
// L keys, in causal attention those up to the query; the columns beyond L, which pad the rows to whole vec4s, become 0
// as well, whatever they held.
struct Dims { L: u32, M: u32, rows: u32, causal: u32 }

@group(0) @binding(0) var<storage, read_write> p: array<vec4f>;   // [B, H, L, M]
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
  let visible = select(dim.L, row % dim.L + 1, dim.causal == 1);

  var held: array<vec4f, HELD>;
  var top = LOWEST;
  for (var s = 0u; s < HELD; s++) {
    let j = lane + s * SG;
    if (j < M4) {
      held[s] = select(vec4f(LOWEST), p[start + j], 4 * j + vec4u(0, 1, 2, 3) < vec4u(visible));
      top = max(top, max4(held[s]));
    }
  }
  top = subgroupMax(top);
  var sum = 0.0;
  for (var s = 0u; s < HELD; s++) {
    let j = lane + s * SG;
    if (j < M4) {
      held[s] = select(vec4f(), exp(held[s] - top), 4 * j + vec4u(0, 1, 2, 3) < vec4u(visible));
      sum += sum4(held[s]);
    }
  }
  let scale = 1.0 / subgroupAdd(sum);
  for (var s = 0u; s < HELD; s++) {
    let j = lane + s * SG;
    if (j < M4) { p[start + j] = held[s] * scale; }
  }
}
