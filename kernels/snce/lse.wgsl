// Log-sum-exp of row r of both logit matrices, and the row's loss                              one subgroup per row r
//
// Video to text: row r of l − w. Text to video: row r of lᵀ − w, the same w and not its transpose, so column r of l.
// top is the largest logit, rest the logarithm of Σ exp(logit − top): the sum of the two would lose rest in a huge top.
// The loss of the row is that of both directions, their logits without w on the diagonal (w_rr = 0).
struct Dims { B: u32 }

@group(0) @binding(0) var<storage, read> l: array<f32>;                // [B, B]
@group(0) @binding(1) var<storage, read> w: array<f32>;                // [B, B]
@group(0) @binding(2) var<storage, read_write> top: array<vec2f>;      // [B, 2], over the texts of video r, and …
@group(0) @binding(3) var<storage, read_write> rest: array<vec2f>;     // [B, 2], … over the videos of text r
@group(0) @binding(4) var<storage, read_write> nll: array<f32>;        // [B]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let r = subgroup_index(wid, nwg, subgroup);
  if (r >= dim.B) { return; }
  let B = dim.B;
  var tops = vec2f(LOWEST);
  for (var j = lane; j < B; j += SG) { tops = max(tops, vec2f(l[r * B + j], l[j * B + r]) - w[r * B + j]); }
  tops = subgroupMax(tops);
  var sums = vec2f();
  for (var far = lane; far < B; far += STRETCH * SG) {
    var sumsStretch = vec2f();
    let farEnd = min(far + STRETCH * SG, B);
    for (var near = far; near < farEnd; near += PANEL * SG) {
      var sumsPanel = vec2f();
      let nearEnd = min(near + PANEL * SG, farEnd);
      for (var j = near; j < nearEnd; j += SG) {
        let z = vec2f(l[r * B + j], l[j * B + r]) - w[r * B + j] - tops;
        sumsPanel += vec2f(nan_exp(z.x), nan_exp(z.y));
      }
      sumsStretch += sumsPanel;
    }
    sums += sumsStretch;
  }
  sums = subgroupAdd(sums);
  let logs = vec2f(nan_log(sums.x), nan_log(sums.y));
  if (lane == 0) {
    let own = l[r * B + r];
    top[r] = tops;
    rest[r] = logs;
    nll[r] = (tops.x - own) + logs.x + (tops.y - own) + logs.y;
  }
}
