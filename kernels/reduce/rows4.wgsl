// y_n = factor · Σ_a x_na                                                              one subgroup per row n, by vec4s
struct Dims { N: u32, A: u32, factor: f32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;      // [N, A]
@group(0) @binding(1) var<storage, read_write> y: array<T>;      // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let n = subgroup_index(wid, nwg, subgroup);
  if (n >= dim.N) { return; }
  let A4 = dim.A / 4;
  var acc = vec4f();
  for (var far = lane; far < A4; far += STRETCH * SG) {
    var accStretch = vec4f();
    let farEnd = min(far + STRETCH * SG, A4);
    for (var near = far; near < farEnd; near += PANEL * SG) {
      var accPanel = vec4f();
      let nearEnd = min(near + PANEL * SG, farEnd);
      for (var a = near; a < nearEnd; a += SG) { accPanel += vec4f(x[n * A4 + a]); }
      accStretch += accPanel;
    }
    acc += accStretch;
  }
  let sum = subgroupAdd(sum4(acc));
  if (lane == 0) { y[n] = T(dim.factor * sum); }
}
