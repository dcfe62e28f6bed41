// y_nm = factor · Σ_a x_nam                                                  one invocation per n and four places m
struct Dims { N: u32, A: u32, M: u32, factor: f32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;            // [N, A, M]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;      // [N, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let M4 = dim.M / 4;
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * M4) { return; }
  let start = (id / M4) * dim.A * M4 + id % M4;
  var sum = vec4f();
  for (var far = 0u; far < dim.A; far += STRETCH) {
    var sumStretch = vec4f();
    let farEnd = min(far + STRETCH, dim.A);
    for (var near = far; near < farEnd; near += PANEL) {
      var sumPanel = vec4f();
      let nearEnd = min(near + PANEL, farEnd);
      for (var a = near; a < nearEnd; a++) { sumPanel += vec4f(x[start + a * M4]); }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  y[id] = vec4<T>(dim.factor * sum);
}
