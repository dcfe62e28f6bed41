// y_nam = Σ_c src_ncm where ids_ncm = a, in the order of c                                one invocation per element of y
//
// Every element looks at all C ids of its column: exact, the same bits in every run, and no atomics. Its sums are added
// PANEL at a time (panels.wgsl), by count of the terms that belong to it.
struct Dims { N: u32, A: u32, C: u32, M: u32 }

@group(0) @binding(0) var<storage, read> ids: array<u32>;          // [N, C, M]
@group(0) @binding(1) var<storage, read> src: array<T>;            // [N, C, M]
@group(0) @binding(2) var<storage, read_write> y: array<T>;        // [N, A, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * dim.A * dim.M) { return; }
  let a = (i / dim.M) % dim.A;
  let start = (i / (dim.A * dim.M)) * dim.C * dim.M + i % dim.M;
  var sum = 0.0;
  var stretch = 0.0;
  var panel = 0.0;
  var terms = 0u;
  for (var c = 0u; c < dim.C; c++) {
    let at = start + c * dim.M;
    if (ids[at] == a) {
      panel += f32(src[at]);
      terms++;
      if (terms % PANEL == 0) { stretch += panel; panel = 0.0; }
      if (terms % STRETCH == 0) { sum += stretch; stretch = 0.0; }
    }
  }
  y[i] = T(sum + (stretch + panel));
}
