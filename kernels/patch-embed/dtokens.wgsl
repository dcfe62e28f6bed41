// dpos_l = Σ_n dz_nl, dcls = dpos_0                                        one invocation per element of pos
struct Dims { N: u32, L: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dz: array<T>;                // [N, L, D]
@group(0) @binding(1) var<storage, read_write> dcls: array<f32>;      // [D]
@group(0) @binding(2) var<storage, read_write> dpos: array<f32>;      // [L, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let all = dim.L * dim.D;
  let q = (wid.x + wid.y * nwg.x) * WG + lane;
  if (q >= all) { return; }
  var sum = 0.0;
  for (var far = 0u; far < dim.N; far += STRETCH) {
    var sumStretch = 0.0;
    let farEnd = min(far + STRETCH, dim.N);
    for (var near = far; near < farEnd; near += PANEL) {
      var sumPanel = 0.0;
      let nearEnd = min(near + PANEL, farEnd);
      for (var n = near; n < nearEnd; n++) { sumPanel += f32(dz[n * all + q]); }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  dpos[q] = sum;
  if (q < dim.D) { dcls[q] = sum; }
}
