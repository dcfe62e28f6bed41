// lp_b = log softmax(s_b)                                                                  one invocation per text b
//
// Q is 7: a row is read three times rather than shared. The largest logit is subtracted, so the sum is at least 1.
struct Dims { B: u32, Q: u32 }

@group(0) @binding(0) var<storage, read> s: array<f32>;            // [B, Q], logits
@group(0) @binding(1) var<storage, read_write> lp: array<f32>;     // [B, Q]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let b = (wid.x + wid.y * nwg.x) * WG + lane;
  if (b >= dim.B) { return; }
  let start = b * dim.Q;
  var top = s[start];
  for (var q = 1u; q < dim.Q; q++) { top = max(top, s[start + q]); }
  var sums = Levels();
  for (var near = 0u; near < dim.Q; near += PANEL) {
    var panel = SUM();
    for (var q = near; q < min(near + PANEL, dim.Q); q++) { panel += nan_exp(s[start + q] - top); }
    sums = with_panel(sums, panel);
  }
  let logSum = nan_log(whole(sums));
  for (var q = 0u; q < dim.Q; q++) { lp[start + q] = s[start + q] - top - logSum; }
}
