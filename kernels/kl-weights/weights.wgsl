// w_ij = β / |KL(s_j‖s_i)|, or of the paper's KL(s_i‖s_j); 0 where i = j (Eq. 6)              one invocation per pair
//
// KL(s_a‖s_b) = Σ_q exp(lp_aq)(lp_aq − lp_bq), exactly 0 for equal rows. Weights stop at 1e6: logits are at most 100,
// so anything above some 300 removes the negative completely, and no infinity is needed.
struct Dims { B: u32, Q: u32, beta: f32, paper: u32 }

@group(0) @binding(0) var<storage, read> lp: array<f32>;          // [B, Q], log probabilities
@group(0) @binding(1) var<storage, read_write> w: array<f32>;     // [B, B]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.B * dim.B) { return; }
  let i = id / dim.B;
  let j = id % dim.B;
  let a = select(j, i, dim.paper != 0) * dim.Q;
  let b = select(i, j, dim.paper != 0) * dim.Q;
  var sums = Levels();
  for (var near = 0u; near < dim.Q; near += PANEL) {
    var panel = SUM();
    for (var q = near; q < min(near + PANEL, dim.Q); q++) { panel += exp(lp[a + q]) * (lp[a + q] - lp[b + q]); }
    sums = with_panel(sums, panel);
  }
  let kl = whole(sums);
  let weight = nan_or(kl, min(dim.beta / max(abs(kl), max(dim.beta * 1e-6, 1e-30)), 1e6));
  w[id] = select(weight, 0.0, i == j || dim.beta == 0);
}
