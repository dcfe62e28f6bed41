// p_j = softmax_j(q_row·k_j · scale)                                             one subgroup per sequence and head
//
// The scores pass through p itself: each lane reads back only what it wrote.
struct Dims { B: u32, L: u32, H: u32, K: u32, row: u32, visible: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> qkv: array<T>;              // [B, L, 3, H, K]
@group(0) @binding(1) var<storage, read_write> p: array<f32>;        // [B, H, L]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let head = subgroup_index(wid, nwg, subgroup);
  if (head >= dim.B * dim.H) { return; }
  let D = dim.H * dim.K;
  let first = head / dim.H * dim.L * 3 * D + head % dim.H * dim.K;
  let start = head * dim.L;

  var top = LOWEST;
  for (var j = lane; j < dim.visible; j += SG) {
    var products = Levels();
    for (var near = 0u; near < dim.K; near += 4 * PANEL) {
      var panel = SUM();
      for (var c = near; c < min(near + 4 * PANEL, dim.K); c++) {
        panel += f32(qkv[first + dim.row * 3 * D + c]) * f32(qkv[first + j * 3 * D + D + c]);
      }
      products = with_panel(products, panel);
    }
    let score = whole(products) * dim.scale;
    p[start + j] = score;
    top = max(top, score);
  }
  top = subgroupMax(top);
  var sums = Levels();
  for (var near = lane; near < dim.visible; near += PANEL * SG) {
    var panel = SUM();
    for (var j = near; j < min(near + PANEL * SG, dim.visible); j += SG) { panel += nan_exp(p[start + j] - top); }
    sums = with_panel(sums, panel);
  }
  let share = 1.0 / subgroupAdd(whole(sums));
  for (var j = lane; j < dim.L; j += SG) {
    if (j < dim.visible) { p[start + j] = exp(p[start + j] - top) * share; } else { p[start + j] = 0.0; }
  }
}
