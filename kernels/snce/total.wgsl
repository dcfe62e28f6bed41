// loss = factor · Σ_r nll_r                                                               one subgroup for everything
struct Dims { R: u32, factor: f32 }

@group(0) @binding(0) var<storage, read> nll: array<f32>;            // [R]
@group(0) @binding(1) var<storage, read_write> loss: array<f32>;     // scalar
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  if (subgroup > 0) { return; }
  var sum = 0.0;
  for (var far = lane; far < dim.R; far += STRETCH * SG) {
    var sumStretch = 0.0;
    let farEnd = min(far + STRETCH * SG, dim.R);
    for (var near = far; near < farEnd; near += PANEL * SG) {
      var sumPanel = 0.0;
      let nearEnd = min(near + PANEL * SG, farEnd);
      for (var r = near; r < nearEnd; r += SG) { sumPanel += nll[r]; }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  sum = subgroupAdd(sum);
  if (lane == 0) { loss[0] = dim.factor * sum; }
}
