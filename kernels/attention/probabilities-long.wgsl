// p_ij = exp(s_ij − max_j s_ij) / Σ_j exp(…) over the visible keys j, else 0                   one subgroup per row
//
// For rows of any length: e is kept in p between the sweeps. In place: p holds the scaled scores. Visible are the L keys, in causal attention those up to the query; the columns
// beyond L, which pad the rows to whole vec4s, become 0 as well, whatever they held.
struct Dims { L: u32, M: u32, rows: u32, causal: u32 }

@group(0) @binding(0) var<storage, read_write> p: array<vec4f>;   // [B, H, L, M]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

/// Scores of keys 4j .. 4j + 3; those beyond the visible ones cannot win.
fn scores(start: u32, j: u32, visible: u32) -> vec4f {
  return select(vec4f(LOWEST), p[start + j], 4 * j + vec4u(0, 1, 2, 3) < vec4u(visible));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.rows) { return; }
  let M4 = dim.M / 4;
  let start = row * M4;
  let visible = select(dim.L, row % dim.L + 1, dim.causal == 1);

  var top = LOWEST;
  for (var j = lane; j < M4; j += SG) { top = max(top, max4(scores(start, j, visible))); }
  top = subgroupMax(top);
  var sums = Levels();
  for (var near = lane; near < M4; near += PANEL * SG) {
    var panel = SUM();
    for (var j = near; j < min(near + PANEL * SG, M4); j += SG) {
      let e = select(vec4f(), exp(scores(start, j, visible) - top), 4 * j + vec4u(0, 1, 2, 3) < vec4u(visible));
      p[start + j] = e;
      panel += sum4(e);
    }
    sums = with_panel(sums, panel);
  }
  let scale = 1.0 / subgroupAdd(whole(sums));
  for (var j = lane; j < M4; j += SG) { p[start + j] *= scale; }
}
