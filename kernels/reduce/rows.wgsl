// y_n = factor · Σ_a x_na                                                                     one subgroup per row n
struct Dims { N: u32, A: u32, factor: f32 }

@group(0) @binding(0) var<storage, read> x: array<T>;            // [N, A]
@group(0) @binding(1) var<storage, read_write> y: array<T>;      // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let n = subgroup_index(wid, nwg, subgroup);
  if (n >= dim.N) { return; }
  var sum = 0.0;
  for (var far = lane; far < dim.A; far += STRETCH * SG) {
    var sumStretch = 0.0;
    let farEnd = min(far + STRETCH * SG, dim.A);
    for (var near = far; near < farEnd; near += PANEL * SG) {
      var sumPanel = 0.0;
      let nearEnd = min(near + PANEL * SG, farEnd);
      for (var a = near; a < nearEnd; a += SG) { sumPanel += f32(x[n * dim.A + a]); }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  sum = subgroupAdd(sum);
  if (lane == 0) { y[n] = T(dim.factor * sum); }
}
