// share = 1 / number of rows that are not ignored, loss = share · Σ_n nll_n                  one subgroup for everything
struct Dims { N: u32, ignores: u32, ignored: u32 }

@group(0) @binding(0) var<storage, read> nll: array<f32>;             // [N], 0 where ignored
@group(0) @binding(1) var<storage, read> targets: array<u32>;         // [N]
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;      // scalar
@group(0) @binding(3) var<storage, read_write> share: array<f32>;     // scalar
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  if (subgroup > 0) { return; }
  var sum = 0.0;
  var count = 0u;
  for (var whole = lane; whole < dim.N; whole += 64 * STRETCH * SG) {
    var sumWhole = 0.0;
    let wholeEnd = min(whole + 64 * STRETCH * SG, dim.N);
    for (var far = whole; far < wholeEnd; far += STRETCH * SG) {
      var sumStretch = 0.0;
      let farEnd = min(far + STRETCH * SG, wholeEnd);
      for (var near = far; near < farEnd; near += PANEL * SG) {
        var sumPanel = 0.0;
        let nearEnd = min(near + PANEL * SG, farEnd);
        for (var n = near; n < nearEnd; n += SG) {
          sumPanel += nll[n];
          count += select(1u, 0u, dim.ignores != 0 && targets[n] == dim.ignored);
        }
        sumStretch += sumPanel;
      }
      sumWhole += sumStretch;
    }
    sum += sumWhole;
  }
  sum = subgroupAdd(sum);
  count = subgroupAdd(count);
  if (lane == 0) {
    share[0] = 1.0 / f32(count);
    loss[0] = sum / f32(count);
  }
}
