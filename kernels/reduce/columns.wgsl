// y_nm = factor · Σ_a x_nam                                                                one invocation per (n, m)
struct Dims { N: u32, A: u32, M: u32, factor: f32 }

@group(0) @binding(0) var<storage, read> x: array<T>;            // [N, A, M]
@group(0) @binding(1) var<storage, read_write> y: array<T>;      // [N, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * dim.M) { return; }
  let start = (id / dim.M) * dim.A * dim.M + id % dim.M;
  var sum = 0.0;
  for (var far = 0u; far < dim.A; far += STRETCH) {
    var sumStretch = 0.0;
    let farEnd = min(far + STRETCH, dim.A);
    for (var near = far; near < farEnd; near += PANEL) {
      var sumPanel = 0.0;
      let nearEnd = min(near + PANEL, farEnd);
      for (var a = near; a < nearEnd; a++) { sumPanel += f32(x[start + a * dim.M]); }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  y[id] = T(dim.factor * sum);
}
