// part_cnm = Σ_a x_nam over chunk c of a                                      one invocation per chunk, n and place m
struct Dims { N: u32, A: u32, M: u32, C: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;                // [N, A, M]
@group(0) @binding(1) var<storage, read_write> part: array<f32>;     // [C, N, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  let places = dim.N * dim.M;
  if (id >= dim.C * places) { return; }
  let nm = id % places;
  let start = (nm / dim.M) * dim.A * dim.M + nm % dim.M;
  let size = (dim.A + dim.C - 1) / dim.C;
  let first = (id / places) * size;
  let last = min(first + size, dim.A);
  var sum = 0.0;
  for (var far = first; far < last; far += STRETCH) {
    var sumStretch = 0.0;
    let farEnd = min(far + STRETCH, last);
    for (var near = far; near < farEnd; near += PANEL) {
      var sumPanel = 0.0;
      let nearEnd = min(near + PANEL, farEnd);
      for (var a = near; a < nearEnd; a++) { sumPanel += f32(x[start + a * dim.M]); }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  part[id] = sum;
}
