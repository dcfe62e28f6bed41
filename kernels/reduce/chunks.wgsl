// part_cnm = Σ_a x_nam over chunk c of a                                          one subgroup per chunk and (n, m)
struct Dims { N: u32, A: u32, M: u32, C: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;                // [N, A, M]
@group(0) @binding(1) var<storage, read_write> part: array<f32>;     // [C, N, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let id = subgroup_index(wid, nwg, subgroup);
  let places = dim.N * dim.M;
  if (id >= dim.C * places) { return; }
  let nm = id % places;
  let start = (nm / dim.M) * dim.A * dim.M + nm % dim.M;
  let size = (dim.A + dim.C - 1) / dim.C;
  let first = (id / places) * size;
  var sum = 0.0;
  let last = min(first + size, dim.A);
  for (var far = first + lane; far < last; far += STRETCH * SG) {
    var sumStretch = 0.0;
    let farEnd = min(far + STRETCH * SG, last);
    for (var near = far; near < farEnd; near += PANEL * SG) {
      var sumPanel = 0.0;
      let nearEnd = min(near + PANEL * SG, farEnd);
      for (var a = near; a < nearEnd; a += SG) { sumPanel += f32(x[start + a * dim.M]); }
      sumStretch += sumPanel;
    }
    sum += sumStretch;
  }
  sum = subgroupAdd(sum);
  if (lane == 0) { part[id] = sum; }
}
