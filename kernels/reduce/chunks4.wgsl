// part_cn = Σ_a x_na over chunk c of a                                 one subgroup per chunk and row n, by vec4s
struct Dims { N: u32, A: u32, C: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;          // [N, A]
@group(0) @binding(1) var<storage, read_write> part: array<f32>;     // [C, N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let id = subgroup_index(wid, nwg, subgroup);
  if (id >= dim.C * dim.N) { return; }
  let A4 = dim.A / 4;
  let start = (id % dim.N) * A4;
  let size = (A4 + dim.C - 1) / dim.C;
  let first = (id / dim.N) * size;
  let last = min(first + size, A4);
  var acc = vec4f();
  for (var far = first + lane; far < last; far += STRETCH * SG) {
    var accStretch = vec4f();
    let farEnd = min(far + STRETCH * SG, last);
    for (var near = far; near < farEnd; near += PANEL * SG) {
      var accPanel = vec4f();
      let nearEnd = min(near + PANEL * SG, farEnd);
      for (var a = near; a < nearEnd; a += SG) { accPanel += vec4f(x[start + a]); }
      accStretch += accPanel;
    }
    acc += accStretch;
  }
  let sum = subgroupAdd(sum4(acc));
  if (lane == 0) { part[id] = sum; }
}
