// lp_b = log softmax(s_b)                                                                  one invocation per text b
//
// Q is 7: a row is read three times rather than shared. The largest logit is subtracted, so the sum is at least 1.
struct Dims { B: u32, Q: u32 }

@group(0) @binding(0) var<storage, read> s: array<f32>;            // [B, Q], logits
@group(0) @binding(1) var<storage, read_write> lp: array<f32>;     // [B, Q]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let b = (wid.x + wid.y * nwg.x) * WG + lane;
  if (b >= dim.B) { return; }
  let start = b * dim.Q;
  var top = s[start];
  for (var q = 1u; q < dim.Q; q++) { top = max(top, s[start + q]); }
  var sum = 0.0;
  for (var q = 0u; q < dim.Q; q++) { sum += nan_exp(s[start + q] - top); }
  let logSum = nan_log(sum);
  for (var q = 0u; q < dim.Q; q++) { lp[start + q] = s[start + q] - top - logSum; }
}
