// y_r = factor · Σ_c part_cr                                             one invocation per r, chunks in order
struct Dims { C: u32, R: u32, factor: f32 }

@group(0) @binding(0) var<storage, read> part: array<f32>;       // [C, R]
@group(0) @binding(1) var<storage, read_write> y: array<T>;      // [R]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let r = (wid.x + wid.y * nwg.x) * WG + lane;
  if (r >= dim.R) { return; }
  var sum = 0.0;
  for (var far = 0u; far < dim.C; far += STRETCH) {
    var sumStretch = 0.0;
    let farEnd = min(far + STRETCH, dim.C);
    for (var near = far; near < farEnd; near += PANEL) {
      var sumPanel = 0.0;
      let nearEnd = min(near + PANEL, farEnd);
      for (var c = near; c < nearEnd; c++) { sumPanel += part[c * dim.R + r]; }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  y[r] = T(dim.factor * sum);
}
