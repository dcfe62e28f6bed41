// dpos_l = Σ_n dz_nl, dcls = dpos_0                                        one invocation per vec4 of pos
struct Dims { N: u32, L: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dz: array<vec4<T>>;     // [N, L, D]
@group(0) @binding(1) var<storage, read_write> dcls: array<vec4f>;      // [D]
@group(0) @binding(2) var<storage, read_write> dpos: array<vec4f>;      // [L, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let D4 = dim.D / 4;
  let all = dim.L * D4;
  let q = (wid.x + wid.y * nwg.x) * WG + lane;
  if (q >= all) { return; }
  var sum = vec4f();
  for (var far = 0u; far < dim.N; far += STRETCH) {
    var sumStretch = vec4f();
    let farEnd = min(far + STRETCH, dim.N);
    for (var near = far; near < farEnd; near += PANEL) {
      var sumPanel = vec4f();
      let nearEnd = min(near + PANEL, farEnd);
      for (var n = near; n < nearEnd; n++) { sumPanel += vec4f(dz[n * all + q]); }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  dpos[q] = sum;
  if (q < D4) { dcls[q] = sum; }
}
