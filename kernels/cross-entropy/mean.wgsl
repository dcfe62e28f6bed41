// share = 1 / number of rows that are not ignored, loss = share · Σ_n nll_n                  one subgroup for everything
struct Dims { N: u32, ignores: u32, ignored: u32 }

@group(0) @binding(0) var<storage, read> nll: array<f32>;             // [N]
@group(0) @binding(1) var<storage, read> targets: array<u32>;         // [N]
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;      // scalar
@group(0) @binding(3) var<storage, read_write> share: array<f32>;     // scalar
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  if (subgroup > 0) { return; }
  var sums = Levels();
  var count = 0u;
  for (var near = lane; near < dim.N; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, dim.N);
    for (var n = near; n < nearEnd; n += SG) {
      let ignore = dim.ignores != 0 && targets[n] == dim.ignored;
      panel += select(nll[n], 0.0, ignore);
      count += select(1u, 0u, ignore);
    }
    sums = with_panel(sums, panel);
  }
  let sum = subgroupAdd(whole(sums));
  count = subgroupAdd(count);
  if (lane == 0) {
    share[0] = 1.0 / f32(count);
    loss[0] = sum / f32(count);
  }
}
